"""Messages on their way to the outbox: a bounded queue by priority, in which gap messages are few. Nobody waits for it.

Not for the order of sending (`edge.delivery.sender`), for storing (`edge.delivery.outbox`), nor for what is dropped
first where there is no room (`edge.delivery.priority`).

A device that reboots in a loop must not fill the outbox and the ward's network with gaps. Within a minute a stream's
first `MOST` gaps are messages of their own; what follows becomes one message when the minute is over, which says how
many gaps it stands for and how much they lost (`GapLimit`: pure, on the caller's clock; the health report counts each
gap).

Records of alarms and minutes come with their messages and are taken with them, in one piece. When that may be is
`WritePace`'s to say: each write is an fsync, of which a memory card bears so many. Alarms never wait for it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from edge.delivery.messages import Message
from edge.delivery.minutes import Minute
from edge.delivery.priority import MessagePriority, priority_of
from edge.ward.alarm_records import Ordered, Record, Transition

MOST = 30  # messages of a stream in one period; a link that loses a packet each second is reported gap by gap
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
    return first.with_fields(to_sample=other["to_sample"], ms=one["ms"] + other["ms"], count=one.get("count", 1) + 1)


WRITE_S = 0.05  # at least, between two writes
# Between two writes of messages, where more than `AT_ONCE` have come: as much later comes an event of a ward of a
# hundred beds. One bed makes a write each two seconds, so its memory card is written less than once a second.
EVERY_S = 0.25
AT_ONCE = 10  # writes that need not wait so long; the next ones may after `EVERY_S` each without any


class WritePace:
    """When messages are written: at once where few come, and four times a second where many do. Pure."""

    def __init__(self) -> None:
        self.written_s = -math.inf
        """When the last write was, monotonic seconds."""
        self._full_s = -math.inf  # when `AT_ONCE` writes could follow each other again

    def wait_s(self, now_s: float, is_urgent: bool) -> float:
        """How long the next write must wait, seconds; one that is urgent never more than `WRITE_S`."""
        wait_s = self.written_s + WRITE_S - now_s
        if not is_urgent:
            # A leaky bucket by time: each write puts `_full_s` off by EVERY_S, and one may go that leaves it at most
            # AT_ONCE times as far ahead.
            wait_s = max(wait_s, self._full_s - (AT_ONCE - 1) * EVERY_S - now_s)
        return max(wait_s, 0.0)

    def write(self, now_s: float) -> None:
        """There is one now."""
        # Urgent writes may go beyond the bucket; what they took too much is not counted against later ones.
        self.written_s, self._full_s = now_s, min(max(self._full_s, now_s) + EVERY_S, now_s + AT_ONCE * EVERY_S)


MOST_RECORDS = 10_000  # of alarms that wait for a disk that has stalled, 10 MB
MOST_MINUTES = 20_000  # an hour of 64 beds, twice over


@dataclass(frozen=True)
class Rows:
    """What is written in the same transaction as messages."""

    records: Sequence[Record] = ()
    """Of the alarms."""
    minutes: Sequence[Minute] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    """Of an earlier release that are read in by this, by name: to see whether one has changed since."""

    streams: Collection[str] = ()
    """Beds that there are, where that may have changed: the minutes of all others go."""

    def __len__(self) -> int:
        """Row numbers that it takes."""
        return len(self.records) + len(self.minutes)


NO_ROWS = Rows()


@dataclass(frozen=True)
class InboxBatch:
    """What one transaction takes to the disk."""

    messages: Sequence[Message]
    rows: Rows
    ticket: int
    """Of the last records of alarms that are in it, or were in one before."""


class MessageInbox:
    """Safe to use from several threads; nobody waits."""

    def __init__(self, most: int) -> None:
        self._most, self._mutex = most, threading.Lock()
        self._messages: list[Message] = []
        self._priorities: list[MessagePriority] = []  # of each
        self._records: list[Record] = []
        self._minutes: list[Minute] = []
        self._ticket = 0

    def __len__(self) -> int:
        """How many messages wait."""
        return len(self._messages)

    @property
    def is_urgent(self) -> bool:
        """Whether an alarm waits for the disk, or there will be no room soon."""
        return bool(self._records) or len(self._messages) > self._most // 2

    def put(self, message: Message) -> Message | None:
        """Take a message; what was dropped for want of room, if anything was."""
        with self._mutex:
            return self._put(message)

    def record(self, records: Sequence[Record], messages: Sequence[Message]) -> tuple[int, list[Message]]:
        """Take records of alarms with their messages.

        Returns:
            A ticket, which `take` gives when they are in it, and the messages that were dropped for want of room.
        """
        with self._mutex:
            # Under one lock with the messages: `take` gives both to one transaction.
            self._ticket += 1
            self._records += records
            if len(self._records) > MOST_RECORDS:
                self._records = shortened(self._records)
            dropped = [self._put(message) for message in messages]
            return self._ticket, [each for each in dropped if each is not None]

    def remember(self, minutes: Sequence[Minute]) -> int:
        """Take minutes; how many of the oldest were dropped for want of room."""
        with self._mutex:
            self._minutes += minutes
            dropped = max(len(self._minutes) - MOST_MINUTES, 0)
            del self._minutes[:dropped]
            return dropped

    def take(self, is_due: bool = True) -> InboxBatch:
        """All that waits, oldest first; minutes alone only when they are due."""
        with self._mutex:
            with_minutes = is_due or self._messages or self._records
            taken = InboxBatch(self._messages, Rows(self._records, self._minutes if with_minutes else ()), self._ticket)
            self._messages, self._priorities, self._records = [], [], []
            self._minutes = [] if with_minutes else self._minutes
        return taken

    def _put(self, message: Message) -> Message | None:
        priority, dropped = priority_of(message), None
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


def shortened(records: Sequence[Record]) -> list[Record]:
    """The newer half of the records; of the older one the last change of each alarm, and the last commands."""
    half = len(records) // 2
    last: dict[object, Record] = {each.key: each for each in records[:half] if isinstance(each, Transition)}
    commands: list[Record] = [each for each in records[:half] if isinstance(each, Ordered)]
    return [*sorted([*last.values(), *commands[-half // 4 :]], key=lambda record: record.at_s), *records[half:]]
