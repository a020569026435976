"""What an event needs above its threshold to begin soon after sound was lost. Pure.

Behind a hole the network knows less than usual and is as sure of itself; a penalty in log-odds keeps what it says there
from becoming new events. Not for what makes a frame invalid (`edge.features`), nor for events that are open when sound
is lost (`edge.detector.tracker` ends them).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.artefact.specs import ChunkSpec
from edge.features.spec import FeatureSpec
from edge.types import Chunk

PENALTY = 0.1  # log-odds above its threshold that an event needs to begin near a hole, natural logarithm
NEAR_S = 1.0  # so long behind it
SHORT_S = 0.06  # holes up to this length cost nothing


def gap_penalty(lost: NDArray[np.bool_], hole_frames: int, near_frames: int) -> NDArray[np.float64]:
    """(T,) log-odds for each of some frames in a row.

    Args:
        lost: (T,) whether the frame was lost.
        hole_frames: frames in a row that a hole must have to count.
        near_frames: how many frames behind such a hole are near to it.
    """
    index = np.arange(len(lost))
    run = index - np.maximum.accumulate(np.where(lost, -1, index))  # frames in a row that are lost, up to this one
    hole = np.maximum.accumulate(np.where(run >= hole_frames, index, -1 - near_frames))  # the last of such frames
    return np.where(index - hole <= near_frames, PENALTY, 0.0)


class GapPenalty:
    """What one stream lost lately, and what that costs.

    Args:
        features: length of a frame and of what it touches.
        spec: lengths of the chunks.
    """

    def __init__(self, features: FeatureSpec, spec: ChunkSpec) -> None:
        """Nothing was lost yet."""
        self._spec = spec
        # A hole of d samples touches (d + span - 2) // hop + 1 frames at most
        span = features.ahead_samples + features.history_samples
        self._hole = (round(SHORT_S * features.rate_hz) + span - 2) // features.hop_samples + 2
        self._near = round(NEAR_S * features.rate_hz / features.hop_samples)
        self._lost: NDArray[np.bool_]  # of the newest frames that were decided
        self._is_begun: bool  # whether anything was heard
        self.reset()

    def push(self, chunk: Chunk) -> NDArray[np.float64]:
        """(H / score_frames,) log-odds of the score frames that a chunk decides."""
        valid = chunk.decided_valid
        if chunk.restart and self._is_begun:
            self._lost[:] = True
        lost = ~valid & (self._is_begun | np.maximum.accumulate(valid))  # what lies before the stream was not lost
        self._is_begun |= bool(valid.any())
        self._lost = np.concatenate([self._lost[len(lost) :], lost])
        if not self._lost.any():
            return np.zeros(self._spec.scores)
        penalty = gap_penalty(self._lost, self._hole, self._near)[-len(lost) :]
        return np.asarray(penalty.reshape(self._spec.scores, -1).max(axis=1))

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._lost = np.zeros(self._hole + self._near + self._spec.chunk_frames, np.bool_)
        self._is_begun = False
