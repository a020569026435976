"""A log of alarms as a person reads it, with the history beside it.

Not for a node, which reads its own log (`edge.delivery.alarm_log`) and writes on while this is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from edge.delivery.alarm_history import parse, parts
from edge.delivery.alarm_log import before
from edge.errors import SourceError
from edge.ward.alarm_records import Record
from edge.ward.alarm_rules import beyond

FINISHED_S = 0.5  # a line is written at once: one that has no end for so long was cut by a death
CLOCKS_S = 86_400.0  # how far the clock of the alarms may be from that on the wall


@dataclass(frozen=True)
class LogReading:
    """What a log says to a person, and what of it cannot be read."""

    records: list[Record]
    """Of the log and the file that it replaced before it, oldest first and once."""
    damaged: int
    """Lines of the log that are none, a last one without an end included: any alarm may be another one since."""
    damaged_before: int
    """The same of the file before and the history; the log began with all that must be remembered, so that no alarm
    depends on them."""


def read_all(path: Path, since_s: float = 0.0) -> LogReading:
    """Read a log, the file that it replaced before it, and its history.

    Args:
        path: the log.
        since_s: parts of the history that end before this are left out, seconds since 1970.

    Raises:
        SourceError: it cannot be read, or holds no record.
    """
    content = _content(path)
    records, damaged = _whole(content)
    if not content:
        raise SourceError(f"log of alarms {path}: is empty, so that nothing of any alarm is known; did the node run?")
    if not records:
        raise SourceError(f"{path}: is no log of alarms, or all of it is damaged; expected lines of JSON, see --log")
    old, damaged_before = _whole(_content(before(path)) if before(path).exists() else b"")
    merged = sorted(dict.fromkeys([*old, *records]), key=lambda record: record.at_s)
    for each in parts(path):
        if merged and merged[0].at_s < since_s - CLOCKS_S:
            break
        found, damaged_there = _whole(_content(each))
        merged, damaged_before = [*found, *beyond(merged, found)], damaged_before + damaged_there
    return LogReading(merged, damaged, damaged_before)


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
    records, damaged = parse(content[:end])
    return records, damaged + (end < len(content))
