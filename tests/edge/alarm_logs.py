"""Logs of alarms for tests: in an outbox, and in the file of a release before 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from edge.delivery.message_inbox import Rows
from edge.delivery.outbox import Outbox
from edge.ward.alarm_records import Record, to_line


def record(outbox: Path, records: Sequence[Record]) -> None:
    """Write them to an outbox that no process has open."""
    with closing(Outbox(outbox, 10, 1)) as box:
        assert box.put([], Rows(records))


def append_old(path: Path, records: Sequence[Record]) -> None:
    """Write them behind what an old log says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"".join(to_line(each) + b"\n" for each in records))
