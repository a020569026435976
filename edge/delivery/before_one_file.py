"""What a release before 1.1 kept in files of its own beside the outbox: the log of alarms, and the minutes.

They are read in at the first start and stay as they are, so that a rollback finds them. Where that release has written
on in them since, after a rollback, the next start reads in what is new. They go when all that they say is too old.

The log was `alarms-<node>.log`, a line of JSON for each record, the last one perhaps torn by a death; before it
`<name>.1`; then its history, folded, `<name>.2` the newest part, `.3` and so on; and `<name>.revs`, a number up to
which a `rev` might have been published without being in the log. The minutes were `*.history`, a SQLite file.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edge.delivery.alarm_table import DAY_S, HistoryBound, parse
from edge.delivery.message_inbox import Rows
from edge.delivery.minutes import Minute, history_path, read_history
from edge.delivery.outbox import Outbox
from edge.delivery.sequence import jump
from edge.errors import LaennecError
from edge.files import restrict
from edge.ward.alarm_records import Record, to_line
from edge.ward.alarm_rules import beyond

NEWEST = 2  # number of the newest part of the history
MOST_PARTS = 1000
MINUTES_DAYS = 1.0  # what minutes are kept for

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OldLog:
    """What is to be read in of a log of alarms."""

    records: Sequence[Record] = ()
    """Oldest first, without those that are in the outbox already."""
    rev_floor: int = 0
    """Every alarm goes on above this `rev`."""
    files: dict[str, str] | None = None
    """To be noted with them, so that they are read in once; None: there is nothing to read in."""


def log_beside(outbox: Path, node: str) -> Path:
    """Where the log of a node was: beside its outbox."""
    return outbox.with_name(f"alarms-{node}.log")


def before(path: Path) -> Path:
    """The file that a log replaced last."""
    return path.with_name(f"{path.name}.1")


def parts(path: Path) -> list[Path]:
    """The parts of its history that there are beside a log, newest first."""
    every = (path.with_name(f"{path.name}.{number}") for number in range(NEWEST, NEWEST + MOST_PARTS))
    return [each for each in every if each.exists()]


def read_log(outbox: Outbox, path: Path) -> OldLog:
    """What a log of alarms says that the outbox does not know yet; a disk that refuses is logged."""
    floor, files = _rev_floor(path), [*parts(path)[::-1], before(path), path]
    there = [each for each in files if each.exists()]
    if not there:
        return OldLog(rev_floor=floor)
    for each in there:
        restrict(each)
    try:
        was = {path.name: " ".join(_fingerprint(each) for each in there)}
        if outbox.read(lambda store: store.read_in(), dict[str, str]()).get(path.name) == was[path.name]:
            return OldLog(rev_floor=floor)
        records = _records(there)
    except OSError as error:
        logger.error('alarms log=unread path=%s reason="%s"; what it says is not known', path, error.strerror)
        return OldLog(rev_floor=jump(floor))  # above what it holds, whatever that is
    known = outbox.read(lambda store: store.alarms.lines(), set[bytes]())
    return OldLog([each for each in records if to_line(each) not in known], floor, was)


def read_minutes(outbox: Outbox, streams: Iterable[str]) -> None:
    """Let the outbox know the minutes that a release before has left, and forget those of beds that are no more."""
    path, beds, minutes, was = history_path(outbox.path), set(streams), list[Minute](), dict[str, str]()
    try:
        restrict(path)
        if path.exists():
            was = {path.name: _fingerprint(path)}
            if outbox.read(lambda store: store.read_in(), dict[str, str]()).get(path.name) != was[path.name]:
                known = outbox.read(lambda store: store.minutes.known(), set[tuple[str, str, float]]())
                minutes = [each for each in read_history(path) if (each.stream, each.group, each.at_s) not in known]
    except (OSError, LaennecError) as error:
        logger.error('minutes read_in=refused path=%s reason="%s"; they are not known', path, error)
    outbox.put([], Rows(minutes=minutes, files=was, streams=beds))


def remove_old(outbox: Outbox, path: Path, bound: HistoryBound) -> None:
    """Take the files away when all that they say is older than what is kept, by the time that they were written.

    Args:
        outbox: which has read them in; others stay.
        path: the log.
        bound: how long alarms are kept.
    """
    read_in = outbox.read(lambda store: store.read_in(), dict[str, str]())
    ages = {path.name: (bound.days, [path, before(path), *parts(path)])}
    minutes = history_path(outbox.path)
    ages[minutes.name] = MINUTES_DAYS, [minutes]
    for name, (days, files) in ages.items():
        with suppress(OSError):
            written_s = [each.stat().st_mtime for each in files if each.exists()]
            if name in read_in and written_s and max(written_s) < time.time() - days * DAY_S:
                for each in files:
                    each.unlink(missing_ok=True)


def _records(files: Iterable[Path]) -> list[Record]:
    """Of the files of one log, the oldest first, each record once; what is damaged is counted and logged."""
    records: list[Record] = []
    for each in files:
        lines = each.read_bytes().splitlines()
        found, damaged = parse(lines)
        if damaged:
            logger.error("alarms log=damaged path=%s lines=%d; they are skipped", each, damaged)
        records += beyond(found, records)
    return records


def _fingerprint(path: Path) -> str:
    found = os.stat(path)
    return f"{path.name}:{found.st_size}:{found.st_mtime_ns}"


def _rev_floor(path: Path) -> int:
    with suppress(OSError, ValueError):
        return int(path.with_name(f"{path.name}.revs").read_bytes()[:20])
    return 0
