"""What `hear` trains, as learners of the loop: the masked auto-encoder, and the detector of health sounds.

The auto-encoder learns from pieces without labels; it is validated by the same loss on patients (speakers, infants)
that are not trained on, with masks that never change.

The detector learns from what there is: negatives by kind, and breath from chest recordings. Every piece is taught the
label of its kind and the absence of the other taught labels: a cough is called no breath though there may be one behind
it. A piece of a chest recording is breath when it holds an annotated phase, and teaches nothing when it does not. Kinds
without a label among the eight (an infant's cry, heart sounds) are taught as none of them. Breath comes from a
stethoscope here and the others do not, so `Breathe` may have learnt the stethoscope.
Source: Baur et al. 2024 (2403.02522): 200 frames are resized to 192, bilinear; the labels of its released detector.
Which sounds stand for which label is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.clips.batches import padded
from training.clips.cut import all_pieces, whole
from training.clips.front_end import ClipFrames, cached_clip_frames
from training.clips.schema import Detector, HearRecipe
from training.datasets import Recording
from training.loop import Batch, LoopSpec, Losses
from training.papers.hear import (
    LABELS,
    EventDetector,
    MaskedAutoencoder,
    MaskedSpec,
    event_loss,
    masked_error,
    patchify,
    random_masking,
)
from training.tasks import Clip

CHUNK = 64  # pieces that are validated at once


def masked_network(recipe: HearRecipe) -> MaskedAutoencoder:
    """The auto-encoder of a recipe, untrained.

    Raises:
        ConfigError: for sizes that it does not have.
    """
    known = set(MaskedSpec.__dataclass_fields__) - {"bands"}
    unknown = sorted(recipe.sizes.keys() - known)
    if unknown:
        raise ConfigError(f"sizes: {unknown[0]} is not known; expected {', '.join(sorted(known))}")
    return MaskedAutoencoder(MaskedSpec(**{"bands": recipe.features["pcen"].width, **recipe.sizes}))


def resized(frames: Tensor, count: int) -> Tensor:
    """(B, S, T, M) to (B, S, count, M), bilinear over time."""
    return F.interpolate(frames, (count, frames.shape[3]), mode="bilinear", align_corners=False)


class MaskedLearner:
    """Trains one masked auto-encoder.

    Args:
        network: made under the run's seed.
        frames: of every piece, all of one length.
        sides: rows of `frames` to train on, and to validate on.
        recipe: of the run: B, in how many parts, and the seed.
    """

    def __init__(
        self,
        network: MaskedAutoencoder,
        frames: ClipFrames,
        sides: tuple[NDArray[np.int64], NDArray[np.int64]],
        recipe: HearRecipe,
    ) -> None:
        self.network = network
        self._frames, (self._rows, self._kept_apart) = frames, sides
        self._size, self._seed = recipe.loop.batch, recipe.seed
        self.steps, self.micro_batches = max(1, len(self._rows) // self._size), recipe.micro_batches

    def batch(self, epoch: int, step: int) -> Batch:
        """Every piece once in an epoch."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        chosen = order[np.arange(step * self._size, (step + 1) * self._size) % len(order)]
        return {"frames": padded(self._frames, chosen.tolist())[0], "places": torch.arange(self._size)}

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Error on the masked patches of a (micro-)batch; a piece's mask is that of its place in the whole batch."""
        assert isinstance(network, MaskedAutoencoder)
        spec, places = network.spec, batch["places"].cpu()
        kept, masked = (x[places] for x in random_masking(self._size, spec.patches, spec.kept, rng))
        return {"total": _error(network, batch["frames"], kept, masked)}

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """`loss` on the patients kept apart."""
        assert isinstance(network, MaskedAutoencoder)
        spec, rng = network.spec, torch.Generator().manual_seed(0)
        device, errors = next(network.parameters()).device, []
        for start in range(0, len(self._kept_apart), CHUNK):
            rows = self._kept_apart[start : start + CHUNK]
            frames, _ = padded(self._frames, rows.tolist())
            kept, masked = random_masking(len(rows), spec.patches, spec.kept, rng)
            errors += [float(_error(network, frames.to(device), kept, masked))] * len(rows)
        return {"loss": float(np.mean(errors))}


def _error(network: MaskedAutoencoder, frames: Tensor, kept: Tensor, masked: Tensor) -> Tensor:
    image = resized(frames, network.spec.frames)
    device = image.device
    predicted = network.reconstruct(image, kept.to(device))
    return masked_error(predicted, patchify(image, network.spec.patch), masked.to(device))


BREATH, CHEST = "breath", "chest"  # kinds of pieces of chest recordings: with an annotated phase, and without
LEAST_BREATH_S = 0.5  # of an annotated phase in a piece, to call it breath


@dataclass(frozen=True)
class TeachingPieces:
    """Pieces and what they teach."""

    frames: ClipFrames
    kinds: tuple[str, ...]
    """(n,) kind of negative, `breath`, or `chest`."""
    targets: NDArray[np.float32]
    """(n, 8)."""
    known: NDArray[np.bool_]
    """(n, 8)."""


def teaching_pieces(recipe: HearRecipe, recordings: Sequence[Recording], cache: Path) -> TeachingPieces:
    """Pieces of recordings with their targets.

    Raises:
        ConfigError: for a label that the detector does not have, or one that no piece teaches.
    """
    assert recipe.detector is not None
    labels = recipe.detector.labels
    unknown = sorted(set(labels.values()) - set(LABELS))
    if unknown:
        raise ConfigError(f"detector.labels: {unknown[0]!r} is none of {', '.join(LABELS)}")
    found, _ = all_pieces([whole(r) for r in recordings], recipe.clip.seconds)
    kinds = tuple(_kind(clip) for clip in found)
    missing = sorted(kind for kind in labels if kind not in kinds)
    if missing:
        raise ConfigError(f"detector.labels: no sound of {missing[0]!r} under DATA; remove the label or add sounds")
    trained = np.array([label in labels.values() for label in LABELS])
    targets, known = np.zeros((len(found), len(LABELS)), np.float32), np.tile(trained, (len(found), 1))
    for row, kind in enumerate(kinds):
        if kind in labels:
            targets[row, LABELS.index(labels[kind])] = 1
        known[row] &= kind != CHEST
    frames = cached_clip_frames(found, {"pcen": recipe.detector_features}, recipe.clip, cache)
    return TeachingPieces(frames, kinds, targets, known)


def _kind(clip: Clip) -> str:
    if clip.recording.is_negative:
        return clip.recording.record_label
    end_s = clip.start_s if clip.end_s is None else clip.end_s
    annotated_s = sum(max(0.0, min(e.end_s, end_s) - max(e.start_s, clip.start_s)) for e in clip.recording.events)
    return BREATH if annotated_s >= LEAST_BREATH_S else CHEST


class DetectorLearner:
    """Trains one detector; kinds are drawn alike often.

    Args:
        pieces: of both sides.
        sides: rows to train on, and to validate on.
        spec: of the recipe.
        seed: of the run; the network must be made under it.
    """

    def __init__(
        self,
        pieces: TeachingPieces,
        sides: tuple[NDArray[np.int64], NDArray[np.int64]],
        spec: Detector,
        seed: int,
    ) -> None:
        self.network: nn.Module = EventDetector()
        self._pieces, (rows, apart) = pieces, sides
        self._kept_apart = np.array([row for row in apart if pieces.known[row].any()])
        self._rows = np.array([row for row in rows if pieces.kinds[row] != CHEST and pieces.frames.lengths[row]])
        counts = Counter(pieces.kinds[row] for row in self._rows)
        chances = np.array([1 / counts[pieces.kinds[row]] for row in self._rows])
        self._chances = chances / chances.sum()
        self._size, self._seed = spec.batch, seed
        self.steps = max(1, len(self._rows) // spec.batch // 4)  # breath is most of it, and drawn as often as a cough
        self.micro_batches = 1

    def batch(self, epoch: int, step: int) -> Batch:
        """Pieces and what they teach."""
        rng = np.random.default_rng([self._seed, epoch, step])
        chosen = rng.choice(self._rows, self._size, p=self._chances)
        frames, valid = padded(self._pieces.frames, chosen.tolist())
        targets, known = self._pieces.targets[chosen], self._pieces.known[chosen]
        return {
            "frames": frames,
            "valid": valid,
            "targets": torch.from_numpy(targets),
            "known": torch.from_numpy(known),
        }

    def loss(self, network: nn.Module, batch: Batch, rng: torch.Generator) -> Losses:
        """Cross-entropy of what is known."""
        logits = network(batch["frames"], batch["valid"])
        return {"total": event_loss(logits, batch["targets"], batch["known"])}

    @torch.no_grad()
    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Area under the ROC curve of each label against every other kind, and their mean as `score`."""
        device, logits = next(network.parameters()).device, []
        for start in range(0, len(self._kept_apart), CHUNK):
            frames, valid = padded(self._pieces.frames, self._kept_apart[start : start + CHUNK].tolist())
            logits.append(network(frames.to(device), valid.to(device)).cpu().numpy())
        scores, targets = np.concatenate(logits), self._pieces.targets[self._kept_apart]
        areas = {
            f"auc {label}": float(roc_auc_score(targets[:, column], scores[:, column]))
            for column, label in enumerate(LABELS)
            if 0 < targets[:, column].sum() < len(targets)
        }
        return {"score": float(np.mean(list(areas.values()))) if areas else 0.0, **areas}


def loop_of(recipe: HearRecipe, spec: Detector) -> LoopSpec:
    """How the detector is trained: as its own part of the recipe says, in the precision of the whole."""
    return LoopSpec(
        epochs=spec.epochs,
        batch=spec.batch,
        learning_rate=spec.learning_rate,
        schedule="one-cycle",
        average=0.98,
        precision=recipe.loop.precision,
    )
