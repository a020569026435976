"""One stream of a running node: from its inbox through its pipeline to its messages.

Not for deciding what sounds (`edge.detector.pipeline`), for the order in which streams are scored
(`edge.node.scheduling`), for threads, or for sending (`edge.delivery.dispatch`). `arrive` is for the thread that reads
the source, `status` for any (as `edge.node.stream_status.StreamView`), all else for the one that scores. Nothing waits.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.contract.stream_status import StreamState
from edge.delivery.latency import DeliveryView, LatencyCounts
from edge.delivery.messages import Node
from edge.detector.chunks import IdleFrames
from edge.detector.class_rules import EventOptions
from edge.detector.pipeline import Pipeline
from edge.errors import LaennecError, ModelError
from edge.model.adaptation import load_adaptation
from edge.model.model import Model
from edge.node.breath import BedBreath
from edge.node.clock import Timeline
from edge.node.inbox import OVERLOAD, End, Flush, Inbox, Item, NewPatient, ends_sound
from edge.node.observer import StreamObserver
from edge.node.stream_clips import StreamClips
from edge.node.stream_events import MessageSink, StreamLatency, StreamMessages
from edge.node.stream_status import SoundFaults, State, StreamCounts, StreamStatus
from edge.node.trends import BedBurden
from edge.settings.names import LIVE
from edge.settings.node import Stream
from edge.sources.source import DeviceStatus, MonitoredSource, Source
from edge.types import Block, Chunk, Event, Gap, Scores
from edge.ward.pauses import LOST, STREAM_END

STALL_S = 5.0  # a source that gives nothing for this long is lost
END_OF_SOURCE = "end of source"
STOPPED = "stopped"

logger = logging.getLogger(__name__)


class ModelAnswer(NamedTuple):
    """What the model says to a chunk."""

    scores: Scores  # of the frames that the chunk decides
    state: NDArray[np.float32]  # (S,) of the model after the chunk
    busy_s: float  # how long it took


class NodeStream:
    """One stream, from what its source gives to the messages of its events."""

    def __init__(
        self, settings: Stream, source: Source, model: Model, node: Node, sink: MessageSink, phase: int = 0
    ) -> None:
        """Prepare a stream.

        Args:
            settings: of the stream.
            source: where its sound comes from.
            model: the loaded artefact.
            node: in whose name it speaks.
            sink: where its messages go.
            phase: of its chunks, frames.

        Raises:
            ConfigError: a threshold or class is not one of the model's.
            ModelError: the adaptation of its device is damaged, or of another model.
        """
        self.id, self._settings, self._patients = settings.id, settings, 0
        self.failure = ""
        """Why the stream ended, if not by the end of its source."""
        self.is_broken = False
        """Whether it ended by an error of this program, which a restart may cure."""
        self.is_closed = False
        """Whether nothing more is decided."""
        self.due_s: float | None = None
        """When its source is to be read next, monotonic; None while nobody reads it."""
        self.is_live = settings.pace or settings.source.partition(":")[0] in LIVE
        """Whether its sound comes in real time, whoever is ready for it."""
        self.inbox = Inbox(model.rate_hz)
        self._rate_hz, self._chunk, self._hop_samples = model.rate_hz, model.chunk, model.spec.hop_samples
        self._counts, self._idle_frames = StreamCounts(model), IdleFrames(model)
        self.adaptation = None if settings.adaptation is None else load_adaptation(settings.adaptation, model)
        self._pipeline = Pipeline(
            model, EventOptions.of(settings), self._observe_scores, settings.outside, phase, self.adaptation
        )
        self._breath = BedBreath(model, self._pipeline)
        self._monitored = source if isinstance(source, MonitoredSource) else None
        recorded_s, device = (self._monitored.recorded_s, self._monitored.device) if self._monitored else (None, "")
        self.timeline = Timeline(model.rate_hz, self.is_live, recorded_s=recorded_s)
        self.latency = StreamLatency(model, self.timeline, self.is_live)
        self._messages = StreamMessages(node, self.id, device, model, self.latency, sink)
        self.burden = BedBurden(settings.id, model, self.timeline)
        self.delivery: DeliveryView | None = None
        """Which says how late its events are; to be set before any sound."""
        self.observers: list[StreamObserver] = [self._counts, self._messages, self.burden, self._breath]
        """What follows it; more may join before any sound."""
        self._begin()

    def _begin(self) -> None:
        self._items: deque[Item | Flush] = deque()  # taken from the inbox
        self._life = self._run()
        self.pending: tuple[Chunk, NDArray[np.float32]] | None = None
        """The chunk that is to be scored, and the state to score it with; None if there is none yet."""
        self._offered: int | None = None  # absolute index one past the last sample that the pipeline has
        self.decided = 0  # the same of what is decided
        self._ending = STOPPED  # unless its source ends by itself
        self._faults = SoundFaults(self._settings.outside)
        self._complete_at: int | None = None  # about the sample that completes the next chunk; None: not known
        self._arrived_at_s: float | None = None
        self._started_at_s = time.monotonic()
        self.status = StreamStatus(time.monotonic(), time.time(), State("unknown", "", time.time()))
        """How it is, `unknown` while the source is only starting; replaced by `assess`."""

    def keep_clips(self, clips: StreamClips) -> None:
        """Let its sound be remembered, from now on."""
        self.observers.append(clips)
        self._messages.clip_of = clips.of_event
        self._pipeline.on_gain(clips.record_gain)

    def watch_pauses(self, limit_s: float) -> None:
        """Let a pause of breath begin after so many seconds, before any sound."""
        self._breath.watch_pauses(limit_s, self._messages.on_pause, lambda: self.status.reports_contact)

    def arrive(self, item: Item) -> bool:
        """Take what the source gives; whether the thread that scores should look at it now."""
        stop = item.stop if isinstance(item, Block) else None
        if stop is not None:
            self._arrived_at_s = time.monotonic()
            self.timeline.arrived(stop)
        self.latency.arrivals.record(item)
        self.inbox.put(item)
        due = self._complete_at  # once, for the other thread may change it
        return stop is None or due is None or stop >= due

    @property
    def missing_s(self) -> float:
        """How much sound comes between the next block and the one that completes the next chunk, seconds."""
        complete, block, hop = self._complete_at, max(self.inbox.block_samples, 1), self._hop_samples
        left = 0 if complete is None else (complete - self.inbox.stop - 1) % (self._chunk.chunk_frames * hop)
        return left // block * block / self._rate_hz

    def shed(self, shed_s: float) -> None:
        """Leave out what waits and the next seconds of sound; what was received before is decided at once."""
        self._faults.left_out_at_s = time.monotonic()
        self.inbox.shed(shed_s)
        self._items.append(Flush())

    def advance(self, answer: ModelAnswer | None = None) -> None:
        """Go on until a chunk is `pending`, or until nothing waits.

        Args:
            answer: to the chunk that is pending; without one, it stays so.
        """
        if self.is_closed or (self.pending is not None and answer is None):
            return
        self.pending, begin_s = None, time.perf_counter()
        with suppress(StopIteration):  # at its end
            self.pending = self._life.send(answer)
        self._complete_at = self._pipeline.next_chunk_at
        self._counts.busy_s += time.perf_counter() - begin_s

    def _run(self) -> Generator[tuple[Chunk, NDArray[np.float32]] | None, ModelAnswer | None, None]:
        """All that happens to the stream, in its order.

        Gives each chunk that is to be scored and is sent the answer to it; gives None while nothing waits.
        """
        while not self.is_closed:
            self._items.extend(() if self._items else self.inbox.take())
            if not self._items:
                yield None
                continue
            item = self._items.popleft()
            self._take(item)
            while (pending := self._pipeline.ready()) is not None:
                self._decide(*pending, (yield pending))
            self._after_scoring(item)

    def deadline_s(self) -> float:
        """By when the chunk that is ready should be decided: before the next one is complete, monotonic seconds."""
        pending, now_s, chunk = self.pending, time.monotonic(), self._chunk.chunk_frames * self._hop_samples
        if pending is None or not self.is_live or self._arrived_at_s is None:
            return now_s + chunk / self._rate_hz
        next_complete = pending[0].start * self._hop_samples + 2 * chunk
        return self._arrived_at_s - (self.inbox.stop - next_complete) / self._rate_hz

    def fail(self, error: Exception) -> None:
        """End the stream by an error: close what is open, decide nothing more."""
        if self.is_closed:
            return
        if isinstance(error, LaennecError):
            self.failure, self.is_broken = str(error), isinstance(error, ModelError)  # a GPU that failed, say
            logger.error("stream=%s failed: %s", self.id, error)
        else:
            self.failure, self.is_broken = f"internal error: {error!r}", True
            logger.error("stream=%s failed by an internal error", self.id, exc_info=error)
        self._close()

    def stop(self) -> None:
        """End the stream, though its source has not come to its end."""
        self._items.append(End(is_stopped=True))

    def check_silence(self) -> bool:
        """Whether nothing came for `STALL_S` and what came last is to be decided; call it every second or so."""
        is_empty = self._offered is None and not self.inbox.waiting
        if is_empty or self.is_closed or self.pending is not None or self._silent_s() <= STALL_S:
            return False
        self._items.extend([*self.inbox.take(), Flush()])
        return True

    def assess(self) -> StreamStatus:
        """Say how it is now, in a new `status`."""
        lag_s, silent_s, offered = self._lag_s(), self._silent_s(), self._offered
        self._breath.look(silent_s, offered)
        now_s, wall_s = time.monotonic(), time.time()
        state = self.status.state.after(
            *self._assess(lag_s), self._pipeline.verdict.verified, self._pipeline.gain_db, wall_s
        )
        vitals = self._monitored.vitals() if self._monitored and not self.is_closed else self.status.vitals
        self.status = StreamStatus(
            now_s,
            wall_s,
            state,
            lag_s,
            self._counts.totals(self._pipeline.concealed_samples),
            *self.burden.shown(silent_s),
            self.burden.verdict,
            vitals,
            self.latency.chunks + LatencyCounts(),
            self.failure,
            self.is_broken,
            self.is_closed,
            self._breath.shown(silent_s, offered),
            self._breath.is_without(silent_s, offered),
            self._breath.trend(silent_s),
            self._patients,
        )
        return self.status

    def _lag_s(self) -> float:
        """Sound that arrived, or should have been read, and is not decided, seconds; 0 for a file at full speed."""
        if self.is_closed or not self.is_live or self._arrived_at_s is None:
            return 0.0
        late_s = 0.0 if (due_s := self.due_s) is None else max(0.0, time.monotonic() - due_s)
        undecided = self.inbox.waiting + max(0, (self._offered or 0) - self.decided)
        return late_s + undecided / self._rate_hz

    def _assess(self, lag_s: float) -> tuple[StreamState, str]:
        if self.is_closed:
            return ("lost", self.failure) if self.failure else ("disabled", self._ending)
        device_status = self._monitored.device_status() if self._monitored else DeviceStatus("", "")
        if self._silent_s() > STALL_S:
            return "lost", device_status.reason or "no sound arrives"
        if self._arrived_at_s is None:
            return "unknown", ""
        if device_status.state:
            return device_status.state, device_status.reason
        delivery_s = 0.0 if self.delivery is None else self.delivery.status.lags_s.get(self.id, 0.0)
        reason = self._faults.reason(time.monotonic(), lag_s, delivery_s, self._pipeline.verdict)
        return ("degraded", reason) if reason else ("ok", "")

    def _silent_s(self) -> float:
        """How long nothing has come from the source, seconds."""
        return time.monotonic() - (self._started_at_s if self._arrived_at_s is None else self._arrived_at_s)

    def _take(self, item: Item | Flush) -> None:
        """Give what came to the detector, which may have chunks to be scored then."""
        if isinstance(item, Block):
            self._offer(item)
        elif isinstance(item, Gap) and item.cause == OVERLOAD and item.stop > item.start:
            self._faults.left_out_at_s = time.monotonic()
        if ends_sound(item):
            self._pipeline.end()
        if not isinstance(item, Flush):
            for observer in self.observers:
                observer.on_item(item)

    def _after_scoring(self, item: Item | Flush) -> None:
        """What follows once all that can be scored is decided."""
        if isinstance(item, Block):
            self._faults.recent.push(item, *self._counts.received_and_measurable_s())
        elif isinstance(item, End):
            self.failure, self.is_broken = item.failure, item.is_broken
            self._ending = STOPPED if item.is_stopped else END_OF_SOURCE
            self._close()
        elif ends_sound(item):
            self._reset()
            if isinstance(item, Gap):
                self.latency.arrivals.begin_anew()
            elif isinstance(item, NewPatient):
                self._pipeline.track_by(EventOptions.of(self._settings.model_copy(update={"age": item.age})))
                self._patients += 1
                for observer in self.observers:
                    observer.on_new_patient()

    def _offer(self, block: Block) -> None:
        """Give a block to the detector; before it, what no model scored because nothing of it was valid."""
        self.decided = block.start if self._offered is None else self.decided + max(0, block.start - self._offered)
        if self._pipeline.is_idle:
            if (idle := self._idle_frames.until(block.start)) is not None:
                self._observe_scores(idle)
            self.decided = max(self.decided, self._idle_frames.decided(block.start))
        self._offered = block.stop
        self._pipeline.offer(block)

    def _decide(self, chunk: Chunk, state: NDArray[np.float32], answer: ModelAnswer | None) -> None:
        assert answer is not None, "a chunk that is pending is answered before anything else"
        self._counts.busy_s += answer.busy_s
        for observer in self.observers:
            observer.on_chunk(chunk, state)
        self._observe_events(self._pipeline.decide(answer.scores, answer.state), self.latency.last_sample(chunk))
        decided = chunk.start + self._chunk.chunk_frames - self._chunk.lookahead_frames
        self.decided = max(self.decided, decided * self._hop_samples)

    def _reset(self) -> None:
        """Close what is open; sound that comes back is not joined with what was."""
        self._finish(LOST)
        self._pipeline.reset()
        self._idle_frames.reset()
        self._offered = None

    def _close(self) -> None:
        self._finish(STREAM_END)
        self.is_closed, self.pending = True, None
        self.inbox.close()

    def _finish(self, why: str) -> None:
        self._observe_events(self._pipeline.finish())
        for observer in self.observers:
            observer.on_end()
        self._breath.end(why)

    def _observe_events(self, events: list[Event], needed: int | None = None) -> None:
        self.latency.decided(needed, self._offered or 0)
        for observer in self.observers:
            observer.on_events(events)

    def _observe_scores(self, scores: Scores) -> None:
        self._idle_frames.scored(scores)
        for observer in self.observers:
            observer.on_scores(scores, self._pipeline.verdict)
