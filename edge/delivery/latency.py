"""How long an event took on its way, stage by stage: of the sound, to the window, to the scores, to disk, to the wire.

Not for wall time: all of this is monotonic, so a step of the clock changes no latency. What was on disk when a process
died has no latency of disk and wire any more, for the monotonic clock of another start may be another; it is then not
known, and never a guess.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from edge.delivery.messages import Body, milliseconds

MOST = 4096  # events whose times are remembered, as many as wait in a busy hour; of older ones they are not known


@dataclass(frozen=True)
class Sending:
    """The two stages after the decision, seconds; None: not known."""

    disk_s: float | None = None
    wire_s: float | None = None


class StageTimes:
    """When the events of this process were decided and came to disk; one thread at a time."""

    def __init__(self) -> None:
        """Nothing was decided."""
        self._stored: OrderedDict[tuple[str, int], tuple[float, float, bool]] = OrderedDict()

    def stored(self, event: tuple[str, int], decided_s: float, now_s: float, is_on_disk: bool) -> None:
        """An event is in the outbox.

        Args:
            event: its (id, rev).
            decided_s: when it was decided, monotonic.
            now_s: now, monotonic.
            is_on_disk: whether the disk took it.
        """
        self._stored[event] = (decided_s, now_s, is_on_disk)
        while len(self._stored) > MOST:
            self._stored.popitem(last=False)

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
