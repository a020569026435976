"""What one stream tells the world: its events and gaps as messages and log lines.

Not for deciding what sounds, and not for sending. Wall time enters here, through the stream's `Timeline`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from edge.delivery.messages import (
    EventTimes,
    Latency,
    Message,
    ModelId,
    Node,
    event_message,
    gap_message,
    model_body,
    ulid,
)
from edge.log import BurstLimitedLog
from edge.node.clock import read_clock
from edge.node.inbox import Item
from edge.node.stream_clips import KeepsClips, NoClips
from edge.types import Event, Gap

logger = logging.getLogger(__name__)


class MessageSink(Protocol):
    """Where messages go (`edge.delivery.dispatch`)."""

    def send(self, message: Message) -> None:
        """Publish something that must not be lost; never waits."""


class Companion(Protocol):
    """What follows a stream: it must not wait, and must not fail."""

    def hear(self, item: Item) -> None:
        """What the stream takes from its inbox."""

    def find(self, events: Sequence[Event]) -> None:
        """What its detector decides."""


class Nobody:
    """The companion of a stream that nothing follows."""

    def hear(self, item: Item) -> None:
        """Nothing."""

    def find(self, events: Sequence[Event]) -> None:
        """Nothing."""


class StreamMessages:
    """The messages of one stream.

    Args:
        node: in whose name it speaks.
        stream: its id.
        device: id of its device; empty if it has none.
        model: that decides.
        rate_hz: of the sound, Hz.
        sink: where messages go.
    """

    def __init__(self, node: Node, stream: str, device: str, model: ModelId, rate_hz: int, sink: MessageSink) -> None:
        """Nothing was said yet."""
        self._node, self._stream, self._device, self._sink = node, stream, device, sink
        self._model_body, self._rate_hz = model_body(model), rate_hz
        self._gap_log = BurstLimitedLog(logger)
        self._open: dict[tuple[str, int], tuple[str, int, float]] = {}  # (label, onset) -> see `_follow`
        self.clips: KeepsClips = NoClips()
        self.events = 0
        """Events that began."""

    def tell_gap(self, gap: Gap) -> None:
        """Sound that was lost."""
        line = f'stream={self._stream} gap_s={(gap.stop - gap.start) / self._rate_hz:.3f} cause="{gap.cause}"'
        self._gap_log.log(gap.cause, line)
        self._sink.send(gap_message(self._node, self._stream, gap, self._rate_hz))

    def tell_events(
        self, events: Sequence[Event], wall_s: Callable[[int], float], latency: Callable[[Event], Latency]
    ) -> None:
        """Onsets, updates and ends.

        Args:
            events: in order.
            wall_s: when a sample was recorded, seconds since 1970.
            latency: how long an event took until now.
        """
        for event in events:
            ident, rev, onset_s = self._follow(event, wall_s)
            end_s = None if event.end is None else onset_s + (event.end - event.onset) / self._rate_hz
            times = EventTimes(onset_s, end_s, read_clock(), latency(event))
            message = event_message(
                self._node, self._stream, (ident, rev), event, self._rate_hz, times, self._model_body
            )
            if self._device:
                message.body["device"] = self._device
            if (clip := self.clips.of_event(event, ident)) is not None:
                message.body["clip"] = clip
            self._sink.send(message)
            where_s = (event.onset if event.end is None else event.end) / self._rate_hz
            logger.log(
                logging.DEBUG if event.kind == "update" else logging.INFO,
                "stream=%s %s=%s at_s=%.2f score=%.2f", self._stream, event.kind, event.label, where_s, event.peak,
            )  # fmt: skip

    def _follow(self, event: Event, wall_s: Callable[[int], float]) -> tuple[str, int, float]:
        """Id and `rev` of an event, and the wall time of its onset, which stays as it was."""
        key = (event.label, event.onset)
        if event.kind == "onset":
            self.events += 1
            onset_s = wall_s(event.onset)
            self._open[key] = (ulid(onset_s), 1, onset_s)
            return self._open[key]
        ident, rev, onset_s = self._open.pop(key)
        if event.kind == "update":
            self._open[key] = (ident, rev + 1, onset_s)
        return ident, rev + 1, onset_s
