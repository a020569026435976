"""How far an artefact is from the network it was made of, and how far it may be. Writes nothing.

What is compared, and on what:
- torch and the fp32 artefact: the largest difference of any output.
- A variant and the fp32 artefact, for each output: cosine and top-1 of `edge.artefact.parity`, the same that a device
  measures before it uses a variant. The scores of several sounds may be high at once, so top-1 alone says little: it
  is the highest of the six scores of a frame, mostly breath. Therefore also `decisions`: in each valid frame and each
  group of sounds that exclude each other, what would open an event: the highest class that reaches its threshold, or
  nothing.
- Streamed and offline: sound in uneven blocks through the whole edge path, and all its windows at once.
- Sounds whose events must be the same (`export.golden`), and accuracy (`export.validation`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.artefact.backends import Backend
from edge.artefact.model import Model
from edge.artefact.parity import MIN_COSINE, MIN_TOP1, compare_outputs
from edge.artefact.specs import GroupSpec
from edge.detector.pipeline import Pipeline
from edge.types import Block, Scores
from export.calibration import Sample
from export.golden import sample_of

TORCH = 1e-4  # largest difference between torch and the fp32 artefact
STREAMED = 1e-4  # largest difference between streamed and offline scores of one artefact
LOST = 0.005  # of any validation metric: half a point
BATCH = 16


@dataclass(frozen=True, slots=True)
class ComparisonSet:
    """The windows that artefacts are compared on."""

    windows: Sample
    """Windows of streams; for the scores."""
    clips: Sample
    """Windows that hold one event and nothing else; for the labels of clips."""
    kind: str
    """What sounds they are of, in words."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Difference between a variant and the fp32 artefact on the same windows."""

    largest: float
    """Largest difference of a score."""
    mean: float
    """Mean difference of a score."""
    cosine: float
    """Of all scores."""
    top1: float
    """Share of frames whose highest score is of the same class."""
    decisions: float
    """Share of frames and groups where the same event, or none, would open."""
    decisions_heard: float
    """The same among those where either would open one; not bounded: such frames are few and many lie on the edge."""
    clip_cosine: float
    """Of the log-probabilities of clips."""
    clip_top1: float
    """Share of clips with the same label."""

    def failed(self) -> list[str]:
        """Bounds that it does not keep, in words."""
        bounds = {"cosine": MIN_COSINE, "top1": MIN_TOP1, "decisions": MIN_TOP1}
        bounds |= {"clip_cosine": MIN_COSINE, "clip_top1": MIN_TOP1}
        return [
            f"{name} {getattr(self, name):.5f}, at least {bound}"
            for name, bound in bounds.items()
            if not getattr(self, name) >= bound
        ]


def distance(reference: Backend, variant: Backend, comparison: ComparisonSet, model: Model) -> Distance:
    """Compare two artefacts.

    Args:
        reference: the fp32 artefact.
        variant: another.
        comparison: the windows.
        model: either, for its groups and thresholds.
    """
    expected, found = outputs(reference, comparison.windows, "scores"), outputs(variant, comparison.windows, "scores")
    clips = [{"clip": outputs(backend, comparison.clips, "clip")} for backend in (reference, variant)]
    scores, labels = compare_outputs({"scores": expected}, {"scores": found}), compare_outputs(clips[0], clips[1])
    steps = expected.shape[1]
    measurable = comparison.windows.valid.reshape(len(expected), steps, -1).all(2)
    one, other = (decisions(values[measurable], model) for values in (expected, found))
    opened = (one >= 0) | (other >= 0)
    return Distance(
        scores.largest,
        float(np.abs(expected - found).mean()),
        scores.cosine,
        scores.top1,
        float((one == other).mean()),
        float((one == other)[opened].mean()) if opened.any() else 1.0,
        labels.cosine,
        labels.top1,
    )


def outputs(backend: Backend, sample: Sample, output: str) -> NDArray[np.float32]:
    """One output of an artefact for all windows of a sample."""
    parts = [slice(first, first + BATCH) for first in range(0, len(sample), BATCH)]
    return np.concatenate([backend.run(sample.frames[part], sample.valid[part], output) for part in parts])


def decisions(scores: NDArray[np.float32], model: Model) -> NDArray[np.int64]:
    """(n, G) for (n, C) scores: index of the class whose event would open in each group, -1 for none."""
    return np.stack([_decision(scores, group, model) for group in model.groups], axis=-1)


def _decision(scores: NDArray[np.float32], group: GroupSpec, model: Model) -> NDArray[np.int64]:
    columns = [model.classes.index(name) for name in group.classes]
    bars = np.array([model.thresholds[name] for name in group.classes], np.float32)
    reaching = np.where(scores[:, columns] >= bars, scores[:, columns], -1.0)
    return np.where(reaching.max(1) >= 0, np.array(columns)[reaching.argmax(1)], -1)


def from_torch(scorer: nn.Module, backend: Backend, comparison: ComparisonSet) -> float:
    """Largest difference of any output between torch and an artefact, with and without gaps."""
    worst = 0.0
    for sample in (comparison.windows, comparison.clips):
        rows = slice(0, 2 * BATCH)
        frames, valid = sample.frames[rows], sample.valid[rows]
        rng = np.random.default_rng(0)
        gaps = valid * (rng.random(valid.shape) < 0.9)
        for mask in (valid, gaps.astype(np.float32)):
            masked = frames * mask[:, :, None]
            with torch.no_grad():
                expected = scorer(torch.from_numpy(masked), torch.from_numpy(mask))
            for output, values in zip(("scores", "clip"), expected, strict=True):
                worst = max(worst, float(np.abs(backend.run(masked, mask, output) - values.numpy()).max()))
    return worst


def streamed(model: Model, backend: Backend, samples: NDArray[np.float32]) -> float:
    """Largest difference between the scores of one sound in uneven blocks and of all its windows in one batch."""
    got: list[Scores] = []
    pipeline = Pipeline(model, observe=got.append)
    rng, start = np.random.default_rng(1), 0
    while start < len(samples):
        piece = samples[start : start + int(rng.integers(1, model.rate_hz))]
        pipeline.push(Block(start, piece, np.ones(len(piece), np.bool_)))
        start += len(piece)
    pipeline.flush()
    windows, spec = sample_of([samples], model), model.window
    decided = spec.decided
    steps_decided = slice(decided.start // spec.score_frames, decided.stop // spec.score_frames)
    offline = outputs(backend, windows, "scores")[:, steps_decided]
    measurable = windows.valid[:, decided].reshape(*offline.shape[:2], -1).all(2)
    values = np.concatenate([scores.values[scores.valid] for scores in got])
    return float(np.abs(values - offline[measurable]).max())
