"""Events, pauses and gaps of one stream as messages and log lines, with the latency of each event until it was decided.

Not for deciding what sounds, nor for sending and what that takes (`edge.delivery.latency`). Wall time enters through
the stream's `Timeline`; durations are those of samples and of the monotonic clock. The thread that reads notes what
arrives, the one that scores asks; between them lies a bounded deque, which is safe without a lock: one side appends,
the other takes.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.contract.events import NamedClip
from edge.delivery.latency import LatencyCounts
from edge.delivery.messages import (
    EventTimes,
    Latency,
    Message,
    Node,
    event_message,
    gap_message,
    model_name,
    pause_message,
    ulid,
)
from edge.detector.sound_check import SoundAssessment
from edge.log import BurstLimitedLog
from edge.model.model import Model
from edge.node.clock import Timeline, read_clock
from edge.node.inbox import Item
from edge.node.observer import StreamObserver
from edge.types import Block, Chunk, Event, Gap, Scores
from edge.ward.pauses import Pause

MOST = 4096  # blocks that may wait; of older ones it is not known when they came
ANEW = -1  # stands for the index where a device begins to count anew


class Arrivals:
    """When the sound of a stream had come, by sample index."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._blocks: deque[tuple[int, float]] = deque(maxlen=MOST)  # one past its last sample; seconds

    def record(self, item: object) -> None:
        """Something came: a block, a gap, or something else that does not matter."""
        if isinstance(item, Block):
            self._blocks.append((item.stop, self._monotonic()))
        elif isinstance(item, Gap) and item.restart:
            self._blocks.append((ANEW, 0.0))

    def begin_anew(self) -> None:
        """All up to the next place where a device began to count anew is past."""
        while self._blocks and self._blocks.popleft()[0] != ANEW:
            pass

    def complete_s(self, stop: int) -> float | None:
        """When all samples before index `stop` had come, monotonic seconds; None if that is not known.

        Asked in the order of the samples: what came before is forgotten.
        """
        while self._blocks and ANEW < self._blocks[0][0] < stop:
            self._blocks.popleft()
        return self._blocks[0][1] if self._blocks and self._blocks[0][0] >= stop else None


class StreamLatency:
    """Of one stream.

    Args:
        model: that decides.
        timeline: when each sample was recorded.
        is_live: whether the sound comes in real time; a file at full speed has no such moment.
    """

    def __init__(self, model: Model, timeline: Timeline, is_live: bool) -> None:
        self.arrivals = Arrivals()
        self.chunks = LatencyCounts()
        """Of the chunks of live sound: from the arrival of the last sample that one needs to its decision."""
        self._rate_hz, self._spec, self._chunk_frames = model.rate_hz, model.spec, model.chunk.chunk_frames
        self.timeline, self._is_live = timeline, is_live
        self._needed = 0
        self._window_s: float | None = None
        self._scored_s: float | None = None
        self._decided_s = 0.0

    def last_sample(self, chunk: Chunk) -> int:
        """Absolute index one past the last sample that a chunk needs."""
        return (chunk.start + self._chunk_frames - 1) * self._spec.hop_samples + self._spec.ahead_samples

    def decided(self, needed: int | None, offered: int) -> None:
        """Something was decided now.

        Args:
            needed: absolute index one past the last sample that this needed; None: all that there is.
            offered: the same of what there is.
        """
        is_chunk, needed = needed is not None, offered if needed is None else min(needed, offered)
        self._needed, self._decided_s = needed, time.monotonic()
        complete_s = self.arrivals.complete_s(needed)
        recorded_s = self.timeline.recorded_s(needed) if self._is_live else None
        self._window_s = None if complete_s is None or recorded_s is None else complete_s - recorded_s
        self._scored_s = None if complete_s is None else self._decided_s - complete_s
        if is_chunk and self._is_live and self._scored_s is not None:
            self.chunks.push(self._scored_s)

    def of(self, event: Event) -> Latency:
        """What an event took that was decided then."""
        until = event.onset if event.end is None else event.end
        return Latency(max(0, self._needed - until) / self._rate_hz, self._window_s, self._scored_s, self._decided_s)


logger = logging.getLogger(__name__)


class MessageSink(Protocol):
    """Where messages go (`edge.delivery.dispatch`)."""

    def send(self, message: Message) -> None:
        """Publish something that must not be lost; never waits."""


class StreamMessages(StreamObserver):
    """The messages of one stream.

    Args:
        node: in whose name it speaks.
        stream: its id.
        device: id of its device; empty if it has none.
        model: that decides.
        latency: how long an event took until it was decided, and when its samples were recorded.
        sink: where messages go.
    """

    def __init__(
        self, node: Node, stream: str, device: str, model: Model, latency: StreamLatency, sink: MessageSink
    ) -> None:
        self._node, self._stream, self._device, self._sink = node, stream, device, sink
        self._model_name, self._rate_hz, self._latency = model_name(model), model.rate_hz, latency
        self._gap_log = BurstLimitedLog(logger)
        self._open: dict[tuple[str, int], tuple[str, int, float]] = {}  # (label, onset) -> see `_follow`
        self._verified: bool | None = None
        self._samples = model.score_hop_samples, model.rate_hz
        self._pause: tuple[str, float] | None = None  # id of the last one, and the wall time of its onset
        self.clip_of: Callable[[Event, str], NamedClip | None] = _no_clip
        """What the message of an event of this id says of its clip; None: nothing."""

    def on_item(self, item: Item) -> None:
        """Publish sound that was lost."""
        if isinstance(item, Gap) and item.stop > item.start:
            line = f'stream={self._stream} gap_s={(item.stop - item.start) / self._rate_hz:.3f} cause="{item.cause}"'
            self._gap_log.log(item.cause, line)
            self._sink.send(gap_message(self._node, self._stream, item, self._rate_hz))

    def on_scores(self, scores: Scores, verdict: SoundAssessment) -> None:
        """Sound that is not like what the model knows, or is again, is a line in the log."""
        before, self._verified = self._verified, verdict.verified
        if verdict.verified not in (before, None) and False in (before, verdict.verified):
            logger.warning("stream=%s %s", self._stream, verdict.reason or "sounds like what the model knows")

    def on_events(self, events: Sequence[Event]) -> None:
        """Onsets, updates and ends, in order."""
        for event in events:
            ident, rev, onset_s = self._follow(event)
            end_s = None if event.end is None else onset_s + (event.end - event.onset) / self._rate_hz
            times = EventTimes(onset_s, end_s, read_clock(), self._latency.of(event))
            message = event_message(
                self._node, self._stream, (ident, rev), event, self._rate_hz, times, self._model_name
            )
            if self._device:
                message = message.with_fields(device=self._device)
            if (clip := self.clip_of(event, ident)) is not None:
                message = message.with_fields(clip=clip.body())
            self._sink.send(message)
            where_s = (event.onset if event.end is None else event.end) / self._rate_hz
            logger.log(
                logging.DEBUG if event.kind == "update" else logging.INFO,
                "stream=%s %s=%s at_s=%.2f score=%.2f",
                self._stream,
                event.kind,
                event.label,
                where_s,
                event.peak,
            )

    def on_pause(self, pause: Pause, limit_s: float) -> None:
        """A pause of breath, which has lasted for its limit or is over."""
        onset = pause.onset * self._samples[0]
        if pause.kind == "onset" or self._pause is None:
            onset_s = self._latency.timeline.wall_s(onset)
            self._pause = ulid(onset_s), onset_s
        ident, onset_s = self._pause
        end_s = None if pause.kind == "onset" else onset_s + (pause.stop * self._samples[0] - onset) / self._rate_hz
        times = EventTimes(onset_s, end_s, read_clock())
        self._sink.send(pause_message(self._node, self._stream, ident, pause, self._samples, times, limit_s))
        contact, why = ("yes" if pause.touches else "unknown"), f" reason={pause.why!r}" if pause.why else ""
        logger.info(
            "stream=%s pause=%s at_s=%.2f contact=%s%s", self._stream, pause.kind, onset / self._rate_hz, contact, why
        )

    def _follow(self, event: Event) -> tuple[str, int, float]:
        """Id and `rev` of an event, and the wall time of its onset, which stays as it was."""
        key = (event.label, event.onset)
        if event.kind == "onset":
            onset_s = self._latency.timeline.wall_s(event.onset)
            self._open[key] = (ulid(onset_s), 1, onset_s)
            return self._open[key]
        ident, rev, onset_s = self._open.pop(key)
        if event.kind == "update":
            self._open[key] = (ident, rev + 1, onset_s)
        return ident, rev + 1, onset_s


def _no_clip(event: Event, ident: str) -> None:
    """No sound is kept."""
