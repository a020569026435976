"""The tables of decided messages in one SQLite database, and what is dropped first.

Not for opening the file (`edge.delivery.database`), nor for policy: `edge.delivery.outbox` decides what happens when
this one raises.

Ages are counted in operating time, the seconds that Laennec has run on this box, never by a wall clock, which may
step by a year. `operation` notes now and then how long that was, and up to which `seq` it had come: a message is as
old as the last note before it, to within `NOTE_S`. `priority` holds what each waiting message is worth, and `told` the
last `rev` of each alarm that was ever put here, `given` the last `seq` of each node. These are tables of their own, so
that the release before this one, which a failed deployment goes back to, can still use the file; what that one wrote
has the priority of its kind.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery import salvage
from edge.delivery.alarm_messages import name_of
from edge.delivery.alarm_table import AlarmTable, salvaged
from edge.delivery.entries import Entry, Stamp
from edge.delivery.message_inbox import NO_ROWS, Rows
from edge.delivery.messages import Message
from edge.delivery.minutes import MinuteTable
from edge.delivery.priority import priority_of
from edge.delivery.store_tables import (
    COPIED,
    COPIED_OTHERS,
    DELETE,
    EARLIER,
    ENDED_BY_RESTART,
    EVICT_ROWS,
    EVICTIONS,
    EXPIRIES,
    GREATEST,
    MOVED,
    NOTE_S,
    RANK,
    UNFINISHED,
    WAITING,
)
from edge.ward.alarm_records import Transition


class Store:
    """The tables of one database. Every method raises `sqlite3.Error` when the disk refuses."""

    def __init__(self, connection: sqlite3.Connection, is_exclusive: bool = False) -> None:
        self._db = connection
        self.alarms, self.minutes = AlarmTable(connection), MinuteTable(connection)
        self.is_exclusive = is_exclusive
        """Whether other programs cannot read the file meanwhile."""
        self.is_replacement = False
        """Whether there was another file, which was damaged or is gone, so that nobody knows which numbers are used."""

    def rank(self) -> None:
        """Give what an earlier release wrote the priority of its kind; nothing is written where there is none."""
        query = "SELECT 1 FROM outbox WHERE seq NOT IN (SELECT seq FROM priority) LIMIT 1"
        if self._db.execute(query).fetchone() is not None:
            with self._db:
                self._db.execute(RANK)

    def insert(
        self, stamp: Stamp, messages: Sequence[Message], delivered: Iterable[int] = (), rows: Rows = NO_ROWS
    ) -> list[Entry]:
        """Write messages with consecutive `seq` and what belongs to them, and delete what was delivered: all or none.

        Returns:
            The messages as they wait.
        """
        entries, events, waiting, priorities = [], [], [], []
        for seq, message in enumerate(messages, stamp.first_seq):
            body = message.with_fields(seq=seq, seq_start=stamp.seq_start, seq_before=stamp.seq_before).body
            entries.append(Entry(seq, message.topic, body, message.expiry_s, message.event))
            text: str | None = encode(body).decode()
            if message.event is not None:
                events.append((*message.event, seq, text, stamp.written_s))
                # `event` keeps the text after the delivery, for the end after a restart: here it would lie twice.
                text = None
            waiting.append((seq, message.topic, text, message.expiry_s, stamp.written_s))
            priorities.append((seq, priority_of(message)))
        with self._db:
            if stamp.operating_s - self.operating_s() >= NOTE_S:
                self._note("operation", (stamp.first_seq - 1, stamp.operating_s))
            self._db.executemany(DELETE, [(seq,) for seq in delivered])
            self._db.executemany("INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", events)
            self._db.executemany("INSERT INTO outbox VALUES(?,?,?,?,?)", waiting)
            self._db.executemany("INSERT OR REPLACE INTO priority VALUES(?,?)", priorities)
            for message in messages:
                if message.transition is not None:
                    self._note("told", message.transition)
            if entries:
                self._note("given", (stamp.node, entries[-1].seq))
            self._insert_rows(rows, stamp.first_row)
        return entries

    def _insert_rows(self, rows: Rows, first_row: int) -> None:
        self.alarms.insert(rows.records, first_row)
        for record in rows.records:  # also of what has no message: a release that is rolled back to goes on above it
            if isinstance(record, Transition):
                self._note("told", (name_of(record.key), record.state.rev))
        self.minutes.insert(rows.minutes, first_row + len(rows.records))
        if rows.streams:
            self.minutes.forget_others(rows.streams)
        self._db.executemany("INSERT OR REPLACE INTO read_in VALUES(?,?)", list(rows.files.items()))

    def read_in(self) -> dict[str, str]:
        """The files of an earlier release that were read in, and how each was then."""
        return dict(self._db.execute("SELECT file, was FROM read_in").fetchall())

    def change(self, work: Callable[[], object]) -> None:
        """Do some work on the tables of alarms and minutes in one transaction."""
        with self._db:
            work()

    def waiting(self, after: int, until: int, limit: int) -> list[Entry]:
        """The oldest entries with after < seq <= until, at most `limit`."""
        return self._entries(WAITING, (after, until, limit))

    def earlier(self, event: tuple[str, int]) -> list[Entry]:
        """What waits of the same event with a lower `rev`, lowest first."""
        return self._entries(EARLIER, event)

    def gone(self, seqs: Sequence[int]) -> list[int]:
        """Which of these do not wait here."""
        query = "SELECT value FROM json_each(?) WHERE NOT EXISTS(SELECT 1 FROM outbox WHERE seq = value)"
        return [seq for (seq,) in self._db.execute(query, (json.dumps(list(seqs)),))]

    def unfinished(self) -> list[Body]:
        """Of each event without an end the last that was said, oldest first; also delivered ones."""
        return [salvage.body_of(text, seq) for seq, text in self._db.execute(UNFINISHED)]

    def ended_by_restart(self) -> list[int]:
        """`seq` of the ends that wait and were made because a process died."""
        return [seq for (seq,) in self._db.execute(ENDED_BY_RESTART)]

    def has_later(self, event: tuple[str, int]) -> bool:
        """Whether the log holds a later `rev` of an event than (id, rev)."""
        return self._db.execute("SELECT 1 FROM event WHERE id = ? AND rev > ?", event).fetchone() is not None

    def alarm_revs(self) -> dict[str, int]:
        """The last `rev` of each alarm of which a change was ever put here, by the name of the alarm."""
        return dict(self._db.execute("SELECT alarm, rev FROM told").fetchall())

    def delete(self, seqs: Iterable[int]) -> int:
        """Take entries out of the outbox, the event log keeps them; how many there were.

        Not synced: that costs no fsync, and after a power cut, not after a death, they go again.
        """
        self._db.execute("PRAGMA synchronous=NORMAL")
        try:
            with self._db:
                return self._db.executemany(DELETE, [(seq,) for seq in seqs]).rowcount
        finally:
            self._db.execute("PRAGMA synchronous=FULL")

    def holds_anything(self) -> bool:
        """Whether a message waits, or there is anything of alarms or minutes."""
        tables = ("outbox", "alarm_state", "alarm_command", "minute")
        return any(self._db.execute(f"SELECT 1 FROM {each} LIMIT 1").fetchone() is not None for each in tables)

    def bound_records(self, most: int) -> int:
        """Drop the oldest records of alarms beyond so many, minutes beyond a day; how many records."""
        with self._db:
            return self.alarms.bound_rows(most)

    def depth(self, but: Collection[int] = ()) -> int:
        """How many entries wait, `but` those not counted."""
        count = int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])
        if not but:
            return count
        query = "SELECT count(*) FROM outbox WHERE seq IN (SELECT value FROM json_each(?))"
        return count - int(self._db.execute(query, (json.dumps(list(but)),)).fetchone()[0])

    def oldest(self, limit: int) -> list[int]:
        """`seq` of the oldest entries."""
        return [seq for (seq,) in self._db.execute("SELECT seq FROM outbox ORDER BY seq LIMIT ?", (limit,))]

    def highest_seq(self) -> int:
        """The greatest `seq` ever written, 0 if none."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'").fetchone()
        return int(row[0]) if row else 0

    def assigned_seq(self, node: str) -> int | None:
        """The greatest `seq` that a message of the node with this topic got, 0 if none; None: not known.

        Another site or prefix in the settings makes another node, whose numbers go on behind those of the one before.
        """
        row = self._db.execute("SELECT seq FROM given WHERE node = ?", (node,)).fetchone()
        if row is not None:
            return int(row[0])
        return None if self.highest_seq() else 0

    def begin_after(self, seq: int) -> None:
        """Let the `seq` of an empty database begin above this one."""
        with self._db:
            self._db.execute("INSERT INTO sqlite_sequence VALUES('outbox', ?)", (seq,))

    def salvage(self, damaged: Path, operating_s: float) -> salvage.Salvaged:
        """Let an empty database begin with what can be read of a damaged one.

        Args:
            damaged: the file.
            operating_s: how long the box has run at least, seconds; what waits counts as written then.
        """
        with closing(salvage.open_damaged(str(damaged), self.is_exclusive)) as old, self._db:
            salvage.copy_messages(old, self._db)
            salvage.copy_minutes(old, self._db)
            self._db.execute(RANK)
            for row in salvage.alarm_revs(old):
                self._note("told", row)
            self.alarms.insert(salvaged(old), self.alarms.last_row() + 1)
            oldest = int(self._db.execute("SELECT coalesce(min(seq), 1) FROM outbox").fetchone()[0])
            self._note("operation", (oldest - 1, max(operating_s, salvage.operating_s(old))))
        return salvage.count(self._db)

    def operating_s(self, seq: int | None = None) -> float:
        """How long the box had been running when `seq` was written, or at the last note, seconds."""
        where, key = ("", ()) if seq is None else (" WHERE seq < ?", (seq,))
        row = self._db.execute(f"SELECT operating_s FROM operation{where} ORDER BY seq DESC LIMIT 1", key).fetchone()
        return float(row[0]) if row else 0.0

    def record_operating_time(self, seq: int, operating_s: float) -> None:
        """Write how long Laennec has run on this box, seconds, and up to which `seq` it has come."""
        with self._db:
            self._note("operation", (seq, operating_s))

    def add_operating_time(self, seconds: float) -> None:
        """Laennec had run so many seconds longer than was known when the rows were written."""
        with self._db:
            self._db.execute("UPDATE operation SET operating_s = operating_s + ?", (seconds,))

    def drop(self, seqs: Iterable[int]) -> None:
        """Take entries away as if they had never been put: out of the outbox and out of the event log."""
        rows = [(seq,) for seq in seqs]
        with self._db:
            for table in ("outbox", "event", "priority"):
                self._db.executemany(f"DELETE FROM {table} WHERE seq = ?", rows)

    def shrink(self, bound_bytes: float) -> dict[str, int]:
        """Drop the least important rows until the file's used pages fit (`edge.delivery.priority`).

        Returns:
            Number of rows dropped, by cause.
        """
        dropped: dict[str, int] = {}
        if self._used_bytes() <= bound_bytes:
            return dropped
        for cause, query in EVICTIONS:
            while self._used_bytes() > bound_bytes:
                oldest = self._db.execute(query, (EVICT_ROWS,)).fetchall()
                if not oldest:
                    break
                self.drop(seq for (seq,) in oldest)
                dropped[cause] = dropped.get(cause, 0) + len(oldest)
        return dropped

    def expire(self, before_s: float) -> dict[str, int]:
        """Drop what was written before an operating time.

        Args:
            before_s: seconds of operating time.

        Returns:
            Number of rows dropped, by cause.
        """
        if before_s <= NOTE_S:
            return {}
        # Up to the first note that is late enough: what lies before it was written within NOTE_S of an earlier note.
        query = "SELECT min(seq) FROM operation WHERE operating_s >= ?"
        until = self._db.execute(query, (before_s - NOTE_S,)).fetchone()[0]
        until = self.highest_seq() if until is None else until
        with self._db:
            self._db.execute("DELETE FROM operation WHERE seq < min(?, (SELECT max(seq) FROM operation))", (until,))
            return {cause: self._db.execute(query, (until,)).rowcount for cause, query in EXPIRIES}

    def take_over(self, other: Store) -> None:
        """Move every row of `other` here, keeping each `seq`; what is here with the same `seq` is the same message."""
        with self._db:
            events = other._db.execute("SELECT * FROM event").fetchall()
            self._db.executemany("INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", events)
            waiting = other._db.execute("SELECT * FROM outbox").fetchall()
            self._db.executemany("INSERT OR REPLACE INTO outbox VALUES(?,?,?,?,?)", waiting)
            ranks = other._db.execute("SELECT * FROM priority").fetchall()
            self._db.executemany("INSERT OR REPLACE INTO priority VALUES(?,?)", ranks)
            # A write that failed late may have reached the disk; with another seq its event is now that one.
            self._db.execute("DELETE FROM outbox WHERE body IS NULL AND seq NOT IN (SELECT seq FROM event)")
            for table in GREATEST:
                for row in other._db.execute(f"SELECT * FROM {table}").fetchall():
                    self._note(table, row)
            self.alarms.move_from(other._db)
            self.minutes.move_from(other._db)
            self._db.executemany("INSERT OR REPLACE INTO read_in VALUES(?,?)", list(other.read_in().items()))
        with other._db:
            for table in MOVED:
                other._db.execute(f"DELETE FROM {table}")

    def copied(self, limit: int) -> list[tuple[Any, ...]]:
        """What a process after this one must know of what only this store holds, events first, for `take_copied`."""
        return [row for query in (COPIED, COPIED_OTHERS) for row in self._db.execute(query, (limit,)).fetchall()]

    def last_seqs(self) -> dict[str, int]:
        """The greatest `seq` of each node, by its topic."""
        return dict(self._db.execute("SELECT node, seq FROM given").fetchall())

    def take_copied(self, rows: Iterable[Sequence[Any]], last_seqs: Mapping[str, int]) -> None:
        """Hold what `copied` and `last_seqs` of an earlier process gave, or `Entry.copied`."""
        with self._db:
            for seq, ident, rev, body, written_s, topic, expiry_s, priority in rows:
                if ident is not None:
                    self._db.execute(
                        "INSERT OR REPLACE INTO event VALUES(?,?,?,?,?)", (ident, rev, seq, body, written_s)
                    )
                if topic is not None:
                    waiting = (seq, topic, body if ident is None else None, expiry_s, written_s)
                    self._db.execute("INSERT OR REPLACE INTO outbox VALUES(?,?,?,?,?)", waiting)
                    self._db.execute("INSERT OR REPLACE INTO priority VALUES(?,?)", (seq, priority))
            for row in last_seqs.items():
                self._note("given", row)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _entries(self, query: str, values: tuple[object, ...]) -> list[Entry]:
        rows = self._db.execute(query, values).fetchall()
        return [
            Entry(seq, topic, salvage.body_of(text, seq), expiry_s, None if ident is None else (ident, rev))
            for seq, topic, text, expiry_s, ident, rev in rows
        ]

    def _note(self, table: str, row: tuple[object, ...]) -> None:
        """Write a row of `GREATEST`; of two with one key the greater number stays."""
        key, number = GREATEST[table]
        later = f"ON CONFLICT({key}) DO UPDATE SET {number} = max({number}, excluded.{number})"
        self._db.execute(f"INSERT INTO {table} VALUES(?,?) {later}", row)

    def _used_bytes(self) -> int:
        pages, free, size = (
            self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        others = int(self._db.execute("SELECT total(bytes) FROM room").fetchone()[0])
        return int((pages - free) * size) - others
