"""Linear probes on frozen embeddings of HeAR's encoder, one for each task.

A clip has the mean of the embeddings of its pieces; a logistic regression on standardised embeddings answers. Its
strength of regularisation is the one with the best official score on validation patients. Not for the pre-training
(`training.clips.hear_learners`).
Source: Baur et al. 2024 (2403.02522), whose probes are linear on frozen embeddings.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from edge.errors import ConfigError
from training.clips.batches import padded
from training.clips.cut import all_pieces, length_s
from training.clips.front_end import HEARD_AT_ONCE, ClipFrames, computed_clip_frames
from training.clips.hear_learners import CHUNK, resized
from training.clips.schema import HearRecipe, Probe
from training.loop.checkpoint import save
from training.metrics.official import confusion, official_score
from training.papers.hear import MaskedEncoder
from training.tasks import Clip, Task

PROBES = "probes.pt"
Embed = Callable[[Sequence[Clip]], NDArray[np.float32]]


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
        decided = probe.probabilities(validation[0]).argmax(1)
        score = official_score(task, confusion(task, validation[1], decided)).score or 0.0
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
