"""One stream of a running node: its source, its pipeline and its messages; the body of one thread.

Not for deciding what sounds (`edge.detector.pipeline`) or for sending (`edge.delivery.dispatch`). The thread never
waits for anything but its source. Wall time enters here, at the exit, through the stream's `Timeline`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from edge.artefact.adaptation import load_adaptation
from edge.artefact.model import Model
from edge.delivery.messages import EventTimes, Message, Node, event_message, gap_message, model_body, ulid
from edge.detector.pipeline import Pipeline
from edge.errors import LaennecError, ModelError
from edge.log import BurstLimitedLog
from edge.node.clock import Timeline, is_synchronised
from edge.node.stream_state import GAIN_STEP_DB, State, StreamTotals
from edge.settings.config import Stream
from edge.settings.kinds import LIVE
from edge.sources.source import Source
from edge.sources.vitals import MonitoredSource, Trouble, Vitals
from edge.types import Block, Event, Gap, Scores

STALL_S = 5.0  # a source that gives nothing for this long is lost
RECENT_S = 10.0  # over which the share of measurable sound and the level are measured
MEASURABLE_SHARE = 0.5  # below it the stream is degraded
UNPLUGGED_DB = -90.0  # rms re full scale; an input that is muted or has no microphone is below, any chest far above
ENERGY_UNIT = 1e-15  # energy is summed in whole units of it: a sum of floats would lose the faint after a loud year
CLOSE_S = 1.0  # how long `close` waits for the block being processed; a thread that hangs must not hang the others
ALMOST_NO_SOUND = f"almost no sound (below {UNPLUGGED_DB:.0f} dBFS): check the plug, the mute switch and the gain"
END_OF_SOURCE = "end of source"
STOPPED = "stopped"

logger = logging.getLogger(__name__)


class MessageSink(Protocol):
    """Where messages go (`edge.delivery.dispatch`)."""

    def send(self, message: Message) -> None:
        """Publish something that must not be lost; never waits."""


class StreamWorker:
    """Runs one stream; `run` is for its own thread, everything else may be called from any."""

    def __init__(self, settings: Stream, source: Source, model: Model, node: Node, sink: MessageSink) -> None:
        """Prepare a stream.

        Raises:
            ConfigError: a threshold or class is not one of the model's.
            ModelError: the adaptation of its device is damaged, or of another model.
        """
        self.id = settings.id
        self.failure = ""
        """Why the stream ended, if not by the end of its source."""
        self.is_broken = False
        """Whether it ended by an error of this program, which a restart may cure."""
        self._source, self._node, self._sink = source, node, sink
        self._rate_hz = model.rate_hz
        self._outside = settings.outside
        self._score_hop_s = model.score_hop_samples / model.rate_hz
        self._model_body = model_body(model)
        self.adaptation = None if settings.adaptation is None else load_adaptation(settings.adaptation, model)
        self._pipeline = Pipeline(
            model, settings.thresholds, self._count_measurable, settings.classes, settings.outside, self.adaptation
        )
        self._monitored = source if isinstance(source, MonitoredSource) else None
        is_live = settings.pace or settings.source.partition(":")[0] in LIVE
        recorded_s = self._monitored.recorded_s if self._monitored else None
        self._timeline = Timeline(model.rate_hz, is_live, recorded_s=recorded_s)
        self._mutex = threading.Lock()  # between `run` and `close`
        self._closed = False
        self._ending = STOPPED  # unless its source ends by itself
        self._received_samples = self._lost_samples = self._measurable_frames = self._gaps = self._events = 0
        self._busy_s = 0.0
        self._gap_log = BurstLimitedLog(logger)
        self._open: dict[tuple[str, int], tuple[str, float]] = {}  # (label, onset) -> (id, wall time of the onset)
        self._valid_samples = self._energy = 0
        self._recent: deque[tuple[float, float, int, int]] = deque()  # after each late block: s, s, samples, energy
        self._share = (0.0, 0.0)  # of the last `RECENT_S`: received and measurable sound, s
        self._power = 1.0  # mean square of their valid samples, full scale = 1.0
        self._arrived_at_s: float | None = None
        self._started_at_s = time.monotonic()
        self._state = State("unknown", "", time.time())

    def run(self, stop: threading.Event) -> None:
        """Detect until the source ends or `stop` is set; then close what is open."""
        try:
            for item in self._source.blocks(stop):
                with self._mutex:
                    if self._closed:
                        return
                    self._on_item(item)
            if not stop.is_set():
                self._ending = END_OF_SOURCE
            self.close()
        except LaennecError as error:
            self.failure, self.is_broken = str(error), isinstance(error, ModelError)  # a GPU that failed, say
            logger.error("stream=%s failed: %s", self.id, error)
        except Exception as error:  # one bed must not take the others with it
            self.failure, self.is_broken = f"internal error: {error!r}", True
            logger.exception("stream=%s failed by an internal error", self.id)
        finally:
            self.close()
            self._source.close()

    def close(self) -> None:
        """Close open events; a second call does nothing. Waits for the present block, `CLOSE_S` at most."""
        if not self._mutex.acquire(timeout=CLOSE_S):
            logger.error("stream=%s hangs in a block; its open events stay without an end", self.id)
            return
        try:
            if not self._closed:
                self._closed = True
                try:
                    self._publish(self._timed(self._pipeline.flush))
                except ModelError as error:  # it goes on failing; what it found before still gets its end
                    logger.error("stream=%s ends undecided: %s", self.id, error)
                    self._publish(self._timed(self._pipeline.abort))
        finally:
            self._mutex.release()

    def check_silence(self) -> None:
        """End open events if the source has given nothing for `STALL_S`; call it every second or so. Never waits."""
        if not self._mutex.acquire(blocking=False):
            return  # a block is being processed
        try:
            if self._open and not self._closed and self._silent_s() > STALL_S:
                self._restart_detector()
        finally:
            self._mutex.release()

    def totals(self) -> StreamTotals:
        """What the stream has received and found since the start."""
        return StreamTotals(
            received_s=self._received_samples / self._rate_hz,
            measurable_s=self._measurable_frames * self._score_hop_s,
            lost_s=self._lost_samples / self._rate_hz,
            gaps=self._gaps,
            events=self._events,
            busy_s=self._busy_s,
            concealed_s=self._pipeline.concealed_samples / self._rate_hz,
        )

    def vitals(self) -> Vitals | None:
        """Vital signs of the stream's device, if its source knows them."""
        return self._monitored.vitals() if self._monitored else None

    def state(self) -> State:
        """The stream's state now; `unknown` while the source is only starting."""
        (name, reason), verified, gain_db = self._assess(), self._pipeline.verdict.verified, self._pipeline.gain_db
        told, since_s = self._state, time.time()
        if (name, reason, verified) == (told.name, told.reason, told.verified):
            if abs(gain_db - told.gain_db) < GAIN_STEP_DB:
                return told
            since_s = told.since_s
        self._state = State(name, reason, since_s, verified, round(gain_db))
        return self._state

    def _assess(self) -> tuple[str, str]:
        if self._closed:
            return ("lost", self.failure) if self.failure else ("disabled", self._ending)
        trouble = self._monitored.trouble() if self._monitored else Trouble("", "")
        if self._silent_s() > STALL_S:
            return "lost", trouble.reason or "no sound arrives"
        if self._arrived_at_s is None:
            return "unknown", ""
        if trouble.state:
            return trouble.state, trouble.reason
        return self._assess_sound()

    def _assess_sound(self) -> tuple[str, str]:
        """State by the last `RECENT_S`; the scores come a chunk and the lookahead later."""
        received_s, measurable_s = self._share
        if received_s >= RECENT_S and self._power < 10 ** (UNPLUGGED_DB / 10):
            return "degraded", ALMOST_NO_SOUND
        if self._pipeline.verdict.verified is False:
            return "degraded", f"{self._outside.replace('_', ' ')}: {self._pipeline.verdict.reason}"
        if received_s >= RECENT_S / 2 and measurable_s < MEASURABLE_SHARE * received_s:
            return "degraded", "little of the sound can be measured"
        return "ok", ""

    def _silent_s(self) -> float:
        return time.monotonic() - (self._started_at_s if self._arrived_at_s is None else self._arrived_at_s)

    def _on_item(self, item: Block | Gap) -> None:
        if isinstance(item, Gap):
            lost_samples = item.stop - item.start
            if lost_samples:
                self._gaps += 1
                self._lost_samples += lost_samples
                line = f'stream={self.id} gap_s={lost_samples / self._rate_hz:.3f} cause="{item.cause}"'
                self._gap_log.log(item.cause, line)
                self._sink.send(gap_message(self._node, self.id, item, self._rate_hz))
            if item.restart:
                self._restart_detector()
            return
        self._arrived_at_s = time.monotonic()
        self._timeline.arrived(item.stop)
        self._received_samples += len(item.samples)
        verified = self._pipeline.verdict.verified
        self._publish(self._timed(lambda: self._pipeline.push(item)))
        if (verdict := self._pipeline.verdict).verified is not verified and verdict.verified is not None:
            logger.warning("stream=%s %s", self.id, verdict.reason or "sounds like what the model knows")
        self._measure_recent(item)

    def _measure_recent(self, newest: Block) -> None:
        """Measure the shortest stretch of whole blocks that is at least `RECENT_S` long."""
        valid = newest.samples[newest.valid & np.isfinite(newest.samples)].astype(np.float64)
        self._valid_samples += len(valid)
        self._energy += round(float(valid @ valid) / ENERGY_UNIT)
        totals = self.totals()
        self._recent.append((totals.received_s, totals.measurable_s, self._valid_samples, self._energy))
        while len(self._recent) > 1 and totals.received_s - self._recent[1][0] >= RECENT_S:
            self._recent.popleft()
        received_s, measurable_s, samples, energy = self._recent[0]
        self._share = (totals.received_s - received_s, totals.measurable_s - measurable_s)
        self._power = (self._energy - energy) * ENERGY_UNIT / max(self._valid_samples - samples, 1)

    def _restart_detector(self) -> None:
        """Close what is open; sound that comes back is not joined with what was."""
        self._publish(self._timed(self._pipeline.flush))
        self._pipeline.reset()

    def _publish(self, events: list[Event]) -> None:
        for event in events:
            key = (event.label, event.onset)
            if event.kind == "onset":
                onset_s = self._timeline.wall_s(event.onset)
                self._open[key] = (ulid(onset_s), onset_s)
                self._events += 1
            ident, onset_s = self._open[key] if event.kind == "onset" else self._open.pop(key)
            end_s = None if event.end is None else onset_s + (event.end - event.onset) / self._rate_hz
            times = EventTimes(onset_s, end_s, is_synchronised())
            message = event_message(self._node, self.id, ident, event, self._rate_hz, times, self._model_body)
            if self._monitored is not None:
                message.body["device"] = self._monitored.device
            self._sink.send(message)
            where_s = (event.onset if event.end is None else event.end) / self._rate_hz
            logger.info("stream=%s %s=%s at_s=%.2f score=%.2f", self.id, event.kind, event.label, where_s, event.peak)

    def _count_measurable(self, scores: Scores) -> None:
        self._measurable_frames += int(scores.valid.sum())

    def _timed(self, work: Callable[[], list[Event]]) -> list[Event]:
        begin_s = time.perf_counter()
        events = work()
        self._busy_s += time.perf_counter() - begin_s
        return events
