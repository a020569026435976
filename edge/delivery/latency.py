"""How long an event took on its way, stage by stage: of the sound, to the window, to the scores, to disk, to the wire.

Each event of this process is also counted by its latencies once, when it is sent for the first time (`LatencyCounts`).

Not for wall time: all of this is monotonic, so a step of the clock changes no latency. What was on disk when a process
died has no latency of disk and wire any more, for the monotonic clock of another start may be another; it is then not
known, and never a guess.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate

from edge.contract.fields import Body
from edge.delivery.messages import milliseconds

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)  # a chunk of the model has 0.48 s
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
