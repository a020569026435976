"""Which waiting message goes next. Pure: it reads the outbox and the flight, and sends nothing.

The invariant: a message of an event goes out only when no earlier `rev` of the same event waits any more, that is, when
the broker has acknowledged it or the outbox has given it up. So a consumer meets the revs of one id in their order,
whatever was refused or broke in between. An `end` that is decided live while its onset still waits in the backlog
brings the onset forward and follows it.

Otherwise: what is due, then live messages in order, then the backlog in order, as many as the broker and the rate take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge.delivery.in_flight import Flight
from edge.delivery.store import NO_END, Entry


class Waiting(Protocol):
    """What waits (`edge.delivery.outbox.Outbox`)."""

    @property
    def last_seq(self) -> int:
        """`seq` of the newest message."""

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""

    def earlier(self, entry: Entry) -> list[Entry] | None:
        """What still waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""


def next_messages(flight: Flight, outbox: Waiting, now_s: float) -> Iterator[Entry]:
    """The messages that may go now; the caller notes each one in `flight` before it asks for the next.

    Args:
        flight: the present connection.
        outbox: what waits.
        now_s: monotonic seconds.
    """
    while flight.due and flight.room > 0:
        seq = flight.due.pop(0)
        for entry in outbox.waiting(seq - 1, seq, 1):
            yield from _in_order(entry, flight, outbox)
    if flight.live_from < outbox.last_seq and flight.room > 0:
        for entry in outbox.waiting(flight.live_from, NO_END, flight.room):
            flight.live_from = entry.seq
            yield from _in_order(entry, flight, outbox)
    allowed = min(flight.room, flight.allowance(now_s))
    if flight.has_backlog and allowed > 0:
        entries = outbox.waiting(flight.backlog_from, flight.mark, allowed)
        flight.has_backlog = len(entries) == allowed
        for entry in entries:
            flight.backlog_from = entry.seq
            yield from _in_order(entry, flight, outbox)
        flight.spent(len(entries))


def _in_order(entry: Entry, flight: Flight, outbox: Waiting) -> Iterator[Entry]:
    """The entry, or the first of its event that still waits and holds it back; nothing if that is under way.

    Where what holds it back cannot be read, it waits for `Flight.start_again`.
    """
    if flight.is_under_way(entry.seq) or (earlier := outbox.earlier(entry)) is None:
        return
    first = next(iter(earlier), entry)
    if first is not entry:
        flight.hold(entry.seq, behind=first.seq)
    if not flight.is_under_way(first.seq):
        yield first
