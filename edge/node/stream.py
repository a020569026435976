"""One stream of a running node: from its inbox through its pipeline to its messages.

Not for deciding what sounds (`edge.detector.pipeline`), for the order in which streams are scored
(`edge.node.scheduler`), for threads, or for sending (`edge.delivery.dispatch`). `arrive` is for the thread that reads
the source, `status` for any (as `edge.node.stream_status.StreamView`), all else for the one that scores. Nothing waits.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.artefact.adaptation import load_adaptation
from edge.artefact.model import Model
from edge.delivery.delivery_lag import LATE_S, DeliveryView
from edge.delivery.latency import LatencyCounts
from edge.delivery.messages import Node
from edge.detector.event_options import EventOptions
from edge.detector.pipeline import Pipeline
from edge.errors import LaennecError, ModelError
from edge.node.bed_breath import BedBreath
from edge.node.bed_burden import BedBurden
from edge.node.clock import Timeline
from edge.node.inbox import OVERLOAD, End, Inbox, Item
from edge.node.stream_clips import StreamClips
from edge.node.stream_counts import StreamCounts
from edge.node.stream_latency import StreamLatency
from edge.node.stream_messages import MessageSink, StreamMessages
from edge.node.stream_observer import StreamObserver
from edge.node.stream_state import RECENT_S, Lateness, RecentSound, State
from edge.node.stream_status import StreamStatus
from edge.node.unheard import Unheard
from edge.settings.config import Stream
from edge.settings.kinds import LIVE
from edge.sources.source import Source
from edge.sources.vitals import MonitoredSource, Trouble
from edge.types import Block, Chunk, Event, Gap, Scores

STALL_S = 5.0  # a source that gives nothing for this long is lost
END_OF_SOURCE = "end of source"
STOPPED = "stopped"
LEAVES_OUT = "overload: this machine is too slow, sound is left out"

logger = logging.getLogger(__name__)


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
        self.id = settings.id
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
        self._outside = settings.outside
        self._rate_hz, self._chunk, self._hop_s = model.rate_hz, model.chunk, model.spec.hop_samples / model.rate_hz
        self._counts, self._unheard = StreamCounts(model), Unheard(model)
        self.adaptation = None if settings.adaptation is None else load_adaptation(settings.adaptation, model)
        self._pipeline = Pipeline(
            model, EventOptions.of(settings), self._judged, settings.outside, phase, self.adaptation,
        )  # fmt: skip
        self._breath = BedBreath(model, self._pipeline)
        self._monitored = source if isinstance(source, MonitoredSource) else None
        recorded_s = self._monitored.recorded_s if self._monitored else None
        device = self._monitored.device if self._monitored else ""
        self.timeline = Timeline(model.rate_hz, self.is_live, recorded_s=recorded_s)
        self.latency = StreamLatency(model, self.timeline, self.is_live)
        self._messages = StreamMessages(node, self.id, device, model, self.latency, sink)
        self.burden = BedBurden(settings.id, model, self.timeline)
        self.delivery: DeliveryView | None = None
        """Which says how late its events are; to be set before anything is heard."""
        self.observers: list[StreamObserver] = [self._counts, self._messages, self.burden]
        """What follows it; more may join before anything is heard."""
        self._begin()

    def _begin(self) -> None:
        """Nothing has come yet."""
        self._items: deque[Item] = deque()  # taken from the inbox
        self._then: deque[Callable[[], None]] = deque()  # what follows when all chunks that are ready are decided
        self._offered: int | None = None  # absolute index one past the last sample that the pipeline has
        self.decided = 0  # the same of what is decided
        self._ending = STOPPED  # unless its source ends by itself
        self._left_out_at_s = -float("inf")
        self._recent, self._lateness = RecentSound(), Lateness()
        self._late_arrival = Lateness("events reach the broker after", LATE_S, 0.8 * LATE_S)
        self._arrived_at_s: float | None = None
        self._started_at_s = time.monotonic()
        self.status = StreamStatus(time.monotonic(), time.time(), State("unknown", "", time.time()))
        """How it is, `unknown` while the source is only starting; replaced by `assess`."""

    def keep_clips(self, clips: StreamClips) -> None:
        """Let its sound be remembered, from now on."""
        self.observers.append(clips)
        self._messages.clip_of = clips.of_event
        self._pipeline.tell_gains(clips.note_gain)

    def arrive(self, item: Item) -> bool:
        """Take what the source gives; whether the thread that scores should look at it now."""
        if isinstance(item, Block):
            self._arrived_at_s = time.monotonic()
            self.timeline.arrived(item.stop)
        self.latency.arrivals.note(item)
        self.inbox.put(item)
        due = self._pipeline.next_chunk_at
        return not isinstance(item, Block) or due is None or item.stop >= due

    def rest(self, rest_s: float) -> None:
        """Leave out what waits and what comes in the next seconds of sound; what was heard is decided at once."""
        self._left_out_at_s = time.monotonic()
        self.inbox.rest(rest_s)
        self._then.append(self._restart_detector)

    def advance(self) -> None:
        """Take what has come until a chunk is ready, or there is nothing more."""
        while not self.is_closed and not self._pipeline.has_ready:
            if self._then:
                self._then.popleft()()
            elif self._items:
                self._on_item(self._items.popleft())
            else:
                self._items.extend(self.inbox.take())
                if not self._items:
                    return

    def ready(self) -> tuple[Chunk, NDArray[np.float32]] | None:
        """The next chunk to be scored, and the state to score it with; None if there is none."""
        return None if self.is_closed else self._pipeline.ready()

    def deadline_s(self) -> float:
        """By when the chunk that is ready should be decided: before the next one is complete, monotonic seconds."""
        ready, now_s, chunk_s = self._pipeline.ready(), time.monotonic(), self._hop_s * self._chunk.chunk_frames
        if ready is None or not self.is_live or self._arrived_at_s is None:
            return now_s + chunk_s
        return self._arrived_at_s - (self.inbox.stop / self._rate_hz - self._end_s(ready[0])) + chunk_s

    def decide(self, scores: Scores, state: NDArray[np.float32], busy_s: float) -> None:
        """Take the model's answer to the chunk that is ready, and the time that it took."""
        ready = self._pipeline.ready()
        assert ready is not None, "only a chunk that is ready is scored"
        self._counts.busy_s += busy_s
        for observer in self.observers:
            observer.note_state(*ready)
        decided = round((self._end_s(ready[0]) - self._chunk.lookahead_frames * self._hop_s) * self._rate_hz)
        events = self._counts.timed(lambda: self._pipeline.decide(scores, state))
        self._found(events, self.latency.last_sample(ready[0]))
        self.decided = max(self.decided, decided)

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

    def check_silence(self) -> None:
        """Decide what came last if the source has given nothing for `STALL_S`; call it every second or so."""
        if self._offered is not None and not self.is_closed and not self._then and self._silent_s() > STALL_S:
            self._then.append(self._restart_detector)

    def assess(self) -> StreamStatus:
        """Say how it is now, in a new `status`."""
        lag_s, verified = self._lag_s(), self._pipeline.verdict.verified
        name, reason = self._assess(lag_s)
        now_s, wall_s = time.monotonic(), time.time()
        state = self.status.state.after(name, reason, verified, self._pipeline.gain_db, wall_s)
        vitals = self._monitored.vitals() if self._monitored and not self.is_closed else self.status.vitals
        self.status = StreamStatus(
            now_s, wall_s, state, lag_s, self._counts.totals(self._pipeline.concealed_samples),
            *self.burden.shown(self._silent_s()), self.burden.verdict, vitals, self.latency.chunks + LatencyCounts(),
            self.failure, self.is_broken, self.is_closed, self._breath.shown(self._silent_s(), self._offered),
        )  # fmt: skip
        return self.status

    def _lag_s(self) -> float:
        """Sound that arrived, or should have been read, and is not decided, seconds; 0 for a file at full speed."""
        if self.is_closed or not self.is_live or self._arrived_at_s is None:
            return 0.0
        due_s, offered = self.due_s, self._offered
        late_s = 0.0 if due_s is None else max(0.0, time.monotonic() - due_s)
        undecided = self.inbox.waiting + (0 if offered is None else max(0, offered - self.decided))
        return late_s + undecided / self._rate_hz

    def _assess(self, lag_s: float) -> tuple[str, str]:
        if self.is_closed:
            return ("lost", self.failure) if self.failure else ("disabled", self._ending)
        trouble = self._monitored.trouble() if self._monitored else Trouble("", "")
        if self._silent_s() > STALL_S:
            return "lost", trouble.reason or "no sound arrives"
        if self._arrived_at_s is None:
            return "unknown", ""
        if trouble.state:
            return trouble.state, trouble.reason
        return self._assess_sound(lag_s)

    def _assess_sound(self, lag_s: float) -> tuple[str, str]:
        verdict, is_left_out = self._pipeline.verdict, time.monotonic() - self._left_out_at_s < RECENT_S
        how = self._outside.replace("_", " ") if verdict.measurable else "not measurable"
        strange = f"{how}: {verdict.reason}" if verdict.verified is False else ""
        late_s = 0.0 if self.delivery is None else self.delivery.status.lags_s.get(self.id, 0.0)
        late = self._late_arrival.reason(late_s)
        reason = self._lateness.reason(lag_s) or late or LEAVES_OUT * is_left_out or self._recent.fault(strange)
        return ("degraded", reason) if reason else ("ok", "")

    def _silent_s(self) -> float:
        """How long nothing has come from the source, seconds."""
        return time.monotonic() - (self._started_at_s if self._arrived_at_s is None else self._arrived_at_s)

    def _end_s(self, chunk: Chunk) -> float:
        """Second of the stream at which the last frame of a chunk begins, and so about its end."""
        return (chunk.start + self._chunk.chunk_frames) * self._hop_s

    def _on_item(self, item: Item) -> None:
        if isinstance(item, Block):
            self._on_block(item)
        elif isinstance(item, Gap):
            self._on_gap(item)
        else:
            self._on_end(item)
        for observer in self.observers:
            observer.hear(item)

    def _on_block(self, block: Block) -> None:
        self.decided = block.start if self._offered is None else self.decided + max(0, block.start - self._offered)
        if self._pipeline.is_idle and (unheard := self._unheard.until(block.start)) is not None:
            self._judged(unheard)
            self.decided = max(self.decided, self._unheard.told)
        self._offered = block.stop
        self._counts.timed(lambda: self._pipeline.offer(block))
        self._then.append(lambda: self._recent.push(block, *self._counts.heard_s()))

    def _on_gap(self, gap: Gap) -> None:
        if gap.cause == OVERLOAD and gap.stop > gap.start:
            self._left_out_at_s = time.monotonic()
        if gap.restart:
            self._restart_detector()
            self._then.append(self.latency.arrivals.begin_anew)

    def _on_end(self, end: End) -> None:
        self.failure, self.is_broken = end.failure, end.is_broken
        self._ending = STOPPED if end.is_stopped else END_OF_SOURCE
        self._counts.timed(self._pipeline.end)
        self._then.append(self._close)

    def _restart_detector(self) -> None:
        """Close what is open; sound that comes back is not joined with what was."""
        self._counts.timed(self._pipeline.end)
        self._then.append(self._reset)

    def _reset(self) -> None:
        self._finish()
        self._pipeline.reset()
        self._unheard.reset()
        self._offered = None

    def _close(self) -> None:
        self._finish()
        self.is_closed = True
        self.inbox.close()

    def _finish(self) -> None:
        self._found(self._counts.timed(self._pipeline.finish))
        for observer in self.observers:
            observer.finish()

    def _found(self, events: list[Event], needed: int | None = None) -> None:
        self.latency.decided(needed, self._offered or 0)
        for observer in self.observers:
            observer.find(events)

    def _judged(self, scores: Scores) -> None:
        self._unheard.scored(scores)
        for observer in self.observers:
            observer.judge(scores, self._pipeline.verdict)
