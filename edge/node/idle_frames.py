"""Score frames of sound in which nothing was valid for so long that the detector makes no chunk of it.

A device without contact marks its samples; after some seconds the model is not asked any more (`edge.detector.chunks`),
but the time of the bed goes on: burden, coverage and lag are to see that nothing of it was measured. Not for time in
which no sound comes at all (`NodeStream.silent_s`).
"""

from __future__ import annotations

import numpy as np

from edge.artefact.model import Model
from edge.types import Scores

PENDING_S = 0.25  # sound this new may still wait in concealment and front-end, and wake the model
MOST_S = 3600.0  # longer than any window of the burden, so that a day costs no more than an hour


class IdleFrames:
    """Of one stream.

    Args:
        model: that scores it.
    """

    def __init__(self, model: Model) -> None:
        self._hop_samples, self._classes = model.score_hop_samples, len(model.classes)
        self._pending = round(PENDING_S * model.rate_hz)
        self._most = round(MOST_S * model.rate_hz / model.score_hop_samples)
        self._next: int | None = None

    def scored(self, scores: Scores) -> None:
        """The model answered up to here."""
        self._next = max(self._next or 0, scores.start + len(scores.valid))

    @property
    def scored_until(self) -> int:
        """Absolute index one past the last sample that was scored or passed over."""
        return (self._next or 0) * self._hop_samples

    def reset(self) -> None:
        """What follows is another sound."""
        self._next = None

    def until(self, sample: int) -> Scores | None:
        """Frames before a sample that nobody scores, none of them valid; None if there are none, or none were scored.

        Args:
            sample: absolute index of the next one that comes, while no chunk is made.
        """
        stop = (sample - self._pending) // self._hop_samples
        if self._next is None or stop <= self._next:
            return None
        start = max(self._next, stop - self._most)
        count = stop - start
        return Scores(start, np.zeros((count, self._classes), np.float32), np.zeros(count, np.bool_))
