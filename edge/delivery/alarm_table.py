"""The log of alarms in the file of the outbox: what each alarm is now, and the history that led there.

Not for what the records mean (`edge.ward.alarms`), nor for opening the file (`edge.delivery.database`). The last change
of each alarm and the last commands of each user lie in tables of their own, so that nothing that is done to the history
can lose what must be remembered. Whoever calls this begins and ends the transaction, the one in which the messages of
the same changes are written: a change is in the log if and only if its message is, or was, in the outbox.

The history has three levels: as it was written; folded (`edge.ward.alarm_rules.folded`), once `RAW_ROWS` newer ones
are there; and, where all have no room, changes of a signal alone. What is too old goes.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edge.delivery.alarm_messages import name_of
from edge.delivery.salvage import readable_rows
from edge.ward.alarm_records import Record, Transition, from_line, to_line
from edge.ward.alarm_rules import folded, signals_alone
from edge.ward.alarms import REMEMBERED

DAY_S = 86_400.0
RAW_ROWS = 8000  # of the newest records, 4 MB, which stay as they were written
FOLD_ROWS = 1000  # that are folded at once, 0.1 s, and as many of those before into which they fold
SHORTENED_AT_ONCE = 10  # such parts, where there is no room
MOST_COMMANDS = 4096  # of all users together
RAW, FOLDED, SIGNALS = 0, 1, 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS alarm(seq INTEGER PRIMARY KEY, at_s REAL NOT NULL, level INTEGER NOT NULL,
                                 line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS alarm_level ON alarm(level, seq);
CREATE TABLE IF NOT EXISTS alarm_state(alarm TEXT PRIMARY KEY, rev INTEGER NOT NULL, line TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alarm_command(user TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
                                         line TEXT NOT NULL, PRIMARY KEY(user, id));
CREATE TABLE IF NOT EXISTS room(of TEXT PRIMARY KEY, bytes INTEGER NOT NULL); -- what is here beside messages
CREATE TRIGGER IF NOT EXISTS alarm_came AFTER INSERT ON alarm BEGIN
    INSERT INTO room VALUES('alarm', 36 + length(NEW.line))
        ON CONFLICT(of) DO UPDATE SET bytes = bytes + excluded.bytes; END;
CREATE TRIGGER IF NOT EXISTS alarm_went AFTER DELETE ON alarm BEGIN
    UPDATE room SET bytes = bytes - 36 - length(OLD.line) WHERE of = 'alarm'; END;
"""
INSERT = "INSERT OR IGNORE INTO alarm VALUES(?,?,?,?)"  # the same number is the same record
INSERT_STATE = """
INSERT INTO alarm_state VALUES(?,?,?)
    ON CONFLICT(alarm) DO UPDATE SET rev = excluded.rev, line = excluded.line WHERE excluded.rev >= rev
"""
INSERT_COMMAND = "INSERT OR REPLACE INTO alarm_command VALUES(?,?,?,?)"
PRUNE_COMMANDS = """
DELETE FROM alarm_command WHERE user = ? AND seq <= (
    SELECT seq FROM alarm_command WHERE user = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)
"""
PRUNE_USERS = """
DELETE FROM alarm_command WHERE seq <= (SELECT seq FROM alarm_command ORDER BY seq DESC LIMIT 1 OFFSET ?)
"""
LINE = "CAST(line AS BLOB)"  # as it is, for what is damaged need not be text
OLDEST = "SELECT seq FROM alarm ORDER BY seq LIMIT ?"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryBound:
    """How much is kept."""

    days: float = 30.0
    max_bytes: int = 64_000_000


DEFAULT_BOUND = HistoryBound()


class AlarmTable:
    """The log in one database. Every method raises `sqlite3.Error` when the disk refuses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    def insert(self, records: Sequence[Record], first_row: int, level: int = RAW) -> None:
        """Write records with consecutive row numbers."""
        for row, record in enumerate(records, first_row):
            line = to_line(record).decode()
            self._db.execute(INSERT, (row, record.at_s, level, line))
            if isinstance(record, Transition):
                self._db.execute(INSERT_STATE, (name_of(record.key), record.state.rev, line))
            else:
                self._db.execute(INSERT_COMMAND, (record.user, record.answer.id, row, line))
                self._db.execute(PRUNE_COMMANDS, (record.user, record.user, REMEMBERED))

    def remembered(self) -> list[Record]:
        """What must be remembered, oldest first: the last change of each alarm, and the last commands."""
        lines = self._db.execute(f"SELECT {LINE} FROM alarm_state UNION ALL SELECT {LINE} FROM alarm_command")
        return sorted(self._parsed(line for (line,) in lines), key=lambda record: record.at_s)

    def lines(self) -> set[bytes]:
        """Every line of the history and of what must be remembered."""
        tables = ("alarm", "alarm_state", "alarm_command")
        return {line for each in tables for (line,) in self._db.execute(f"SELECT {LINE} FROM {each}")}

    def count(self) -> int:
        """Records in the history."""
        return int(self._db.execute("SELECT count(*) FROM alarm").fetchone()[0])

    def last_row(self) -> int:
        """The greatest row number in use, 0 if none, of minutes, too."""
        query = "SELECT max(seq) FROM {}"
        tables = ("alarm", "alarm_command", "minute")
        return max(int(self._db.execute(query.format(each)).fetchone()[0] or 0) for each in tables)

    def shift(self, rows: int) -> None:
        """Raise every row number, in a database of few rows: another one has used these."""
        for table in ("alarm", "alarm_command", "minute"):
            # From the highest down, so that the number that a row gets is free.
            for (row,) in self._db.execute(f"SELECT seq FROM {table} ORDER BY seq DESC").fetchall():
                self._db.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (row + rows, row))

    def bound_rows(self, most: int) -> int:
        """Drop the oldest history beyond so many records; how many there were. What must be remembered stays."""
        query = "DELETE FROM alarm WHERE seq <= (SELECT seq FROM alarm ORDER BY seq DESC LIMIT 1 OFFSET ?)"
        return self._db.execute(query, (most,)).rowcount

    def move_from(self, other: sqlite3.Connection) -> None:
        """Take every row of another database, with its number; of each alarm the later state stays."""
        self._db.executemany(INSERT, other.execute("SELECT * FROM alarm ORDER BY seq").fetchall())
        self._db.executemany(INSERT_STATE, other.execute("SELECT * FROM alarm_state").fetchall())
        self._db.executemany(INSERT_COMMAND, other.execute("SELECT * FROM alarm_command").fetchall())

    def tidy(self, bound: HistoryBound) -> None:
        """Fold what is no more among the newest, and drop what is too old or has no room; a little at a time."""
        self._db.execute(PRUNE_USERS, (MOST_COMMANDS,))
        self._fold()
        newest = self._db.execute("SELECT at_s FROM alarm ORDER BY seq DESC LIMIT 1").fetchone()
        if newest is None:
            return
        oldest_s = newest[0] - bound.days * DAY_S
        self._db.execute(f"DELETE FROM alarm WHERE at_s < ? AND seq IN ({OLDEST})", (oldest_s, FOLD_ROWS))
        for _ in range(SHORTENED_AT_ONCE):
            if self._bytes() > bound.max_bytes:
                self._shorten()

    def _fold(self) -> None:
        number = self._db.execute("SELECT count(*) FROM alarm WHERE level = ?", (RAW,)).fetchone()[0]
        if number < RAW_ROWS + FOLD_ROWS:
            return
        query = f"SELECT seq, {LINE} FROM alarm WHERE level = ? ORDER BY seq {{}} LIMIT ?"
        before = self._db.execute(query.format("DESC"), (FOLDED, FOLD_ROWS)).fetchall()[::-1]
        fresh = self._db.execute(query.format(""), (RAW, FOLD_ROWS)).fetchall()
        self._replace([*before, *fresh], folded, FOLDED)

    def _shorten(self) -> None:
        """Let the oldest part lose what changed no signal; where none is left that could, let it go."""
        query = f"SELECT seq, {LINE} FROM alarm WHERE level = ? ORDER BY seq LIMIT ?"
        if rows := self._db.execute(query, (FOLDED, FOLD_ROWS)).fetchall():
            self._replace(rows, signals_alone, SIGNALS)
        else:
            self._db.execute(f"DELETE FROM alarm WHERE seq IN ({OLDEST})", (FOLD_ROWS,))

    def _replace(
        self, rows: Sequence[tuple[int, bytes]], shorter: Callable[[Iterable[Record]], list[Record]], level: int
    ) -> None:
        """Write a part of the history anew, under the last of its row numbers."""
        seqs = [seq for seq, _ in rows]
        left = shorter(self._parsed(line for _, line in rows))
        self._db.executemany("DELETE FROM alarm WHERE seq = ?", [(seq,) for seq in seqs])
        for seq, record in zip(seqs[len(seqs) - len(left) :], left, strict=True):
            self._db.execute(INSERT, (seq, record.at_s, level, to_line(record).decode()))

    def _bytes(self) -> int:
        return int(self._db.execute("SELECT total(bytes) FROM room WHERE of = 'alarm'").fetchone()[0])

    @staticmethod
    def _parsed(lines: Iterable[bytes]) -> list[Record]:
        records, damaged = parse(lines)
        if damaged:
            logger.error("alarms log=damaged lines=%d; they are skipped", damaged)
        return records


def parse(lines: Iterable[bytes]) -> tuple[list[Record], int]:
    """The records of lines, and how many lines are none."""
    found = [from_line(line) for line in lines]
    records = [record for record in found if record is not None]
    return records, len(found) - len(records)


def salvaged(db: sqlite3.Connection) -> list[Record]:
    """What can be read of the log in a damaged database, oldest first and each once."""
    db.execute("PRAGMA writable_schema=ON")  # a damaged table hides no other
    tables = ("alarm", "alarm_state", "alarm_command")
    lines = dict.fromkeys(line for each in tables for (line,) in readable_rows(db, each, LINE))
    return sorted(parse(lines)[0], key=lambda record: record.at_s)
