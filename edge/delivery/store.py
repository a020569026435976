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
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from edge.contract.fields import Body
from edge.contract.message import encode
from edge.delivery.entries import Entry, Stamp
from edge.delivery.message_inbox import CAUSES, EXPIRED, MessagePriority, priority_of
from edge.delivery.messages import Message

MAX_SEQ = 1 << 62  # above every seq
EVICT_ROWS = 64  # rows removed at once when the bound is reached
OPEN_EVENTS = 256  # more than a box hears at once; what is older than so many is never going to end
NOTE_S = 10.0  # how much time a note in `operation` may stand for; a week of it is 1 MB
SCHEMA = """
CREATE TABLE event(id TEXT NOT NULL, rev INTEGER NOT NULL, seq INTEGER NOT NULL UNIQUE, body TEXT NOT NULL,
                   written_s REAL NOT NULL, PRIMARY KEY(id, rev));
CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, body TEXT, -- NULL: see event
                    expiry_s INTEGER NOT NULL, written_s REAL NOT NULL);
"""
LATER_TABLES = """
CREATE TABLE IF NOT EXISTS operation(seq INTEGER PRIMARY KEY, operating_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS told(alarm TEXT PRIMARY KEY, rev INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS priority(seq INTEGER PRIMARY KEY, priority INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS given(node TEXT PRIMARY KEY, seq INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS least ON priority(priority, seq);
CREATE TRIGGER IF NOT EXISTS forget AFTER DELETE ON outbox BEGIN DELETE FROM priority WHERE seq = OLD.seq; END;
"""
GREATEST = {"operation": ("seq", "operating_s"), "told": ("alarm", "rev"), "given": ("node", "seq")}  # key, number
RANK = f"""
INSERT INTO priority SELECT seq, CASE WHEN body IS NULL THEN {MessagePriority.EVENT:d} ELSE {MessagePriority.GAP:d} END
    FROM outbox WHERE seq NOT IN (SELECT seq FROM priority)
"""
DELETE = "DELETE FROM outbox WHERE seq = ?"
ENTRY = "SELECT seq, topic, coalesce(outbox.body, event.body), expiry_s, id, rev FROM outbox"
WAITING = f"{ENTRY} LEFT JOIN event USING(seq) WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
EARLIER = f"{ENTRY} JOIN event USING(seq) WHERE id = ? AND rev < ? ORDER BY rev"
OPEN = """
FROM event AS last WHERE (rev = 1 OR instr(body, '"type":"update"'))
    AND rev = (SELECT max(rev) FROM event WHERE id = last.id) ORDER BY seq
"""  # of each event without an end the last that was said
UNFINISHED = f"SELECT body {OPEN}"
ENDED_BY_RESTART = """
SELECT seq FROM outbox JOIN event USING(seq) WHERE rev > 1 AND instr(event.body, '"end_reason":"restart"') ORDER BY seq
"""
COPIED = f"""
SELECT seq, id, rev, event.body, event.written_s, topic, expiry_s, coalesce(priority, {MessagePriority.EVENT:d})
    FROM event LEFT JOIN outbox USING(seq) LEFT JOIN priority USING(seq)
    WHERE outbox.seq IS NOT NULL OR (rev = (SELECT max(rev) FROM event AS said WHERE said.id = event.id) AND NOT (
        rev > 1 AND EXISTS(SELECT 1 FROM event AS onset WHERE onset.id = event.id AND onset.rev = 1)))
    ORDER BY seq DESC LIMIT ?
"""  # of events what waits, and what was said last unless both onset and end were delivered from here
COPIED_OTHERS = """
SELECT seq, NULL, NULL, body, written_s, topic, expiry_s, priority FROM outbox JOIN priority USING(seq)
    WHERE body IS NOT NULL ORDER BY priority DESC, seq DESC LIMIT ?
"""
DELIVERED = f"""
SELECT seq FROM event WHERE seq NOT IN (SELECT seq FROM outbox)
    AND seq NOT IN (SELECT seq {OPEN} DESC LIMIT {OPEN_EVENTS}) ORDER BY seq LIMIT ?
"""  # an event that is open stays: the next process would not know that it must end it
OLDEST_OF = "SELECT seq FROM priority WHERE priority = {:d} ORDER BY seq LIMIT ?"
# What goes first when there is no room: the log of delivered events, then what is worth least, the oldest of it first.
EVICTIONS = (
    ("delivered", DELIVERED),
    *((CAUSES[each], OLDEST_OF.format(each)) for each in sorted(MessagePriority)),
)
EXPIRIES = (
    (EXPIRED, "DELETE FROM outbox WHERE seq <= ?"),
    ("delivered", "DELETE FROM event WHERE seq <= ? AND seq NOT IN (SELECT seq FROM outbox)"),
)


class Store:
    """The tables of one database. Every method raises `sqlite3.Error` when the disk refuses."""

    def __init__(self, connection: sqlite3.Connection, is_exclusive: bool = False) -> None:
        """Use an opened database; see `edge.delivery.database`."""
        self._db = connection
        self.is_exclusive = is_exclusive
        """Whether other programs cannot read the file meanwhile."""

    def rank(self) -> None:
        """Give what an earlier release wrote the priority of its kind; nothing is written where there is none."""
        query = "SELECT 1 FROM outbox WHERE seq NOT IN (SELECT seq FROM priority) LIMIT 1"
        if self._db.execute(query).fetchone() is not None:
            with self._db:
                self._db.execute(RANK)

    def insert(self, stamp: Stamp, messages: Sequence[Message], delivered: Iterable[int] = ()) -> list[Entry]:
        """Write messages with consecutive `seq`, and delete what was delivered: all or none.

        Returns:
            The messages as they wait.
        """
        entries, events, waiting, priorities = [], [], [], []
        for seq, message in enumerate(messages, stamp.first_seq):
            body = {**message.body, "seq": seq, "seq_start": stamp.seq_start, "seq_before": stamp.seq_before}
            entries.append(Entry(seq, message.topic, body, message.expiry_s, message.event))
            text: str | None = encode(body).decode()
            if message.event is not None:
                events.append((*message.event, seq, text, stamp.written_s))
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
        return entries

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
        return [json.loads(body) for (body,) in self._db.execute(UNFINISHED)]

    def ended_by_restart(self) -> list[int]:
        """`seq` of the ends that wait and were made because a process died."""
        return [seq for (seq,) in self._db.execute(ENDED_BY_RESTART)]

    def has_later(self, event: tuple[str, int]) -> bool:
        """Whether the log holds a later `rev` of an event than (id, rev)."""
        return self._db.execute("SELECT 1 FROM event WHERE id = ? AND rev > ?", event).fetchone() is not None

    def told(self) -> dict[str, int]:
        """The last `rev` of each alarm of which a change was ever put here, by the name of the alarm."""
        return dict(self._db.execute("SELECT alarm, rev FROM told").fetchall())

    def delete(self, seqs: Iterable[int]) -> int:
        """Take entries out of the outbox; the event log keeps them.

        Returns:
            How many there were.
        """
        with self._db:
            return self._db.executemany(DELETE, [(seq,) for seq in seqs]).rowcount

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
        """Drop the least important rows until the file's used pages fit (`edge.delivery.message_inbox`).

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
        with other._db:
            for table in ("event", "outbox", "operation", "told"):
                other._db.execute(f"DELETE FROM {table}")

    def copied(self, limit: int) -> list[tuple[Any, ...]]:
        """What a process after this one must know of what only this store holds, events first, for `take_copied`."""
        return [row for query in (COPIED, COPIED_OTHERS) for row in self._db.execute(query, (limit,)).fetchall()]

    def given(self) -> dict[str, int]:
        """The greatest `seq` of each node, by its topic."""
        return dict(self._db.execute("SELECT node, seq FROM given").fetchall())

    def take_copied(self, rows: Iterable[Sequence[Any]], given: Mapping[str, int]) -> None:
        """Hold what `copied` and `given` of an earlier process gave."""
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
            for row in given.items():
                self._note("given", row)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _entries(self, query: str, values: tuple[object, ...]) -> list[Entry]:
        rows = self._db.execute(query, values).fetchall()
        return [
            Entry(seq, topic, json.loads(body), expiry_s, None if ident is None else (ident, rev))
            for seq, topic, body, expiry_s, ident, rev in rows
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
        return int((pages - free) * size)
