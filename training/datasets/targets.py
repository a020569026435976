"""From annotated breath phases to what the network should say of each score frame.

Columns: breath, continuous, discontinuous (does it sound in this frame?), then which continuous sound and which
discontinuous one, given that there is one. Partly covered frames have partial targets. Not for features.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.datasets.records import CONTINUOUS, DISCONTINUOUS, Recording


class Columns(NamedTuple):
    """Where each question stands in targets and logits."""

    breath: int = 0
    continuous: int = 1
    discontinuous: int = 2
    which_continuous: slice = slice(3, 3 + len(CONTINUOUS))
    which_discontinuous: slice = slice(3 + len(CONTINUOUS), 3 + len(CONTINUOUS) + len(DISCONTINUOUS))


COLUMNS = Columns()
WIDTH = COLUMNS.which_discontinuous.stop
PRESENCE = slice(0, 3)  # the questions answered by yes or no


def frame_targets(recording: Recording, count: int, frame_s: float) -> NDArray[np.float32]:
    """Targets of the first `count` score frames.

    Args:
        recording: with its annotations.
        count: T, score frames.
        frame_s: seconds to one score frame.

    Returns:
        (T, WIDTH) share of the score frame that is covered, 0 to 1.
    """
    targets = np.zeros((count, WIDTH), np.float32)
    edges = np.arange(count + 1) * frame_s
    for event in recording.events:
        overlap = np.minimum(edges[1:], event.end_s) - np.maximum(edges[:-1], event.start_s)
        covered = np.clip(overlap / frame_s, 0, 1).astype(np.float32)
        columns = [COLUMNS.breath, *(c for label in event.labels for c in columns_of(label))]
        for column in columns:
            np.maximum(targets[:, column], covered, out=targets[:, column])
    return targets


def annotated(targets: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(T,) score frames of which an annotated breath phase covers more than half, from (T, WIDTH) targets."""
    return np.asarray(targets[:, COLUMNS.breath] > 0.5)


def columns_of(label: str) -> tuple[int, ...]:
    """Columns that an annotated sound has beside breath."""
    if label in CONTINUOUS:
        return COLUMNS.continuous, COLUMNS.which_continuous.start + CONTINUOUS.index(label)
    if label in DISCONTINUOUS:
        return COLUMNS.discontinuous, COLUMNS.which_discontinuous.start + DISCONTINUOUS.index(label)
    return (COLUMNS.discontinuous,)  # `crackle` of unknown kind
