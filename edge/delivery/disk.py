"""The outbox's file on a disk that may refuse at any time: a refusal is logged and counted, and nothing is raised.

Not for what happens then (`edge.delivery.outbox`), nor for opening (`edge.delivery.database`). A disk that is full,
read-only or failing is no error here, at the start or later; opening may be tried again until it works. What is read of
it and of what memory holds meanwhile is read as one (`waiting`, `earlier`, `unfinished`); the same may be in both.

A file that turns out to be damaged is replaced by one with what can be read of it (`Replacement`). Whoever calls any of
this holds the mutex of the outbox.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from edge.contract.fields import Body
from edge.delivery.database import needs_exclusive_lock, open_or_replace, refuse_other_files, replace_damaged
from edge.delivery.entries import Entry, LiveEntries, Stamp
from edge.delivery.lock_file import LockFile
from edge.delivery.store import Store
from edge.delivery.store_tables import MAX_SEQ
from edge.errors import LaennecError
from edge.log import RateLimitedLog

STALLED_S = 1.0  # a write that is not back by then has stalled: alarms go out from memory
NO_TEXT = "Could not decode to UTF-8"  # the one sign of damage that comes as an OperationalError, with the whole text
REASON_CHARS = 120
REPLACE_S = 600.0  # at least, between two replacements: a disk that damages files must not fill itself with them
PAGE = 100  # entries read at once where many of them may be hidden
T = TypeVar("T")

logger = logging.getLogger(__name__)


class Disk:
    """One file, locked by this process."""

    def __init__(self, path: Path) -> None:
        self.lock_file: LockFile | None = None
        """Holds up to which `seq` may have been used; None where not even that file could be made."""
        self.failed_writes = 0
        self.accepts_writes = False
        """Whether the last write reached the disk."""
        self.recoveries = 0
        """How often something could be read again, or for the first time, that could not be read before."""
        self._path = path
        self._store: Store | None = None
        self.damage: str | None = None
        """What is wrong with the open file, which is not used any more until `replace`; None: nothing."""
        self.known_depth = 0
        """How many entries waited when that could be read last."""
        self._acknowledged_since: set[int] = set()
        self.acknowledged: set[int] = set()
        """What the broker has and the disk not yet deleted; hidden here."""
        self._was_unreadable = self._is_noted = False
        self._limited_log = RateLimitedLog(logger)

    @property
    def is_replacement(self) -> bool:
        """Whether the file before was damaged or gone, so that nobody knows which numbers were used."""
        return self._store is not None and self._store.is_replacement

    @property
    def is_open(self) -> bool:
        """Whether the file could be opened."""
        return self._store is not None

    def open(self) -> bool:
        """Lock and open the file; false, with a log line, if the disk refuses.

        Raises:
            ConfigError: the path cannot be written, or is a file of something else.
            SourceError: another process holds it, or a newer Laennec wrote it.
        """
        try:
            refuse_other_files(self._path)
            self.lock_file = self.lock_file or LockFile(self._path)
            self._store = open_or_replace(self._path, self.lock_file.reserved(), self.lock_file.was_written)
        except sqlite3.Error as error:
            self._log_refusal("open", error)
        return self.is_open

    def open_late(self) -> bool:
        """The same in mid-run, where a mistake of the operator must not stop the node: it is logged as a refusal is."""
        try:
            if not self.open():
                return False
        except LaennecError as error:
            self._log_refusal("open", error)
            return False
        self._limited_log.clear("disk")
        self.recoveries += 1
        logger.info("outbox disk=working path=%s; opened now", self._path)
        return True

    def replace(self, last_seq: int, operating_s: float) -> bool:
        """Replace a damaged file by one that has what can be read of it, and goes on behind `last_seq`.

        Args:
            last_seq: the highest `seq` in use.
            operating_s: how long Laennec has run on this box, seconds.

        Returns:
            False, with a log line, if the disk refuses; then `open_late` tries again.
        """
        if self._store is not None and self.damage is not None:
            self._store.close()
            self._store, reason, self.damage = None, self.damage, None
            try:
                self._store = replace_damaged(self._path, reason, last_seq, operating_s)
            except (sqlite3.Error, LaennecError) as error:
                self._log_refusal("replace", error)
        return self.is_open

    def let_others_read(self) -> None:
        """Close a file that others cannot read, if it need not be so any more; the next `open_late` opens it again."""
        is_alone = self._store is not None and self._store.is_exclusive and self.damage is None
        if self._store is not None and is_alone and not needs_exclusive_lock(self._path):
            self._store.close()
            self._store = None

    def write(self, work: Callable[[Store], object]) -> bool:
        """Write with `work`; false, counted and logged, if the disk refuses."""
        self.accepts_writes = self.do("write", work)
        if self.accepts_writes:
            self._record_written()
            self._limited_log.clear("disk")
        else:
            self.failed_writes += 1
        return self.accepts_writes

    def _record_written(self) -> None:
        if self.lock_file is not None and not self._is_noted:
            self.lock_file.record_written()
            self._is_noted = True

    def do(self, action: str, work: Callable[[Store], object]) -> bool:
        """Do anything else with the file; false, with a log line, if the disk refuses or the file is damaged."""
        if self._store is None or self.damage is not None:
            return False
        try:
            work(self._store)
        except sqlite3.Error as error:
            if type(error) is sqlite3.DatabaseError or NO_TEXT in str(error):  # its subclasses: refusals and mistakes
                self.damage = str(error)[:REASON_CHARS]
            self._log_refusal(action, error)
            return False
        return True

    def read(self, query: Callable[[Store], T], otherwise: T) -> T:
        """The answer of the file, or `otherwise` if the disk refuses."""
        found = [otherwise]
        if self.do("read", lambda store: found.append(query(store))):
            # The first answer after a refusal: what was held back because this could not be read may go now.
            self.recoveries += self._was_unreadable
        self._was_unreadable = self.is_open and len(found) == 1
        return found[-1]

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until; `limit`, or more, where there are so many."""
        found: list[Entry] = []
        size = max(limit, PAGE) if self.acknowledged else limit
        while len(found) < limit and (page := self._page(after, until, size)):
            after = page[-1].seq
            found += [entry for entry in page if entry.seq not in self.acknowledged]
        return found

    def earlier(self, event: tuple[str, int]) -> list[Entry] | None:
        """What waits of the same event with a lower `rev`, lowest first; None if that cannot be read now."""
        found: list[Entry] | None = self.read(lambda store: store.earlier(event), None)
        if found is None:
            return None if self.is_open else []
        return [entry for entry in found if entry.seq not in self.acknowledged]

    def depth(self) -> int:
        """How many entries wait."""
        found: int | None = self.read(lambda store: store.depth(self.acknowledged), None)
        if found is not None:
            self.known_depth = found
            self._acknowledged_since.clear()
        return found or 0

    def lost(self, held: set[int]) -> int:
        """Of what waited when that could be read last, how much is not in the file now, nor among what is `held`."""
        left = held.union(self.read(lambda store: store.oldest(MAX_SEQ), list[int]()))
        return max(0, self.known_depth - len(left - (self.acknowledged - self._acknowledged_since)))

    def oldest_s(self) -> float | None:
        """How long Laennec had run when the oldest entry was written, seconds; None: there is none, or none is read."""
        # One more than are hidden, so one of them is not, if any is.
        seqs = self.read(lambda store: store.oldest(len(self.acknowledged) + 1), list[int]())
        oldest = next((seq for seq in seqs if seq not in self.acknowledged), None)
        return None if oldest is None else self.read(lambda store: store.operating_s(oldest), None)

    def ack(self, seqs: Iterable[int]) -> None:
        """Hide messages that the broker has, until they are deleted: with the next write, or within a second."""
        if self.is_open:
            self.acknowledged.update(seqs)
            self._acknowledged_since.update(seqs)

    def delete_acknowledged(self) -> None:
        """Delete what the broker has; a disk that refuses is asked again the next time."""
        if self.acknowledged and self.do("delete", lambda store: store.delete(self.acknowledged)):
            self.acknowledged.clear()

    def close(self) -> None:
        """Release the file and its lock."""
        for part in (self._store, self.lock_file):
            if part is not None:
                part.close()

    def _page(self, after: int, until: int, limit: int) -> list[Entry]:
        return self.read(lambda store: store.waiting(after, until, limit), list[Entry]())

    def _log_refusal(self, action: str, error: Exception) -> None:
        reason = str(error)[:REASON_CHARS]
        line = f'outbox disk=refuses action={action} reason="{reason}" path={self._path}; events are kept in memory'
        self._limited_log.log("disk", line, logging.ERROR)


class Replacement:
    """What happens to a file that turns out to be damaged while the node runs.

    What is known here of its messages goes on in memory; what memory holds is written into the new file as after every
    refusal (`edge.delivery.outbox`).
    """

    def __init__(self, disk: Disk, memory: Store, live: LiveEntries) -> None:
        self._disk, self._memory, self._live = disk, memory, live
        self._replaced_s, self._held = -math.inf, set[int]()
        self.lost = 0
        """Messages that waited in the file that was replaced last, and are nowhere any more."""

    def hold(self, last_seq: int, written_s: float) -> None:
        """Let memory have what is known of the messages in a damaged file.

        Args:
            last_seq: the highest number in use.
            written_s: wall time, seconds since 1970.
        """
        if self._disk.damage is not None:
            entries = self._live.all()
            self._held |= {entry.seq for entry in entries}
            self._memory.take_copied([entry.copied(written_s) for entry in entries], {})
            self._live.forget(last_seq)

    def replace(self, stamp: Stamp, now_s: float) -> bool:
        """Replace the file if it is damaged; whether that was done, and what is in memory belongs into the new one.

        Args:
            stamp: of what is written next.
            now_s: monotonic, seconds.
        """
        if self._disk.damage is None or now_s < self._replaced_s + REPLACE_S:
            return False
        last_seq = stamp.first_seq - 1
        self.hold(last_seq, stamp.written_s)
        if not self._disk.replace(last_seq, stamp.operating_s):
            return False
        self._replaced_s, self.lost = now_s, self._disk.lost(self._held)
        self._held.clear()
        return True


def waiting(disk: Disk, memory: Store, after: int, until: int, limit: int) -> list[Entry]:
    """The oldest entries with after < seq <= until, at most `limit`."""
    return _by_seq(disk.waiting(after, until, limit) + memory.waiting(after, until, limit))[:limit]


def earlier(disk: Disk, memory: Store, event: tuple[str, int]) -> list[Entry] | None:
    """What waits of the same event with a lower `rev`, lowest first; None if that cannot be known now."""
    on_disk = disk.earlier(event)
    return None if on_disk is None else _by_seq(on_disk + memory.earlier(event))


def unfinished(disk: Disk, memory: Store, boot_id: str) -> list[Body] | None:
    """Of each event of other processes than `boot_id` without an end the last that was published, oldest first.

    Returns:
        None if that cannot be known now.
    """
    found: list[Body] | None = disk.read(Store.unfinished, None)
    if found is None:
        return None

    def has_later(ident: str, rev: int) -> bool:
        return memory.has_later((ident, rev)) or disk.read(lambda store: store.has_later((ident, rev)), False)

    both = [*found, *memory.unfinished()]
    of_others = {body["id"]: body for body in both if body.get("boot_id", boot_id) != boot_id}
    return [body for body in of_others.values() if not has_later(body["id"], body.get("rev", 1))]


def _by_seq(entries: Sequence[Entry]) -> list[Entry]:
    return sorted({entry.seq: entry for entry in entries}.values(), key=lambda entry: entry.seq)
