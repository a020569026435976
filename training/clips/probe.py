"""Masked pre-training on unlabelled pieces as a learner of the loop, and embeddings of pieces by what it learnt.

Validation is the same loss on patients (speakers, infants) that are not trained on, with masks that never change.
Source: Baur et al. 2024 (2403.02522): 200 frames are resized to 192, bilinear.

Linear probes on frozen embeddings, one for each task, and the run of `hear` as a `Predictor`.

A clip has the mean of the embeddings of its pieces; a logistic regression on standardised embeddings answers. Its
strength of regularisation is the one with the best official score on validation patients.
Source: Baur et al. 2024 (2403.02522), whose probes are linear on frozen embeddings.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional as F

from edge.errors import ConfigError
from training.clips.batches import padded
from training.clips.cut import all_pieces, length_s
from training.clips.front_end import ClipFrames, computed_clip_frames
from training.clips.schema import HearRecipe, Probe
from training.clips.trained import HEARD_AT_ONCE, provenance, translated, translation
from training.loop import Batch, Losses
from training.loop.checkpoint import load, save
from training.metrics.official import official_score
from training.papers.hear import (
    MaskedAutoencoder,
    MaskedEncoder,
    MaskedSpec,
    masked_error,
    patchify,
    random_masking,
)
from training.tasks import TASKS, Clip, Task

CHUNK = 64  # pieces that are encoded at once


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


@torch.no_grad()
def embeddings_of(encoder: MaskedEncoder, frames: ClipFrames, heard: NDArray[np.float64]) -> NDArray[np.float32]:
    """Embeddings of pieces, by the encoder in evaluation mode.

    Args:
        encoder: pre-trained.
        frames: of every piece, all of one length.
        heard: (n,) share of each piece that is sound, 1 or more for all of it; the silence behind it has no part in
            the embedding.

    Returns:
        (n, D).
    """
    device, length = next(encoder.parameters()).device, encoder.spec.frames
    parts = []
    for start in range(0, len(heard), CHUNK):
        rows = range(start, min(start + CHUNK, len(heard)))
        image = resized(padded(frames, rows)[0].to(device), length)
        valid = torch.arange(length) < torch.from_numpy(heard[rows.start : rows.stop] * length).ceil()[:, None]
        parts.append(encoder(image, valid.to(image)).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, encoder.spec.size), np.float32)


PROBES = "probes.pt"
Embed = Callable[[Sequence[Clip]], NDArray[np.float32]]


@dataclass(frozen=True)
class LinearProbe:
    """softmax(((e - mean) / deviation) weight + bias)."""

    mean: NDArray[np.float32]
    """(D,)."""
    deviation: NDArray[np.float32]
    """(D,)."""
    weight: NDArray[np.float32]
    """(D, C)."""
    bias: NDArray[np.float32]
    """(C,)."""

    def probabilities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, D) to (n, C)."""
        logits = (embeddings - self.mean) / self.deviation @ self.weight + self.bias
        return np.asarray(torch.softmax(torch.from_numpy(logits), -1).numpy(), np.float32)


def fit_probe(
    task: Task,
    training: tuple[NDArray[np.float32], NDArray[np.int64]],
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    spec: Probe,
) -> tuple[LinearProbe, float]:
    """The best probe of several strengths.

    Args:
        task: whose official score decides.
        training: (n, D) embeddings and (n,) labels, every label among them.
        validation: the same of other patients.
        spec: strengths, weights.

    Returns:
        The probe, and its strength.
    """
    embeddings, labels = training
    mean, deviation = embeddings.mean(0), embeddings.std(0) + 1e-6
    best: tuple[float, LinearProbe, float] | None = None
    for strength in spec.strengths:
        regression = LogisticRegression(
            C=strength, max_iter=300, class_weight="balanced" if spec.balanced else None, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # 300 steps are close enough for a probe
            regression.fit((embeddings - mean) / deviation, labels)
        probe = LinearProbe(mean, deviation, *_softmax_form(regression, len(task.labels)))
        confusion = np.zeros((len(task.labels),) * 2)
        np.add.at(confusion, (validation[1], probe.probabilities(validation[0]).argmax(1)), 1)
        score = official_score(task, confusion).score or 0.0
        if best is None or score > best[0]:
            best = (score, probe, strength)
    assert best is not None
    return best[1], best[2]


def _softmax_form(regression: LogisticRegression, classes: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(D, C) and (C,); two classes have one row of coefficients, whose logistic is a softmax against zero."""
    weight, bias = regression.coef_.T, regression.intercept_
    if classes == 2:
        weight, bias = np.concatenate([0 * weight, weight], 1), np.concatenate([0 * bias, bias])
    return weight.astype(np.float32), bias.astype(np.float32)


def pooled(clips: Sequence[Clip], seconds: float, embed: Embed) -> NDArray[np.float32]:
    """(n, D): the mean embedding of each clip's pieces."""
    parts = []
    for start in range(0, len(clips), HEARD_AT_ONCE):
        found, owners = all_pieces(clips[start : start + HEARD_AT_ONCE], seconds)
        embeddings, owner = embed(found), np.array(owners)
        sums = np.zeros((owner.max() + 1, embeddings.shape[1]), np.float32)
        np.add.at(sums, owner, embeddings)
        parts.append(sums / np.bincount(owner)[:, None].astype(np.float32))
    return np.concatenate(parts)


def embedder(recipe: HearRecipe, encoder: MaskedEncoder) -> Embed:
    """From pieces to embeddings, by the pre-trained encoder."""

    def embed(found: Sequence[Clip]) -> NDArray[np.float32]:
        frames = computed_clip_frames(found, recipe.features, recipe.clip)
        if not frames.lengths.all():
            first = found[int(np.flatnonzero(frames.lengths == 0)[0])]
            raise ConfigError(f"{first.recording.path}: does not decode; remove it or fetch it again")
        heard = np.array([length_s(piece) for piece in found]) / recipe.clip.seconds
        return embeddings_of(encoder, frames, heard)

    return embed


def save_probes(path: Path, encoder: MaskedEncoder, probes: dict[str, LinearProbe]) -> None:
    """Write all that answers: the weights of the encoder, and the numbers of every task's probe."""
    names = LinearProbe.__dataclass_fields__
    numbers = {task: {name: torch.from_numpy(getattr(p, name)) for name in names} for task, p in probes.items()}
    save(path, {"encoder": encoder.state_dict(), "probes": numbers})


class ProbePredictor:
    """A finished run of `hear`.

    Args:
        recipe: of the run.
        embed: from pieces to embeddings.
        probes: by task.
        path: of the run.
    """

    def __init__(self, recipe: HearRecipe, embed: Embed, probes: dict[str, LinearProbe], path: Path) -> None:
        self.name, self.provenance = f"{recipe.name} ({path.name})", provenance(path)
        self._recipe, self._embed, self._probes = recipe, embed, probes

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L) probabilities.

        Raises:
            ConfigError: if no probe says anything about the task.
        """
        own = self._own(task)
        matrix = None if own is None else translation(own, task)
        if own is None or matrix is None:
            raise ConfigError(f"{self.name}: has probes for {', '.join(self._probes)}, none answers {task.name}")
        embeddings = pooled(clips, self._recipe.clip.seconds, self._embed)
        return np.asarray(self._probes[own.name].probabilities(embeddings) @ matrix, np.float32)

    def note(self, task: Task) -> str:
        """How the answers came about, where no probe is of this task."""
        own = self._own(task)
        return "" if own is None else translated(own, task)

    def _own(self, task: Task) -> Task | None:
        """The task of the probe that answers: its own, else the first whose labels say those of this one."""
        names = sorted(self._probes, key=lambda name: name != task.name)
        return next((TASKS[name] for name in names if translation(TASKS[name], task) is not None), None)


def load_probe(path: Path, recipe: HearRecipe) -> ProbePredictor:
    """The predictor of a finished run of `hear`.

    Raises:
        ConfigError: if it is not finished, or of another version.
    """
    encoder, kept = masked_network(recipe).encoder, load(path / PROBES)
    if kept.keys() != {"encoder", "probes"}:
        raise ConfigError(f"{path / PROBES}: of another version, without the encoder; train again")
    try:
        encoder.load_state_dict(kept["encoder"])
    except RuntimeError:
        raise ConfigError(f"{path / PROBES}: not the encoder that {path / 'run.json'} describes; train again") from None
    probes = {
        task: LinearProbe(**{name: x.numpy() for name, x in numbers.items()})
        for task, numbers in kept["probes"].items()
    }
    return ProbePredictor(recipe, embedder(recipe, encoder.eval()), probes, path)


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
