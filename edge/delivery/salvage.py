"""What can be read of a damaged outbox, row by row, so that the file that replaces it begins with that.

A page that is damaged hides what is behind it, so each table is read from its begin and, where that ends in damage,
from its end back to it. A message counts only if its text is the JSON object that was written under its `seq`. Not for
finding damage or for moving files (`edge.delivery.database`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any

from edge.contract.fields import Body

MAX_ROWID = (1 << 63) - 1


@dataclass(frozen=True)
class Salvaged:
    """How much of a damaged outbox its replacement has."""

    waiting: int = 0
    """Messages that the broker does not have yet."""
    events: int = 0
    """Changes of sounds, also delivered ones."""
    alarms: int = 0
    """Records of what alarms did."""
    minutes: int = 0


def body_of(text: str, seq: int) -> Body:
    """The body of a message from the text on the disk.

    Raises:
        sqlite3.DatabaseError: it is not what was written; SQLite does not check that itself.
    """
    try:
        body: Body = json.loads(text)
        if isinstance(body, dict) and body.get("seq") == seq:
            return body
    except (TypeError, ValueError):
        pass
    raise sqlite3.DatabaseError(f"malformed: the text of message {seq} is not what was written")


def open_damaged(path: str, is_exclusive: bool) -> sqlite3.Connection:
    """Open a file of which some pages are damaged; a damaged table hides no other."""
    db = sqlite3.connect(path)
    db.text_factory = _text
    if is_exclusive:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
    db.execute("PRAGMA writable_schema=ON")
    return db


def _text(content: bytes) -> str | bytes:
    """Text, or what is none as it is: an exception here would hide the row before it, too (Python 3.10)."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content


def copy_messages(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """Events and what waits, each with its `seq` and priority, into a database that has none; the caller commits."""
    events = (row for row in _typed(old, "event", str, int, int, str, float) if _is_whole(row[3], row[2]))
    new.executemany("INSERT OR IGNORE INTO event VALUES(?,?,?,?,?)", events)
    waiting = _typed(old, "outbox", int, str, (str, NoneType), int, float)
    whole = (row for row in waiting if row[2] is None or _is_whole(row[2], row[0]))
    new.executemany("INSERT OR IGNORE INTO outbox VALUES(?,?,?,?,?)", whole)
    # The text of an event's message is in `event` alone: without that row there is nothing to send.
    new.execute("DELETE FROM outbox WHERE body IS NULL AND seq NOT IN (SELECT seq FROM event)")
    new.executemany("INSERT OR REPLACE INTO priority VALUES(?,?)", _typed(old, "priority", int, int))
    new.execute("DELETE FROM priority WHERE seq NOT IN (SELECT seq FROM outbox)")


def copy_minutes(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    """The same of the minutes of the burden."""
    minutes = _typed(old, "minute", int, str, str, *[float] * 4)
    new.executemany("INSERT OR IGNORE INTO minute VALUES(?,?,?,?,?,?,?)", minutes)


def count(db: sqlite3.Connection) -> Salvaged:
    """How much there is now."""
    counts = (db.execute(f"SELECT count(*) FROM {each}") for each in ("outbox", "event", "alarm", "minute"))
    return Salvaged(*(int(found.fetchone()[0]) for found in counts))


def alarm_revs(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Names of alarms, each with the last `rev` that was ever put there."""
    return _typed(db, "told", str, int)


def operating_s(db: sqlite3.Connection) -> float:
    """How long the box had been running at the last note that can be read, seconds."""
    return max((row[1] for row in _typed(db, "operation", int, float)), default=0.0)


def _is_whole(text: str, seq: int) -> bool:
    try:
        return bool(body_of(text, seq))
    except sqlite3.DatabaseError:
        return False


def readable_rows(db: sqlite3.Connection, table: str, columns: str = "*") -> Iterator[tuple[Any, ...]]:
    """The rows of a table from its begin to a damage, then from its end back to one; perhaps twice.

    One query each: sqlite3 of Python 3.10 steps once more before it gives a row, so that what is damaged would take
    the row before it along.
    """
    for sign, after, order in ((1, ">", ""), (-1, "<", " DESC")):
        query = f"SELECT rowid, {columns} FROM {table} WHERE rowid {after} ? ORDER BY rowid{order} LIMIT 1"
        rowid = -sign * MAX_ROWID
        try:
            while (row := db.execute(query, (rowid,)).fetchone()) is not None and sign * row[0] > sign * rowid:
                rowid = row[0]  # it grows, though a damaged page may say any number
                yield row[1:]
        except sqlite3.Error:  # the page behind the last row is damaged, or there is no such table
            continue
        if row is None:
            return


def _typed(db: sqlite3.Connection, table: str, *types: type | tuple[type, ...]) -> Iterator[tuple[Any, ...]]:
    """Those rows whose columns are of these types."""
    return (row for row in readable_rows(db, table) if len(row) == len(types) and all(map(isinstance, row, types)))
