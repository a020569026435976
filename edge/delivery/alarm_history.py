"""The history of alarms on disk: what the log has replaced, folded, for a time and within a bound.

Not for what must be remembered (`edge.delivery.alarm_log`: no alarm depends on what is here), nor for what is folded
(`edge.ward.alarm_rules`). Beside `<name>` and the file that it replaced last, `<name>.1`, lie `<name>.2`, the newest
part of the history, `<name>.3` and so on. Before the log replaces `<name>.1`, that is folded into the newest part,
which is written anew beside the old one; where it is too long for that, it begins a part of its own. A part goes when
the last that it says is too old. Where all have no room, the oldest loses first what changed no signal, then all.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.files import open_private, sync
from edge.ward.alarm_records import Record, from_line, to_line
from edge.ward.alarm_rules import beyond, folded, signals_alone

DAY_S = 86_400.0
NEWEST = 2  # number of the newest part; `.1` is the log's
MOST_PARTS = 1000

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HistoryBound:
    """How much is kept."""

    days: float = 30.0
    max_bytes: int = 64_000_000
    part_bytes: int = 4_000_000
    """Of one part: what is read and written at once."""


DEFAULT_BOUND = HistoryBound()


def parts(path: Path) -> list[Path]:
    """The parts that there are beside a log, newest first."""
    every = (part(path, number) for number in range(NEWEST, NEWEST + MOST_PARTS))
    return [each for each in every if each.exists()]


def part(path: Path, number: int) -> Path:
    """Where a part lies."""
    return path.with_name(f"{path.name}.{number}")


def parse(content: bytes) -> tuple[list[Record], int]:
    """The records in whole lines, and how many lines were damaged."""
    lines = content.splitlines()
    records = [record for line in lines if (record := from_line(line)) is not None]
    return records, len(lines) - len(records)


def take(path: Path, replaced: Path, bound: HistoryBound) -> None:
    """Fold a file that the log is about to replace into the history.

    Killed at any moment, nothing is lost: what was taken already is not taken again.

    Args:
        path: the log.
        replaced: the file; nothing happens where there is none.
        bound: how much is kept.

    Raises:
        OSError: the disk does not take it; the file must stay.
    """
    if not replaced.exists():
        return
    newest = part(path, NEWEST)
    older = parse(newest.read_bytes())[0] if newest.exists() else []
    fresh = beyond(parse(replaced.read_bytes())[0], older)
    both = folded([*older, *fresh])
    if older and sum(len(to_line(each)) + 1 for each in both) > bound.part_bytes:
        _make_room(path)
        both = folded(fresh)
    if both:
        _write(newest, both)
        _prune(path, both[-1].at_s, bound)


def _make_room(path: Path) -> None:
    """Every part becomes the next older one; those behind a number that is missing stay as they are."""
    number = NEWEST
    while part(path, number).exists():
        number += 1
    for each in range(number, NEWEST, -1):
        os.replace(part(path, each - 1), part(path, each))


def _prune(path: Path, now_s: float, bound: HistoryBound) -> None:
    """Take what is too old, then what has no room, oldest first."""
    every = parts(path)[::-1]
    for each in every[:-1]:
        records, _ = parse(each.read_bytes())
        if not records or now_s - records[-1].at_s > bound.days * DAY_S:
            each.unlink()
    for shorter in (_without_repeats, Path.unlink):
        for each in parts(path)[:0:-1]:
            if sum(found.stat().st_size for found in parts(path)) > bound.max_bytes:
                shorter(each)


def _without_repeats(path: Path) -> None:
    records, _ = parse(path.read_bytes())
    if len(left := signals_alone(records)) < len(records):
        _write(path, left)


def _write(path: Path, records: Sequence[Record]) -> None:
    """Replace a file by one that is on the disk already."""
    new = path.with_name(f"{path.name}.new")
    try:
        with open_private(new, "wb") as file:
            file.write(b"".join(to_line(record) + b"\n" for record in records))
            sync(file)
        os.replace(new, path)
        sync(path.parent)
    finally:
        new.unlink(missing_ok=True)
