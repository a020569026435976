"""Messages on their way to the outbox: bounded, with their priorities, gap messages at most so many a minute.

What a message is worth when there is no room for all: the one place that knows the order of their kinds.

Not for the order of sending (`edge.delivery.sender`). The invariant of those two: whatever is full, nothing goes while
something of a lower priority could go instead; of one priority the store takes the oldest.

A change of an alarm is worth most, by the priority that the alarm had; then the begin and the end of a sound; then what
was lost of a stream, which its coverage tells too; then the updates of a sound that lasts, which its end repeats.

Bounds the gap messages of a stream: a device that reboots in a loop must not fill the outbox and the ward's network.

Not for the gaps themselves: the detector sees each, and the health report counts each. Within a minute a stream's first
`MOST` gaps are messages of their own; what follows becomes one message when the minute is over, which says how many
gaps it stands for and how much they lost. Nothing is dropped; pure, on the caller's clock.

Messages on their way to the outbox: a bounded queue in memory, which nobody who has a message waits for.

Not for keeping (`edge.delivery.outbox`). It is full where the disk has stalled; then the least important message is
dropped, which may be the one that comes, and of several the newest. What is left keeps its order.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from edge.contract.fields import Priority
from edge.delivery.messages import Message


class MessagePriority(IntEnum):
    """Of the kinds of messages in the outbox, least first; the numbers are on disk, so leave them."""

    UPDATE = 10
    GAP = 20
    EVENT = 30
    LOW_ALARM = 40
    MEDIUM_ALARM = 50
    HIGH_ALARM = 60


OF_ALARMS: Mapping[Priority, MessagePriority] = {
    "Lo": MessagePriority.LOW_ALARM,
    "Me": MessagePriority.MEDIUM_ALARM,
    "Hi": MessagePriority.HIGH_ALARM,
}
CAUSES: Mapping[MessagePriority, str] = {  # under which name the health report counts what was dropped
    MessagePriority.UPDATE: "update",
    MessagePriority.GAP: "technical",
    MessagePriority.EVENT: "event",
    MessagePriority.LOW_ALARM: "alarm",
    MessagePriority.MEDIUM_ALARM: "alarm",
    MessagePriority.HIGH_ALARM: "alarm",
}
EXPIRED = "expired"  # too old, whatever its priority


def priority_of(message: Message) -> MessagePriority:
    """What a message is worth."""
    if message.transition is not None:
        return OF_ALARMS[message.body["priority"]]
    if message.event is None:
        return MessagePriority.GAP
    return MessagePriority.UPDATE if message.body.get("type") == "update" else MessagePriority.EVENT


def nothing_dropped() -> dict[str, int]:
    """A count of zero for each cause."""
    return dict.fromkeys([*CAUSES.values(), EXPIRED], 0)


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


class MessageInbox:
    """Safe to use from several threads; nobody waits."""

    def __init__(self, most: int) -> None:
        """Hold `most` messages."""
        self._most, self._mutex = most, threading.Lock()
        self._messages: list[Message] = []
        self._priorities: list[MessagePriority] = []  # of each

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    def put(self, message: Message) -> Message | None:
        """Take a message; what was dropped for want of room, if anything was."""
        priority, dropped = priority_of(message), None
        with self._mutex:
            if len(self._messages) >= self._most:
                least = min(self._priorities)
                if priority <= least:
                    return message
                newest = len(self._messages) - 1 - self._priorities[::-1].index(least)
                dropped = self._messages.pop(newest)
                del self._priorities[newest]
            self._messages.append(message)
            self._priorities.append(priority)
        return dropped

    def take(self) -> list[Message]:
        """All that wait, oldest first."""
        with self._mutex:
            messages, self._messages, self._priorities = self._messages, [], []
        return messages
