"""The burden of one bed of a running node: measured by the thread that scores, read by those that publish.

Not for the figures (`edge.ward.burden`). Minutes that nobody has taken wait here, an hour of them at most.
"""

from __future__ import annotations

import threading
from collections import deque

from edge.artefact.model import Model
from edge.types import Scores
from edge.ward.burden import STEP_S, Burden, Reading

MOST_MINUTES = 60  # that wait to be remembered; the service takes them every quarter of a second


class BedBurden:
    """The burden of one stream; safe to use from several threads."""

    def __init__(self, model: Model) -> None:
        """Nothing was heard yet."""
        self._burden = Burden(model.groups, model.classes, model.score_hop_samples, model.rate_hz)
        self._minute_frames = self._burden.step_frames * (60 // STEP_S)
        self._minutes: deque[Reading] = deque(maxlen=MOST_MINUTES)
        self._mutex = threading.Lock()
        self._last: Reading | None = None

    def push(self, scores: Scores, verified: bool | None) -> None:
        """Take the next scores, as `Burden.push`."""
        with self._mutex:
            for reading in self._burden.push(scores, verified):
                self._last = reading
                if reading.stop % self._minute_frames == 0:
                    self._minutes.append(reading)

    def reading(self, silent_s: float) -> Reading | None:
        """The burden now; None before the first scores.

        Args:
            silent_s: how long nothing has come from the source, seconds; 0 while sound comes.
        """
        with self._mutex:
            if self._last is None or silent_s <= 0:
                return self._last
            return self._burden.at(self._last.stop + round(silent_s / STEP_S * self._burden.step_frames))

    def take_minutes(self) -> list[Reading]:
        """The readings at the ends of the minutes since the last call, oldest first."""
        with self._mutex:
            taken = list(self._minutes)
            self._minutes.clear()
        return taken
