"""Bounds the gap messages of a stream: a device that reboots in a loop must not fill the outbox and the ward's network.

Not for the gaps themselves: the detector sees each, and the health report counts each. Within a minute a stream's first
`MOST` gaps are messages of their own; what follows becomes one message when the minute is over, which says how many
gaps it stands for and how much they lost. Nothing is dropped; pure, on the caller's clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edge.delivery.messages import Message

MOST = 30  # messages of a stream in one period; a link that loses a packet each second is told gap by gap
PERIOD_S = 60.0
SCHEMA = "laennec.gap/1"


@dataclass
class _Period:
    """What one stream has lost since the period began."""

    begin_s: float
    count: int = 0
    rest: Message | None = None
    """Stands for the gaps beyond `MOST`."""


class GapLimit:
    """The gap messages of all streams of a node, in the order in which they were decided."""

    def __init__(self) -> None:
        self._periods: dict[str, _Period] = {}  # by topic

    def push(self, messages: Sequence[Message], now_s: float) -> list[Message]:
        """What is to be sent now, with what stands for the gaps of minutes that are over.

        Args:
            messages: of any kind; only gaps are held back.
            now_s: monotonic, seconds.
        """
        passed = self._end_periods(now_s)
        for message in messages:
            if message.body.get("schema") != SCHEMA:
                passed.append(message)
                continue
            period = self._periods.setdefault(message.topic, _Period(now_s))
            period.count += 1
            if period.count <= MOST:
                passed.append(message)
            else:
                period.rest = message if period.rest is None else _joined(period.rest, message)
        return passed

    def flush(self) -> list[Message]:
        """What is held back, at the end of the node."""
        rests = [period.rest for period in self._periods.values() if period.rest is not None]
        self._periods.clear()
        return rests

    def _end_periods(self, now_s: float) -> list[Message]:
        over = [topic for topic, period in self._periods.items() if now_s - period.begin_s >= PERIOD_S]
        rests = [self._periods.pop(topic).rest for topic in over]
        return [rest for rest in rests if rest is not None]


def _joined(first: Message, second: Message) -> Message:
    """One message for two: from the begin of the first to the end of the second, with the sum of what was lost."""
    one, other = first.body, second.body
    return replace(
        first,
        body={
            **one,
            "to_sample": other["to_sample"],
            "ms": one["ms"] + other["ms"],
            "count": one.get("count", 1) + 1,
        },
    )
