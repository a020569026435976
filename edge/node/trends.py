"""Burden and coverage of each bed: measured by the thread that scores, published each minute by the main loop.

Not for the figures (`edge.ward.burden`). Others read them in the status of the stream (`edge.node.stream_status`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from edge.contract.fields import Body
from edge.contract.trend import TREND_EXPIRY_S, TREND_S
from edge.delivery.messages import Node
from edge.delivery.minutes import Minute, minutes_of
from edge.delivery.trends import Trend, trend_body
from edge.detector.sound_check import SoundAssessment
from edge.model.model import Model
from edge.node.clock import Timeline
from edge.node.inbox import OVERLOAD, Item
from edge.node.observer import StreamObserver
from edge.node.stream_status import StreamView
from edge.types import Gap, Scores
from edge.ward.burden import STEP_S, WINDOWS_S, Burden, Reading
from edge.ward.coverage import Coverage, Covered

FADES_AFTER_S = 5.0  # a source that gives nothing for longer is lost: its time goes on, and nothing of it is measured


class BedBurden(StreamObserver):
    """The burden of one stream."""

    def __init__(self, stream: str, model: Model, timeline: Timeline) -> None:
        """No sound came yet.

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
        self._last: Reading | None = None
        self._shown: tuple[Reading | None, tuple[Covered, ...]] = (None, ())
        self.remember: Callable[[Sequence[Minute]], None] = _forget
        """Takes each minute that is over, and does not wait."""
        self.verdict = SoundAssessment()
        """Of the sound of the last scores."""
        self._waiting: list[Scores] = []  # consecutive ones of one step of the burden, of which the same was said
        self._last_verdict = SoundAssessment()
        self._added: int | None = None  # one past the last score frame that was added up

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """Take the next scores, and what is said of their sound; they are added up once a step is complete."""
        self.verdict, last, step = verdict, self._last_verdict, self._burden.step_frames
        is_next = bool(self._waiting) and scores.start == _stop(self._waiting[-1])
        if not is_next or (last.verified, last.fault) != (verdict.verified, verdict.fault):
            self._add_waiting()
            self._last_verdict = verdict
        if self._added is None or scores.start < self._added:
            self._added = scores.start
        self._waiting.append(scores)
        if self._added // step < _stop(scores) // step:
            self._add_waiting()

    def on_end(self) -> None:
        """Nothing follows that is joined to what was."""
        self._add_waiting()

    def _add_waiting(self) -> None:
        """Add up what waits."""
        if not self._waiting:
            return
        first, verdict, waiting = self._waiting[0].start, self._last_verdict, self._waiting
        self._waiting = []
        values, valid = (np.concatenate(each) for each in zip(*((s.values, s.valid) for s in waiting), strict=True))
        scores = Scores(first, values, valid)
        self._added = _stop(scores)
        cause = verdict.fault or ("unknown sound" if verdict.verified is False else None)
        self._coverage.push(scores, cause)
        for reading in self._burden.push(scores, verdict.verified):
            self._last = reading
            if reading.stop % self._minute_frames == 0:
                end_s = self._timeline.wall_s(reading.stop * self._hop_samples)
                self.remember(minutes_of(self._stream, reading, end_s))

    def on_item(self, item: Item) -> None:
        """Sound that will not come, before the scores of what follows."""
        if isinstance(item, Gap) and item.stop > item.start:
            self._add_waiting()
            self._coverage.lose(item.start, item.stop, "overload" if item.cause == OVERLOAD else "gap")

    def on_new_patient(self) -> None:
        """Forget what was measured."""
        self._waiting, self._added = [], None
        self._burden.reset()
        self._coverage.reset()
        self._last, self._shown = None, (None, ())

    def reading(self, silent_s: float) -> Reading | None:
        """The burden now; None before the first scores.

        Args:
            silent_s: how long nothing has come from the source, seconds.
        """
        if self._last is None or silent_s <= FADES_AFTER_S:
            return self._last
        self._add_waiting()
        frame, shown = self._last.stop + round(silent_s / STEP_S * self._burden.step_frames), self._shown[0]
        is_shown = shown is not None and 0 <= frame - shown.stop < self._burden.step_frames
        return shown if is_shown else self._burden.at(frame)

    def covered(self, reading: Reading) -> tuple[Covered, ...]:
        """The coverage of the windows of a reading, shortest first, with the causes of what was not measured."""
        return tuple(self._coverage.over(window_s, reading.stop) for window_s in WINDOWS_S)

    def shown(self, silent_s: float) -> tuple[Reading | None, tuple[Covered, ...]]:
        """Both; made once for each step, for it takes longer than all else that is said of a stream."""
        reading = self.reading(silent_s)
        if reading is not None and reading is not self._shown[0]:
            self._shown = reading, self.covered(reading)
        return self._shown


def _stop(scores: Scores) -> int:
    """One past the last score frame."""
    return scores.start + len(scores.valid)


def _forget(minutes: Sequence[Minute]) -> None:
    """Nobody remembers them."""


SetState = Callable[[str, Body, int | None], None]
"""Publishes a retained value: topic, body, expiry in seconds."""


class Trends:
    """Publishes the burden of the streams of one node."""

    def __init__(self, streams: Sequence[StreamView], model: Model, node: Node, set_state: SetState) -> None:
        """Nothing is published before `start`."""
        self._streams, self._node, self._set_state = streams, node, set_state
        self._hop_samples, self._rate_hz = model.score_hop_samples, model.rate_hz
        self._next_s, self._has_published = 0.0, False

    def start(self) -> None:
        """Begin to count the minutes."""
        self._next_s = time.monotonic() + TREND_S

    def tick(self) -> None:
        """Publish where it is time; call it every second or so."""
        late_s = time.monotonic() - self._next_s
        if late_s >= 0:  # after a standstill once, for all that it missed would publish the same minute
            self._next_s += TREND_S * (1 + late_s // TREND_S)
            self._has_published = True
            self._publish()

    def finish(self) -> None:
        """A run of less than a minute publishes what it received.

        Not again after a minute was published: who adds up minutes would count what is in both twice.
        """
        self.tick()
        if not self._has_published:
            self._publish()

    def _publish(self) -> None:
        now_s = time.monotonic()
        for stream in self._streams:
            status = stream.status
            if status.reading is not None and not status.is_old(now_s):  # where scoring stands still, it is not known
                trend = Trend(stream.id, status.reading, status.covered, status.breathing)
                body = trend_body(self._node, trend, self._hop_samples, self._rate_hz, time.time())
                self._set_state(self._node.topic("s", stream.id, "trend"), body, TREND_EXPIRY_S)
