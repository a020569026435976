"""Clips of one side of a split as batches: drawn, augmented, padded to one length; decided by seed, epoch and step.

Every random choice about clip i of a batch comes from (seed, epoch, step, i). `ClipLearner` is what the loop trains: a
classifier, with its batches and the official scores of the validation.
Source: Park et al. 2019, SpecAugment (1904.08779), with the numbers of Patch-Mix's code (2305.14032).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.clips.classifier import ClipClassifier, Mixed, View
from training.clips.front_end import ClipFrames
from training.clips.schema import Augment, ClassifierRecipe, Masks, Sampler
from training.loop import Batch, Losses
from training.metrics.official import confusion, official_score
from training.tasks import Clip, Task


@dataclass(frozen=True, slots=True)
class ClipSet:
    """One side of a split: frames, and their labels."""

    task: Task
    clips: tuple[Clip, ...]
    frames: ClipFrames
    """Of `clips`, in their order, none of them empty."""
    rows: NDArray[np.int64]
    """(n,) where each clip is in `frames`."""
    quality: NDArray[np.float32]
    """(n,) AQS, 0 to 1."""
    bands: int
    """Bands of one plane of a frame."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) index of each clip's label."""
        return np.array([self.task.labels.index(clip.label) for clip in self.clips], np.int64)

    @property
    def counts(self) -> list[int]:
        """(C,) clips of each label."""
        return np.bincount(self.labels, minlength=len(self.task.labels)).tolist()


class Batches:
    """Training batches.

    Args:
        clips: what is drawn from.
        size: B.
        augment: what is done to clips.
        sampler: which are drawn.
        seed: of the run.
    """

    def __init__(self, clips: ClipSet, size: int, augment: Augment, sampler: Sampler, seed: int) -> None:
        self._set, self._size, self._augment, self._sampler = clips, size, augment, sampler
        self._seed, self._labels = seed, clips.labels
        counts = np.bincount(self._labels, minlength=1)
        weights = counts[self._labels].astype(np.float64) ** -sampler.balance
        self._chances = weights / weights.sum()
        self.steps = sampler.steps or max(1, len(clips.clips) // size)

    def batch(self, epoch: int, step: int, with_partners: bool) -> Batch:
        """A batch.

        Args:
            epoch: from 0.
            step: from 0.
            with_partners: whether the frames of the clips to mix with are wanted.
        """
        chosen = self._chosen(epoch, step)
        rng = np.random.default_rng([self._seed, epoch, step])
        partner = rng.permutation(self._size)
        mixup = self._augment.mixup
        kept = float(rng.beta(mixup, mixup)) if mixup else 1.0
        longest = int(self._set.frames.lengths[self._set.rows[chosen]].max())
        place = (epoch, step)
        frames, valid = self._augmented(chosen, np.arange(self._size), longest, place)
        batch = {
            "labels": torch.from_numpy(self._labels[chosen]),
            "quality": torch.from_numpy(self._set.quality[chosen]),
            "partner": torch.from_numpy(partner),
            "kept": torch.full((self._size,), kept),
        }
        if with_partners or mixup:
            others, others_valid = self._augmented(chosen, partner, longest, place)
            if mixup:
                frames = kept * frames + (1 - kept) * others
                valid = np.maximum(valid, others_valid)
            else:
                batch |= {"others": torch.from_numpy(others), "others_valid": torch.from_numpy(others_valid)}
        return batch | {"frames": torch.from_numpy(frames), "valid": torch.from_numpy(valid)}

    def _chosen(self, epoch: int, step: int) -> NDArray[np.int64]:
        """(B,) clips of this batch."""
        count = len(self._labels)
        if self._sampler.balance == 0:
            order = np.random.default_rng([self._seed, epoch]).permutation(count)
            return order[np.arange(step * self._size, (step + 1) * self._size) % count]
        rng = np.random.default_rng([self._seed, epoch, step, 1 << 32])
        return rng.choice(count, self._size, p=self._chances)

    def _augmented(
        self, chosen: NDArray[np.int64], places: NDArray[np.int64], longest: int, place: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Augmented frames (b, S, T, M) and validity (b, T) of some places of the batch."""
        one = self._set.frames.clip(int(self._set.rows[chosen[0]]))
        frames = np.zeros((len(places), one.shape[0], longest, one.shape[2]), np.float32)
        valid = np.zeros((len(places), longest), np.float32)
        for row, i in enumerate(places):
            rng = np.random.default_rng([self._seed, *place, int(i)])
            clip = augmented(self._set.frames.clip(int(self._set.rows[chosen[i]])), self._augment, self._set.bands, rng)
            frames[row, :, : clip.shape[1]] = clip
            valid[row, : clip.shape[1]] = 1
        return frames, valid


def augmented(
    frames: NDArray[np.float32], augment: Augment, bands: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """One clip, changed.

    Args:
        frames: (S, T, M).
        augment: how.
        bands: of one plane of a frame; M is a multiple.
        rng: of this clip.
    """
    if augment.shift:
        furthest = int(augment.shift * frames.shape[1])
        frames = np.roll(frames, int(rng.integers(-furthest, furthest + 1)), axis=1)
    if augment.gain:
        frames = frames.copy()
        frames[..., :bands] += np.float32(rng.normal(0, augment.gain))  # a gain moves levels, not their deltas
    if augment.masks and rng.random() < augment.masks.probability:
        frames = _masked(frames, augment.masks, bands, rng)
    return frames


def _masked(frames: NDArray[np.float32], masks: Masks, bands: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Bands (in every plane) and frames replaced by the mean of each spectrogram."""
    planes = frames.shape[2] // bands
    blank_bands, blank_frames = np.zeros(bands, np.bool_), np.zeros(frames.shape[1], np.bool_)
    for blank, widest in ((blank_bands, masks.bands), (blank_frames, masks.frames)):
        for _ in range(masks.count if widest else 0):
            width = int(rng.integers(0, min(widest, len(blank))))
            first = int(rng.integers(0, len(blank) - width + 1))
            blank[first : first + width] = True
    blank = blank_frames[:, None] | np.tile(blank_bands, planes)
    return np.where(blank, frames.mean((1, 2), keepdims=True), frames).astype(np.float32)


def padded(frames: ClipFrames, rows: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips as they are: (b, S, T, M) with T of the longest, and (b, T), 1 where valid."""
    clips = [frames.clip(row) for row in rows]
    longest = max(clip.shape[1] for clip in clips)
    values = np.zeros((len(clips), clips[0].shape[0], longest, clips[0].shape[2]), np.float32)
    valid = np.zeros((len(clips), longest), np.float32)
    for row, clip in enumerate(clips):
        values[row, :, : clip.shape[1]] = clip
        valid[row, : clip.shape[1]] = 1
    return torch.from_numpy(values), torch.from_numpy(valid)


CHUNK = 32  # clips that are clip_probabilities at once


class ClipLearner:
    """Trains one classifier; its network is made under the recipe's seed.

    Args:
        recipe: of the run.
        training: clips of the patients to learn from.
        validation: of other patients.

    Raises:
        ConfigError: for sizes, or a checkpoint that does not fit.
    """

    def __init__(self, recipe: ClassifierRecipe, training: ClipSet, validation: ClipSet) -> None:
        torch.manual_seed(recipe.seed)
        self.network: ClipClassifier = ClipClassifier(recipe, training.counts, recipe.frames)
        self.training, self.validation = training, validation
        self._batches = Batches(training, recipe.loop.batch, recipe.augment, recipe.sampler, recipe.seed)
        self.steps, self.micro_batches = self._batches.steps, 1

    def batch(self, epoch: int, step: int) -> Batch:
        """As `Batches.batch`."""
        return self._batches.batch(epoch, step, self.network.objectives.patch_mix is not None)

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Every objective, of the whole batch."""
        assert isinstance(network, ClipClassifier)
        embeddings, mixed, kept = self._embedded(network, batch, rng)
        view = View(
            embeddings=embeddings,
            logits=network.head(embeddings),
            cosines=network.cosines(embeddings),
            labels=batch["labels"],
            partner=batch["partner"],
            kept=float(batch["kept"][0]),
            quality=batch["quality"],
            mixed=None,
        )
        if mixed is not None:
            logits = network.head(mixed)
            view = replace(view, mixed=Mixed(mixed, logits, kept))
        return network.objectives(view)

    def _embedded(
        self, network: ClipClassifier, batch: Batch, rng: torch.Generator
    ) -> tuple[Tensor, Tensor | None, float]:
        spec = network.objectives.patch_mix
        if spec is None:
            return network.backbone(batch["frames"], batch["valid"]), None, 1.0
        own, other = (batch["frames"], batch["valid"]), (batch["others"], batch["others_valid"])
        return network.mixed(own, other, spec, rng)

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Official score, sensitivity, specificity and loss-free numbers of the validation patients."""
        probabilities = clip_probabilities(network, self.validation, next(network.parameters()).device)
        return validation_numbers(self.validation, probabilities)


@torch.no_grad()
def clip_probabilities(network: nn.Module, clips: ClipSet, device: torch.device) -> NDArray[np.float32]:
    """(n, C) probabilities of each clip, by a network in evaluation mode; clips of like lengths go together."""
    order = np.argsort(clips.frames.lengths[clips.rows], kind="stable")
    result = np.zeros((len(order), len(clips.task.labels)), np.float32)
    for start in range(0, len(order), CHUNK):
        some = order[start : start + CHUNK]
        frames, valid = padded(clips.frames, clips.rows[some].tolist())
        logits = network(frames.to(device), valid.to(device))
        result[some] = torch.softmax(logits.float(), -1).cpu().numpy()
    return result


def validation_numbers(clips: ClipSet, probabilities: NDArray[np.float32]) -> dict[str, float]:
    """What a validation prints and what early stopping looks at; a score that is undefined counts as 0."""
    official = official_score(clips.task, confusion(clips.task, clips.labels, probabilities.argmax(1)))
    return {
        "score": official.score or 0.0,
        "sensitivity": official.sensitivity or 0.0,
        "specificity": official.specificity or 0.0,
    }
