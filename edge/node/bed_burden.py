"""The burden and the coverage of one bed: measured by the thread that scores, read by those that publish.

Not for the figures (`edge.ward.burden`). Minutes that nobody has taken wait here, an hour of them at most.
"""

from __future__ import annotations

import threading
from collections import deque

from edge.artefact.model import Model
from edge.delivery.trend import Minute, minutes_of
from edge.detector.sound_check import Verdict
from edge.node.clock import Timeline
from edge.node.inbox import OVERLOAD, Item
from edge.node.stream_observer import StreamObserver
from edge.types import Gap, Scores
from edge.ward.burden import STEP_S, WINDOWS_S, Burden, Reading
from edge.ward.coverage import Coverage, Covered

MOST_MINUTES = 60  # that wait to be remembered; the service takes them every quarter of a second
FADES_AFTER_S = 5.0  # a source that gives nothing for longer is lost: its time goes on, and nothing of it is measured


class BedBurden(StreamObserver):
    """The burden of one stream; safe to use from several threads."""

    def __init__(self, stream: str, model: Model, timeline: Timeline) -> None:
        """Nothing was heard yet.

        Args:
            stream: id of the bed.
            model: the loaded artefact.
            timeline: of the stream, for the wall time of the minutes.
        """
        self._stream, self._timeline, self._hop_samples = stream, timeline, model.score_hop_samples
        self._burden = Burden(model.groups, model.classes, model.score_hop_samples, model.rate_hz)
        reach_samples = max(model.spec.history_samples, model.spec.ahead_samples)
        self._coverage = Coverage(model.score_hop_samples, model.rate_hz, reach_samples)
        self._minute_frames = self._burden.step_frames * (60 // STEP_S)
        self._minutes: deque[Reading] = deque(maxlen=MOST_MINUTES)
        self._mutex = threading.Lock()
        self._last: Reading | None = None
        self.verdict = Verdict()
        """Of the sound of the last scores."""

    def judge(self, scores: Scores, verdict: Verdict) -> None:
        """Take the next scores, and what is said of their sound."""
        cause = verdict.fault or ("unknown sound" if verdict.verified is False else None)
        self.verdict = verdict
        with self._mutex:
            self._coverage.push(scores, cause)
            for reading in self._burden.push(scores, verdict.verified):
                self._last = reading
                if reading.stop % self._minute_frames == 0:
                    self._minutes.append(reading)

    def hear(self, item: Item) -> None:
        """Sound that will not come, before the scores of what follows."""
        if isinstance(item, Gap) and item.stop > item.start:
            with self._mutex:
                self._coverage.lose(item.start, item.stop, "overload" if item.cause == OVERLOAD else "gap")

    def reading(self, silent_s: float) -> Reading | None:
        """The burden now; None before the first scores.

        Args:
            silent_s: how long nothing has come from the source, seconds.
        """
        with self._mutex:
            if self._last is None or silent_s <= FADES_AFTER_S:
                return self._last
            return self._burden.at(self._last.stop + round(silent_s / STEP_S * self._burden.step_frames))

    def covered(self, reading: Reading) -> list[Covered]:
        """The coverage of the windows of a reading, shortest first, with the causes of what was not measured."""
        with self._mutex:
            return [self._coverage.over(window_s, reading.stop) for window_s in WINDOWS_S]

    def take_minutes(self) -> list[Minute]:
        """What is to be remembered of the minutes since the last call, oldest first."""
        with self._mutex:
            readings = list(self._minutes)
            self._minutes.clear()
        ends_s = [self._timeline.wall_s(reading.stop * self._hop_samples) for reading in readings]
        return [row for r, at_s in zip(readings, ends_s, strict=True) for row in minutes_of(self._stream, r, at_s)]
