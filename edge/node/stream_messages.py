"""What one stream tells the world: its events and gaps as messages and log lines.

Not for deciding what sounds, and not for sending. Wall time enters here, through the stream's `Timeline`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.artefact.model import Model
from edge.contract.events import NamedClip
from edge.delivery.messages import EventTimes, Message, Node, event_message, gap_message, model_name, ulid
from edge.detector.sound_check import Verdict
from edge.log import BurstLimitedLog
from edge.node.clock import read_clock
from edge.node.inbox import Item
from edge.node.stream_latency import StreamLatency
from edge.node.stream_observer import StreamObserver
from edge.types import Event, Gap, Scores

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
        self.clip_of: Callable[[Event, str], NamedClip | None] = _no_clip
        """What the message of an event of this id says of its clip; None: nothing."""

    def on_item(self, item: Item) -> None:
        """Sound that was lost is told."""
        if isinstance(item, Gap) and item.stop > item.start:
            line = f'stream={self._stream} gap_s={(item.stop - item.start) / self._rate_hz:.3f} cause="{item.cause}"'
            self._gap_log.log(item.cause, line)
            self._sink.send(gap_message(self._node, self._stream, item, self._rate_hz))

    def on_scores(self, scores: Scores, verdict: Verdict) -> None:
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
                message.body["device"] = self._device
            if (clip := self.clip_of(event, ident)) is not None:
                message.body["clip"] = clip.body()
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
