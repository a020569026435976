"""Messages, a clock and a refusing disk for tests of the outbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox

ALL = 1 << 62
NOW_S = 1.8e9


class Clock:
    """Wall time that tests move."""

    now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def event(number: int, rev: int = 1, filling: int = 0) -> Message:
    return Message("t/event", {"n": number, "time": {}, "filling": "x" * filling}, 60, (f"id{number}", rev))


def gap(number: int, filling: int = 0) -> Message:
    return Message("t/gap", {"n": number, "time": {}, "filling": "x" * filling}, 60)


def update(number: int, rev: int = 2, filling: int = 0) -> Message:
    begun = event(number, rev, filling)
    return replace(begun, body={**begun.body, "type": "update"})


def change(number: int, priority: str = "Hi", filling: int = 0) -> Message:
    """A change of an alarm."""
    body = {"n": number, "time": {}, "filling": "x" * filling, "priority": priority}
    return Message("t/s/bed1/alarm/continuous/transition", body, 60, transition=("bed1/continuous", number))


def numbers(outbox: Outbox) -> list[int]:
    return [entry.body["n"] for entry in outbox.waiting(0, ALL, 10**6)]


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """The file refuses to be written, for another program has locked it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
