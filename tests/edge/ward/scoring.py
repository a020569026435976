"""Scores that are made by hand, and the plain sum over them that a burden must equal."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge.model.specs import GroupSpec
from edge.types import Scores
from edge.ward.burden import Burden, Reading

CLASSES = ("wheeze", "rhonchus", "fine_crackle", "breath")
GROUPS = (
    GroupSpec("continuous", ("wheeze", "rhonchus"), 3, 0.7, 3, 3),
    GroupSpec("discontinuous", ("fine_crackle",), 3, 0.7, 3, 3),
)
COLUMNS = {"continuous": [0, 1], "discontinuous": [2]}
HOP_SAMPLES, RATE_HZ = 256, 8000  # as the bundled model: 32 ms
MINUTE = 1875  # score frames
STEP = 125


def burden() -> Burden:
    return Burden(GROUPS, CLASSES, HOP_SAMPLES, RATE_HZ)


def constant(seconds: float, wheeze: float = 0.0, crackle: float = 0.0, start: int = 0) -> Scores:
    """The same probabilities in every score frame; breath is always heard."""
    values = np.zeros((round(seconds * MINUTE / 60), len(CLASSES)), np.float32)
    values[:] = (wheeze, 0.0, crackle, 0.9)
    return Scores(start, values, np.ones(len(values), np.bool_))


def random_scores(frames: int, seed: int, start: int = 0, valid: float = 1.0) -> Scores:
    """Every number random, a share of the frames measurable."""
    rng = np.random.default_rng(seed)
    values = (rng.random((frames, len(CLASSES))) / 2).astype(np.float32)
    return Scores(start, values, rng.random(frames) < valid)


def part(scores: Scores, first: int, stop: int) -> Scores:
    return Scores(scores.start + first, scores.values[first:stop], scores.valid[first:stop])


def in_pieces(of: Burden, scores: Scores, cuts: list[int]) -> list[Reading]:
    """Pushed in pieces that end at these frames of it."""
    edges = [0, *sorted(min(cut, len(scores.valid)) for cut in cuts), len(scores.valid)]
    return [r for a, b in pairwise(edges) for r in of.push(part(scores, a, b))]


def offline(
    values: NDArray[np.float32], valid: NDArray[np.bool_], group: str, stop: int, window_s: int
) -> tuple[float, float]:
    """Seconds per minute and coverage of a window that ends before frame `stop`; frames count from 0."""
    first = max(stop - window_s * MINUTE // 60, 0)
    stored = valid[first:stop]
    probabilities = values[first:stop, COLUMNS[group]].astype(np.float64).sum(axis=1)[stored]
    return 60 * float(probabilities.mean()) if stored.any() else 0.0, stored.sum() / (window_s * MINUTE / 60)
