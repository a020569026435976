"""The log of alarms as a person reads it: from an outbox, or from the file that a release before 1.1 wrote.

Not for a node, which writes on while this is read.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from edge.delivery.alarm_table import LINE, parse, salvaged
from edge.delivery.before_one_file import before, parts
from edge.delivery.database import SQLITE
from edge.delivery.outbox_reading import DamagedError, open_read_only
from edge.errors import SourceError
from edge.ward.alarm_records import Record
from edge.ward.alarm_rules import beyond

FINISHED_S = 0.5  # a line is written at once: one that has no end for so long was cut by a death
CLOCKS_S = 86_400.0  # how far the clock of the alarms may be from that on the wall


@dataclass(frozen=True)
class LogReading:
    """What a log says to a person, and what of it cannot be read."""

    records: list[Record]
    """Of what is known now and of the history, oldest first and once."""
    damaged: int
    """Lines that are none among those that say what each alarm is now: any may be another one."""
    damaged_before: int
    """The same of the history, on which no alarm depends."""


def has_log(path: Path) -> bool:
    """Whether this outbox holds a log of alarms, as far as it can be read.

    Raises:
        ConfigError, SourceError: as `edge.delivery.outbox_reading.open_read_only`.
    """
    with open_read_only(path) as db:
        found = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alarm_state'").fetchone() is not None
        return found and db.execute("SELECT 1 FROM alarm_state LIMIT 1").fetchone() is not None


def read_all(path: Path, since_s: float = 0.0) -> LogReading:
    """Read a log.

    Args:
        path: an outbox, also one that was damaged, or the log of a release before 1.1.
        since_s: history before this is left out, seconds since 1970.

    Raises:
        SourceError: it cannot be read, or holds no record.
    """
    if is_database(path):
        return _of_outbox(path, since_s)
    if not (content := _content(path)):
        raise SourceError(f"log of alarms {path}: is empty, so that nothing of any alarm is known; did the node run?")
    return _of_file(path, content, since_s)


def is_database(path: Path) -> bool:
    """Whether a file is one by its first bytes; false where it cannot be read."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE
    return False


def _of_outbox(path: Path, since_s: float) -> LogReading:
    try:
        with open_read_only(path) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'alarm_state'").fetchone():
                raise SourceError(f"outbox {path}: holds no log of alarms; see the file beside it, with --log")
            known, damaged = parse(line for (line,) in db.execute(f"SELECT {LINE} FROM alarm_state"))
            query = f"SELECT {LINE} FROM alarm WHERE at_s >= ? ORDER BY seq"
            history, damaged_before = parse(line for (line,) in db.execute(query, (since_s - CLOCKS_S,)))
    except DamagedError as error:
        with closing(sqlite3.connect(f"file:{path.resolve()}?mode=ro", uri=True)) as db:
            records = salvaged(db)
        if not records:
            raise error from None
        return LogReading(records, 1, 0)
    return LogReading(_in_order([*history, *known]), damaged, damaged_before)


def _of_file(path: Path, content: bytes, since_s: float) -> LogReading:
    records, damaged = _whole(content)
    if not records:
        raise SourceError(f"{path}: is no log of alarms, or all of it is damaged; expected lines of JSON, see --log")
    old, damaged_before = _whole(_content(before(path)) if before(path).exists() else b"")
    merged = _in_order([*old, *records])
    for each in parts(path):
        if merged and merged[0].at_s < since_s - CLOCKS_S:
            break
        found, damaged_there = _whole(_content(each))
        merged, damaged_before = [*found, *beyond(merged, found)], damaged_before + damaged_there
    return LogReading(merged, damaged, damaged_before)


def _in_order(records: list[Record]) -> list[Record]:
    return sorted(dict.fromkeys(records), key=lambda record: record.at_s)


def _content(path: Path) -> bytes:
    """The file; it is read again while its last line has no end, for a node may be writing that very line."""
    end_s = time.monotonic() + FINISHED_S
    try:
        while (content := path.read_bytes()) and not content.endswith(b"\n") and time.monotonic() < end_s:
            time.sleep(FINISHED_S / 10)
    except OSError as error:
        raise SourceError(f"log of alarms {path}: cannot be read ({error.strerror or error})") from None
    return content


def _whole(content: bytes) -> tuple[list[Record], int]:
    """The records in whole lines, and how many lines are damaged or cut."""
    end = content.rfind(b"\n") + 1
    records, damaged = parse(content[:end].splitlines())
    return records, damaged + (end < len(content))
