"""Messages as they wait in the outbox, and the newest of them in memory, so that what is sent next asks no disk. Pure.

It is a copy, never the only place: whatever is not here is read from the outbox (`edge.delivery.outbox`), and `forget`
is always right. It is bounded, so a broker that is away for long costs no memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.priority import nothing_dropped, priority_of_body

MOST = 2048  # messages; more wait only where the broker is away, and are then read from the disk


@dataclass(frozen=True)
class Entry:
    """One message that waits."""

    seq: int
    """Order of decision; never used twice."""
    topic: str
    body: Body
    expiry_s: int
    """How long the broker may keep it, seconds."""
    event: tuple[str, int] | None = None
    """(id, rev) of an event, None for any other message."""

    def copied(self, written_s: float) -> tuple[object, ...]:
        """A row for `edge.delivery.store.Store.take_copied`."""
        ident, rev = self.event or (None, None)
        rank = priority_of_body(self.body, self.event)
        return self.seq, ident, rev, encode(self.body).decode(), written_s, self.topic, self.expiry_s, rank


@dataclass(frozen=True)
class Stamp:
    """What is stored with messages beside their content."""

    first_seq: int
    """`seq` of the first of them."""
    seq_start: int
    """From which `seq` on there is no hole."""
    written_s: float
    """Wall time, seconds since 1970."""
    operating_s: float
    """How long Laennec had run on this box, seconds."""
    seq_before: int | None = None
    """Below `seq_start` the highest that a message of this node is known to have got; None: not known."""
    node: str = ""
    """Topic of the node whose messages they are."""
    first_row: int = 1
    """Number of the first row of what is written with them."""


@dataclass(frozen=True)
class OutboxStatus:
    """How the outbox was after its last work, in messages if not said otherwise; whoever reads it waits for no disk."""

    waiting: int = 0
    """On disk and in memory."""
    oldest_since_s: float | None = None
    """Since when the oldest message has waited, monotonic seconds, at most ten too early; None: none waits."""
    in_memory: int = 0
    """Messages that the disk refused; a power cut would lose them."""
    on_disk: bool = True
    """Whether the disk took the last write; until it takes one, messages are kept in memory."""
    failed_writes: int = 0
    """Transactions that the disk refused."""
    evicted: Mapping[str, int] = field(default_factory=nothing_dropped)
    """Messages that were dropped undelivered, by cause."""
    records_in_memory: int = 0
    """Records of alarms that the disk refused."""

    def oldest_s(self, now_s: float) -> float:
        """For how long the oldest message has waited, seconds of operating time."""
        return 0.0 if self.oldest_since_s is None else round(now_s - self.oldest_since_s, 1)


@dataclass(frozen=True)
class RecordsStatus:
    """How far the disk has come with records of alarms, by their tickets (`edge.delivery.dispatch.Dispatch.record`)."""

    recorded: int = 0
    """Up to here the disk has everything."""
    answered: int = 0
    """Up to here it has taken or refused everything."""


class LiveEntries:
    """The newest entries of an outbox, without a gap: all that waits with a `seq` above `after`.

    The revs of an event are added in their order.
    """

    def __init__(self) -> None:
        self.after = 0
        """Everything above it that waits is here."""
        self._entries: dict[int, Entry] = {}  # by seq, in order
        self._events: dict[str, dict[int, Entry]] = {}  # id -> rev -> entry
        self._whole: set[str] = set()  # events whose first rev was added here, so that all that waits of them is here

    def add(self, entries: Iterable[Entry], last: int) -> None:
        """Entries were put, behind all others; `last` is the `seq` up to which numbers are used."""
        for entry in entries:
            self._entries[entry.seq] = entry
            if entry.event is not None:
                name, rev = entry.event
                self._events.setdefault(name, {})[rev] = entry
                if rev == 1:
                    self._whole.add(name)
        if len(self._entries) > MOST:
            self.forget(last)

    def remove(self, seqs: Iterable[int]) -> None:
        """These do not wait any more."""
        for seq in seqs:
            entry = self._entries.pop(seq, None)
            if entry is None or entry.event is None:
                continue
            name, rev = entry.event
            revs = self._events[name]
            revs.pop(rev, None)
            if not revs:
                del self._events[name]
                if entry.body.get("type") == "end":
                    self._whole.discard(name)

    def forget(self, last: int) -> None:
        """Know nothing of what waits up to `last`: it may have been dropped, or be elsewhere."""
        self.after = last
        self._entries.clear()
        self._events.clear()
        self._whole.clear()

    def all(self) -> list[Entry]:
        """Everything that is here."""
        return list(self._entries.values())

    def waiting(self, after: int, until: int, limit: int) -> list[Entry] | None:
        """The oldest entries with after < seq <= until, at most `limit`; None if that is not known here."""
        if after == until - 1 and (entry := self._entries.get(until)) is not None:
            return [entry]
        if after < self.after:
            return None
        found: list[Entry] = []
        for seq, entry in self._entries.items():
            if seq > until or len(found) == limit:
                break
            if seq > after:
                found.append(entry)
        return found

    def earlier(self, event: tuple[str, int]) -> Sequence[Entry] | None:
        """What waits of an event with a lower `rev`, lowest first; None if that is not known here."""
        name, rev = event
        if name not in self._whole:
            return None
        return [entry for other, entry in sorted(self._events.get(name, {}).items()) if other < rev]
