"""Which waiting message is sent next, what is in flight, and what the broker refused. Pure: it sends nothing.

`InFlight` is of one connection to the broker. Messages up to `backlog_end` were decided before the connection was up:
the backlog, which goes oldest first and at a bounded rate; after it come live messages, which go at once. A message
that must not overtake another is held behind it and becomes due when the broker has acknowledged that one.

What never waits in the outbox goes past this (`edge.delivery.unstored`).

`Refusals` counts what the broker refuses for the health report and the doctor. Only MQTT 5 has an answer for a
message that is refused; a 3.1.1 broker acknowledges it and throws it away.

The invariant of `next_messages`: a message of an event goes out only when no earlier `rev` of the same event waits any
more, that is, when the broker has acknowledged it or the outbox has given it up. So a consumer meets the revs of one id
in their order, whatever was refused or broke in between. An `end` that is decided live while its onset still waits in
the backlog brings the onset forward and follows it.

Otherwise: what is due, then live messages in order, then the backlog in order, as far as send quota and rate allow.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import Protocol

from edge.delivery.entries import Entry
from edge.delivery.store_tables import MAX_SEQ

MEASURED = ("/trend", "/breath", "/shadow")  # ends of the topics of values that are measured anew every few seconds
BACKLOG_PER_S = 100.0  # an hour of 20 busy beds in a minute, without drowning a consumer


class InFlight:
    """One connection; without a session name, none."""

    def __init__(self, session: str = "", receive_maximum: int = 0, backlog_end: int = 0, now_s: float = 0.0) -> None:
        """Begin with nothing sent.

        Args:
            session: name of the connection.
            receive_maximum: how many messages may be unacknowledged at once (MQTT 5, 4.9).
            backlog_end: `seq` of the newest message of the backlog.
            now_s: monotonic seconds.
        """
        self.session = session
        self.backlog_end = backlog_end
        self.last_live = backlog_end
        """Greatest `seq` of the live messages whose turn has come."""
        self.last_backlog = 0
        """The same of the backlog."""
        self.has_backlog = backlog_end > 0
        self.retry_s = 0.0
        """When to send refused messages again, monotonic seconds; 0 for never."""
        self.unacknowledged: dict[int, tuple[int | None, float]] = {}
        """Packet identifier -> (`seq`, or None for retained state; when it was sent, monotonic seconds)."""
        self.due: list[int] = []
        """`seq` of messages that go before all others, in order."""
        self._held: dict[int, list[int]] = {}  # `seq` of one that must be acknowledged first -> those held behind it
        self._receive_maximum = receive_maximum
        self._tokens = 0.0
        self._tokens_s = now_s

    @property
    def send_quota(self) -> int:
        """How many more messages may be sent before an acknowledgement comes (MQTT 5, 4.9)."""
        return max(0, self._receive_maximum - len(self.unacknowledged))  # status and answers go without asking

    def state_quota(self, is_behind: bool) -> int:
        """How many more retained values may be sent.

        Args:
            is_behind: whether events are; three quarters of what may be in flight are then theirs.
        """
        if not is_behind:
            return self.send_quota
        # A quarter of what may be in flight, rounded up, so that some always may.
        values = sum(seq is None for seq, _ in self.unacknowledged.values())
        return max(0, min(self.send_quota, -(-self._receive_maximum // 4) - values))

    def record(self, mid: int | None, seq: int | None, now_s: float) -> None:
        """A message was sent as packet `mid`; None means that it was not, for the connection is gone."""
        if mid is not None:
            self.unacknowledged[mid] = (seq, now_s)

    def contains(self, seq: int) -> bool:
        """Whether message `seq` was sent and not yet acknowledged."""
        return any(seq == other for other, _ in self.unacknowledged.values())

    def hold(self, seq: int, behind: int) -> None:
        """Message `seq` waits until the broker has the message `behind`."""
        self._held.setdefault(behind, []).append(seq)

    def release_held(self, *seqs: int) -> None:
        """The broker has these messages: what was held behind them is due."""
        for seq in seqs:
            self.make_due(self._held.pop(seq, ()))

    def make_due(self, seqs: Iterable[int]) -> None:
        """Let these go before all others."""
        for seq in seqs:
            insort(self.due, seq)

    def oldest_s(self, now_s: float) -> float:
        """How long the oldest unacknowledged message has been in flight, seconds."""
        return now_s - min((sent_s for _, sent_s in self.unacknowledged.values()), default=now_s)

    def backlog_tokens(self, now_s: float) -> int:
        """How many messages of the backlog may go now: a token bucket filled at `BACKLOG_PER_S`, for 1 s at most."""
        self._tokens = min(BACKLOG_PER_S, self._tokens + (now_s - self._tokens_s) * BACKLOG_PER_S)
        self._tokens_s = now_s
        return int(self._tokens)

    def consume_tokens(self, number: int) -> None:
        """So many messages of the backlog went."""
        self._tokens -= number

    def requeue(self) -> None:
        """Everything sent so far that still waits becomes backlog, as after refusals."""
        self.retry_s, self.backlog_end, self.last_backlog, self.has_backlog = 0.0, self.last_live, 0, True
        self.due.clear()
        self._held.clear()


class Refusals:
    """The messages whose last PUBACK was a failure. One thread writes, others may read."""

    def __init__(self) -> None:
        self._reasons: dict[int, str] = {}

    def record(self, seq: int, refusal: str) -> None:
        """The broker answered message `seq`: empty if it has it, else its reason."""
        if refusal:
            self._reasons[seq] = refusal
        else:
            self._reasons.pop(seq, None)

    def clear(self) -> None:
        """All refused messages are sent again: those that were dropped meanwhile no longer count."""
        self._reasons = {}

    @property
    def count(self) -> int:
        """How many messages are refused."""
        return len(self._reasons)

    @property
    def reason(self) -> str:
        """Why the last of them is, in the broker's words; empty if none is."""
        reasons = list(self._reasons.values())
        return reasons[-1] if reasons else ""


class Waiting(Protocol):
    """What waits (`edge.delivery.outbox.Outbox`)."""

    @property
    def last_seq(self) -> int:
        """`seq` of the newest message."""

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""

    def earlier(self, entry: Entry) -> list[Entry] | None:
        """What still waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""


def next_states(topics: Iterable[str], quota: int) -> list[str]:
    """The topics of the retained values that may go now: alarms first, what is measured anew every few seconds last.

    Args:
        topics: of those that the broker does not have.
        quota: how many of them may be sent.
    """
    return nsmallest(quota, topics, key=lambda topic: (topic.endswith(MEASURED), "/alarm/" not in topic, topic))


def next_messages(in_flight: InFlight, outbox: Waiting, now_s: float) -> Iterator[Entry]:
    """The messages that may go now; the caller records each one in `in_flight` before it asks for the next.

    Args:
        in_flight: the present connection.
        outbox: what waits.
        now_s: monotonic seconds.
    """
    while in_flight.due and in_flight.send_quota > 0:
        seq = in_flight.due.pop(0)
        for entry in outbox.waiting(seq - 1, seq, 1):
            yield from _in_order(entry, in_flight, outbox)
    if in_flight.last_live < outbox.last_seq and in_flight.send_quota > 0:
        for entry in outbox.waiting(in_flight.last_live, MAX_SEQ, in_flight.send_quota):
            in_flight.last_live = entry.seq
            yield from _in_order(entry, in_flight, outbox)
    allowed = min(in_flight.send_quota, in_flight.backlog_tokens(now_s))
    if in_flight.has_backlog and allowed > 0:
        entries = outbox.waiting(in_flight.last_backlog, in_flight.backlog_end, allowed)
        # Fewer than were asked for: nothing is left behind them.
        in_flight.has_backlog = len(entries) == allowed
        for entry in entries:
            in_flight.last_backlog = entry.seq
            yield from _in_order(entry, in_flight, outbox)
        in_flight.consume_tokens(len(entries))


def _in_order(entry: Entry, in_flight: InFlight, outbox: Waiting) -> Iterator[Entry]:
    """The entry, or the first of its event that still waits and holds it back; nothing if that is in flight.

    Where what holds it back cannot be read, it waits for `InFlight.requeue`.
    """
    # What an `end` has brought forward is in flight already when its turn in the backlog comes.
    if in_flight.contains(entry.seq) or (earlier := outbox.earlier(entry)) is None:
        return
    first = next(iter(earlier), entry)
    if first is not entry:
        in_flight.hold(entry.seq, behind=first.seq)
    if not in_flight.contains(first.seq):
        yield first
