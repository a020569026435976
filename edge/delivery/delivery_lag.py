"""How late events reach the broker: from the sound that they tell of to its acknowledgement (PUBACK), by stream.

Not for what each stage takes (`edge.delivery.latency`), and not for what waited while no broker was there: that is
marked `late`, and its age is that of the outage. Events of files at full speed have no moment of their sound; they
count from their decision. Pure, on the caller's clock; one thread measures, any reads `status`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.delivery.messages import Body, Message

LATE_S = 5.0  # an event takes 1.3 to 1.9 s from its sound on a box and a network that keep up
MOST = 16_384  # events that are followed on their way; of those beyond, the oldest say enough
REMEMBERED_S = 10.0  # for how long what was acknowledged last says how late a stream is
STAGES = ("sound", "window", "scored")


@dataclass(frozen=True)
class DeliveryStatus:
    """How late events reach the broker in the present connection."""

    lags_s: Mapping[str, float] = field(default_factory=dict)
    """From the sound to the acknowledgement, or until now where there is none yet: the longest of each stream, s."""
    stages_ms: Mapping[str, float | None] = field(default_factory=dict)
    """Of the event that was acknowledged last, stage by stage as its `latency_ms`, and `ack`."""

    @property
    def lag_s(self) -> float:
        """Of the stream that is farthest behind, seconds; 0 where nothing is on its way."""
        return max(self.lags_s.values(), default=0.0)


class DeliveryLag:
    """Follows the events of one connection from the outbox to their acknowledgement."""

    def __init__(self) -> None:
        """None is on its way."""
        self.status = DeliveryStatus()
        self.forget()

    def forget(self) -> None:
        """The connection is gone: what was on its way waits for the next one, and is told as `late` there."""
        self._waiting: dict[tuple[str, int], tuple[str, float]] = {}  # (id, rev) -> stream, when its sound was
        self._sent: dict[int, tuple[tuple[str, int], Body, float]] = {}  # seq -> event, its stages, when it was sent
        self._acknowledged: dict[str, tuple[float, float]] = {}  # stream -> lag of the last, when it came
        self._stages_ms: dict[str, float | None] = {}

    def stored(self, message: Message) -> None:
        """An event is in the outbox, and the connection is there to take it."""
        if message.event is not None and message.decided_s is not None and len(self._waiting) < MOST:
            stages = message.body.get("latency_ms") or {}
            before_s = sum(stages.get(name) or 0.0 for name in STAGES) / 1000
            self._waiting[message.event] = (message.body.get("stream", ""), message.decided_s - before_s)

    def is_late(self, event: tuple[str, int] | None, now_s: float) -> bool:
        """Whether an event that is sent now is late by itself."""
        found = None if event is None else self._waiting.get(event)
        return found is not None and now_s - found[1] > LATE_S

    def sent(self, seq: int, event: tuple[str, int] | None, body: Body, now_s: float) -> None:
        """It went out, with these stages."""
        if event is not None and event in self._waiting:
            self._sent[seq] = (event, body.get("latency_ms") or {}, now_s)

    def acknowledged(self, seq: int, now_s: float) -> None:
        """The broker has it."""
        if (found := self._sent.pop(seq, None)) is not None and found[0] in self._waiting:
            event, stages, sent_s = found
            stream, sound_s = self._waiting.pop(event)
            self._acknowledged[stream] = (now_s - sound_s, now_s)
            self._stages_ms = {**stages, "ack": round(1000 * (now_s - sent_s), 1)}

    def publish(self, now_s: float) -> None:
        """Say how it is."""
        recent = {stream: lag_s for stream, (lag_s, at_s) in self._acknowledged.items() if now_s - at_s < REMEMBERED_S}
        for stream, sound_s in self._waiting.values():
            recent[stream] = max(recent.get(stream, 0.0), now_s - sound_s)
        self.status = DeliveryStatus(recent, self._stages_ms)


class DeliveryView(Protocol):
    """The same to all but the thread that measures."""

    @property
    def status(self) -> DeliveryStatus:
        """How late events are."""
