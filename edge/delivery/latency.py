"""How long events take: by stage (sound, window, scores, disk, wire), and by stream until their acknowledgement.

Each event of this process is counted by its stages once, when it is sent for the first time (`LatencyCounts`). Not for
wall time: all of this is monotonic, so a step of the clock changes no latency. What was on disk when a process died has
no latency of disk and wire any more, for the monotonic clock of another start may be another; it is then not known, and
never a guess.

The lag of a stream (`DeliveryLag`) runs from the sound to the acknowledgement. What waited while no broker was there is
not in it: that is marked `late`, and its age is that of the outage. Events of files at full speed have no moment of
their sound; they count from their decision. Pure, on the caller's clock; one thread measures, any reads `status`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from edge.contract.fields import Body
from edge.delivery.messages import Message, milliseconds

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)  # a chunk has 0.13 or 0.48 s
STAGES = ("sound", "window", "scored", "disk", "wire", "total")
MOST = 4096  # events whose times are remembered, as many as wait in a busy hour; of older ones they are not known


@dataclass(frozen=True)
class Sending:
    """The two stages after the decision, seconds; None: not known."""

    disk_s: float | None = None
    wire_s: float | None = None


class LatencyCounts:
    """How many latencies were within each of `BOUNDS_S`; one thread counts, any reads."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0
        """Of all of them, seconds."""

    def push(self, latency_s: float) -> None:
        """Count one, seconds."""
        self._counts[bisect_left(BOUNDS_S, latency_s)] += 1
        self.sum_s += latency_s

    def within(self) -> list[int]:
        """How many were no longer than each of `BOUNDS_S`, and at last how many there were."""
        return list(accumulate(self._counts))

    def __add__(self, other: LatencyCounts) -> LatencyCounts:
        """Of both."""
        both = LatencyCounts()
        both._counts = [mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)]
        both.sum_s = self.sum_s + other.sum_s
        return both


class StageTimes:
    """When the events of this process were decided and came to disk; one thread at a time."""

    def __init__(self) -> None:
        self._stored: OrderedDict[tuple[str, int], tuple[float, float, bool]] = OrderedDict()
        self._unsent: set[tuple[str, int]] = set()  # of them
        self.counts = {stage: LatencyCounts() for stage in STAGES}
        """Of the events that were sent, by stage."""

    def stored(self, event: tuple[str, int], decided_s: float, now_s: float, is_on_disk: bool) -> None:
        """An event is in the outbox.

        Args:
            event: its (id, rev).
            decided_s: when it was decided, monotonic.
            now_s: now, monotonic.
            is_on_disk: whether the disk took it.
        """
        self._stored[event] = (decided_s, now_s, is_on_disk)
        self._unsent.add(event)
        while len(self._stored) > MOST:
            self._unsent.discard(self._stored.popitem(last=False)[0])

    def sent(self, event: tuple[str, int] | None, body: Body) -> None:
        """An event went out with this body; what is sent once more is not counted again."""
        if event in self._unsent:
            self._unsent.discard(event)
            for stage, latency_ms in body["latency_ms"].items():
                if latency_ms is not None:
                    self.counts[stage].push(latency_ms / 1000)

    def sending(self, event: tuple[str, int] | None, now_s: float) -> Sending:
        """The stages of an event that is sent now; where it never came to disk, all of the time is that to the wire."""
        found = None if event is None else self._stored.get(event)
        if found is None:
            return Sending()
        decided_s, stored_s, is_on_disk = found
        return Sending(stored_s - decided_s, now_s - stored_s) if is_on_disk else Sending(None, now_s - decided_s)


def with_sending(body: Body, sending: Sending) -> Body:
    """The body of an event as it is sent, with the stages of sending and the sum of all; of anything else, as it is."""
    if "latency_ms" not in body:
        return body
    stages = {**body["latency_ms"], "disk": milliseconds(sending.disk_s), "wire": milliseconds(sending.wire_s)}
    known = [stages[name] for name in ("sound", "window", "scored", "wire")]  # what was not on disk has no such stage
    total = None if None in known else round(sum(known) + (stages["disk"] or 0.0), 1)
    return {**body, "latency_ms": {**stages, "total": total}}


LATE_S = 5.0  # an event takes 1.2 to 2 s from its sound on a box and a network that keep up
BEHIND_S = 3.5  # from here on what can be missed makes room
MOST_FOLLOWED = 16_384  # events that are followed on their way; of those beyond, the oldest say enough
PUBLISH_S = 0.1  # at least, between two statuses: each looks at all streams
REMEMBERED_S = 10.0  # for how long what was acknowledged last says how late a stream is
BEFORE_DECISION = ("sound", "window", "scored")


@dataclass(frozen=True)
class DeliveryStatus:
    """How late events reach the broker in the present connection."""

    lags_s: Mapping[str, float] = field(default_factory=dict)
    """From the sound to the acknowledgement, or until now where there is none yet: the longest of each stream, s."""
    stages_ms: Mapping[str, float | None] = field(default_factory=dict)
    """Of the event that was acknowledged last, stage by stage as its `latency_ms`, and `ack`."""

    @cached_property
    def lag_s(self) -> float:
        """Of the stream that is farthest behind, seconds; 0 where nothing is on its way."""
        return max(self.lags_s.values(), default=0.0)


class DeliveryLag:
    """Follows the events of one connection from the outbox to their acknowledgement."""

    def __init__(self) -> None:
        self.status = DeliveryStatus()
        self.forget()

    def forget(self) -> None:
        """The connection is gone: what was on its way waits for the next one, and is marked `late` there."""
        self._published_s = -math.inf
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
        if message.event is not None and message.decided_s is not None and len(self._followed) < MOST_FOLLOWED:
            stages, stream = message.body.get("latency_ms") or {}, message.body.get("stream", "")
            # Back from the decision by what it took to come there: when the sound was at the microphone.
            sound_s = message.decided_s - sum(stages.get(name) or 0.0 for name in BEFORE_DECISION) / 1000
            self._followed[seq] = (stream, sound_s)
            self._waiting.setdefault(stream, {})[seq] = sound_s

    def is_late(self, seq: int, now_s: float, late_s: float = LATE_S) -> bool:
        """Whether an event that is sent now is late by itself."""
        found = self._followed.get(seq)
        return found is not None and now_s - found[1] > late_s

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
        self._published_s = -math.inf  # said at once
        for seq in seqs:
            self._take(seq)

    def _take(self, seq: int) -> tuple[str, float] | None:
        self._sent.pop(seq, None)
        if (found := self._followed.pop(seq, None)) is not None:
            del self._waiting[found[0]][seq]
        return found

    def publish(self, now_s: float) -> None:
        """Say how it is, if that was not just said: of each stream by the oldest event that waits."""
        if now_s - self._published_s < PUBLISH_S:
            return
        self._published_s = now_s
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
