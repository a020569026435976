"""Which waiting message goes next. Pure: it reads the outbox and what is in flight, and sends nothing.

The invariant: a message of an event goes out only when no earlier `rev` of the same event waits any more, that is, when
the broker has acknowledged it or the outbox has given it up. So a consumer meets the revs of one id in their order,
whatever was refused or broke in between. An `end` that is decided live while its onset still waits in the backlog
brings the onset forward and follows it.

Otherwise: what is due, then live messages in order, then the backlog in order, as far as send quota and rate allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.delivery.in_flight import InFlight
from edge.delivery.store import MAX_SEQ, Entry


class Waiting(Protocol):
    """What waits (`edge.delivery.outbox.Outbox`)."""

    @property
    def last_seq(self) -> int:
        """`seq` of the newest message."""

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""

    def earlier(self, entry: Entry) -> list[Entry] | None:
        """What still waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""


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
        in_flight.has_backlog = len(entries) == allowed
        for entry in entries:
            in_flight.last_backlog = entry.seq
            yield from _in_order(entry, in_flight, outbox)
        in_flight.consume_tokens(len(entries))


def _in_order(entry: Entry, in_flight: InFlight, outbox: Waiting) -> Iterator[Entry]:
    """The entry, or the first of its event that still waits and holds it back; nothing if that is in flight.

    Where what holds it back cannot be read, it waits for `InFlight.requeue`.
    """
    if in_flight.contains(entry.seq) or (earlier := outbox.earlier(entry)) is None:
        return
    first = next(iter(earlier), entry)
    if first is not entry:
        in_flight.hold(entry.seq, behind=first.seq)
    if not in_flight.contains(first.seq):
        yield first
