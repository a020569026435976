"""How late events reach the broker: from the sound that they tell of to its acknowledgement (PUBACK), by stream.

Not for what each stage takes (`edge.delivery.latency`), and not for what waited while no broker was there: that is
marked `late`, and its age is that of the outage. Events of files at full speed have no moment of their sound; they
count from their decision. Pure, on the caller's clock; one thread measures, any reads `status`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from edge.contract.fields import Body
from edge.delivery.messages import Message

LATE_S = 5.0  # an event takes 1.6 to 2.5 s from its sound on a box and a network that keep up
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
        self.status = DeliveryStatus()
        self.forget()

    def forget(self) -> None:
        """The connection is gone: what was on its way waits for the next one, and is told as `late` there."""
        self._followed: dict[int, tuple[str, float]] = {}  # seq -> stream, when its sound was
        self._waiting: dict[str, dict[int, float]] = {}  # stream -> the same, oldest first
        self._sent: dict[int, tuple[Body, float]] = {}  # seq -> its stages, when it was sent
        self._acknowledged: dict[str, tuple[float, float]] = {}  # stream -> lag of the last, when it came
        self._stages_ms: dict[str, float | None] = {}

    @property
    def followed(self) -> list[int]:
        """`seq` of the events that are on their way."""
        return list(self._followed)

    def stored(self, seq: int, message: Message) -> None:
        """An event is in the outbox, and the connection is there to take it."""
        if message.event is not None and message.decided_s is not None and len(self._followed) < MOST:
            stages, stream = message.body.get("latency_ms") or {}, message.body.get("stream", "")
            sound_s = message.decided_s - sum(stages.get(name) or 0.0 for name in STAGES) / 1000
            self._followed[seq] = (stream, sound_s)
            self._waiting.setdefault(stream, {})[seq] = sound_s

    def is_late(self, seq: int, now_s: float) -> bool:
        """Whether an event that is sent now is late by itself."""
        found = self._followed.get(seq)
        return found is not None and now_s - found[1] > LATE_S

    def sent(self, seq: int, body: Body, now_s: float) -> None:
        """It went out, with these stages."""
        if seq in self._followed:
            self._sent[seq] = (body.get("latency_ms") or {}, now_s)

    def acknowledged(self, seq: int, now_s: float) -> None:
        """The broker has it."""
        found = self._sent.get(seq)
        if (event := self._take(seq)) is not None and found is not None:
            (stream, sound_s), (stages, sent_s) = event, found
            self._acknowledged[stream] = (now_s - sound_s, now_s)
            self._stages_ms = {**stages, "ack": round(1000 * (now_s - sent_s), 1)}

    def dropped(self, seqs: Iterable[int]) -> None:
        """They are no longer in the outbox and will never come, which is counted there; nobody is late by them."""
        for seq in seqs:
            self._take(seq)

    def _take(self, seq: int) -> tuple[str, float] | None:
        self._sent.pop(seq, None)
        if (found := self._followed.pop(seq, None)) is not None:
            del self._waiting[found[0]][seq]
        return found

    def publish(self, now_s: float) -> None:
        """Say how it is: of each stream by the oldest event that waits."""
        recent = {stream: lag_s for stream, (lag_s, at_s) in self._acknowledged.items() if now_s - at_s < REMEMBERED_S}
        for stream, waiting in self._waiting.items():
            if waiting:
                sound_s = next(iter(waiting.values()))
                recent[stream] = max(recent.get(stream, 0.0), now_s - sound_s)
        self.status = DeliveryStatus(recent, self._stages_ms)


class DeliveryView(Protocol):
    """The same to all but the thread that measures."""

    @property
    def status(self) -> DeliveryStatus:
        """How late events are."""
