"""The log of alarms in the outbox: what each alarm is now is never lost, and its history has its time and its bound."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from edge.contract.commands import Acknowledge, Pause
from edge.delivery import alarm_table
from edge.delivery.alarm_table import DAY_S, HistoryBound
from edge.delivery.message_inbox import Rows
from edge.delivery.outbox import Outbox
from edge.delivery.outbox_reading import alarm_log
from edge.ward.alarm_records import Key, Record, Rule, Transition
from edge.ward.alarms import Alarms

KEYS = [Key(f"bed{number}", "continuous") for number in range(4)]
RULES = {key: Rule("Phy", "Me", latching=True, limit=5.0, group_s=0.0) for key in KEYS}


class Node:
    """Alarms whose records are written as a node writes them, and whose history is tidied often."""

    def __init__(self, path: Path, bound: HistoryBound | None = None) -> None:
        self.outbox = Outbox(path, 10, 1)
        self.outbox.history_bound = bound or HistoryBound()
        self.alarms = Alarms(RULES, *self.outbox.alarm_records())
        self.number = self.written = 0

    def write(self, records: list[Record]) -> None:
        assert self.outbox.put([], Rows(records))
        self.written += len(records)
        if self.written > 20:
            self.written = 0
            self.outbox.tidy()

    def episode(self, at_s: float) -> None:
        """An alarm of each bed, acknowledged and over."""
        self.write([*self.alarms.advance(at_s, dict.fromkeys(KEYS, 20.0))])
        for key in KEYS:
            self.order(at_s + 1, key, Acknowledge(id=f"a{self.number}", by="nurse"))
        self.write([*self.alarms.advance(at_s + 2, dict.fromkeys(KEYS, 0.0))])

    def order(self, at_s: float, key: Key, command: Acknowledge | Pause) -> None:
        self.number += 1
        self.write(self.alarms.command(at_s, "board", key.stream, command)[1])

    def flood(self, at_s: float, times: int) -> None:
        """Pauses of a signal, each of another length."""
        for number in range(times):
            pause = Pause(id=f"p{self.number}", by="flood", duration_s=40 + number % 60)
            self.order(at_s + number / 100, KEYS[0], pause)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarm_table, "RAW_ROWS", 60)
    monkeypatch.setattr(alarm_table, "FOLD_ROWS", 40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def reported(path: Path) -> list[tuple[float, str, str]]:
    """Every change of a signal: when, of which bed, what."""
    causes = ("raised", "acknowledged", "cleared")
    records = [each for each in alarm_log(path).records if isinstance(each, Transition) and each.cause in causes]
    return [(each.at_s, each.key.stream, each.cause) for each in records]


def room(path: Path) -> tuple[int, int]:
    """Bytes of lines by the books, and by counting."""
    with sqlite3.connect(path) as db:
        counted = db.execute("SELECT total(36 + length(line)) FROM alarm").fetchone()[0]
        return db.execute("SELECT bytes FROM room WHERE of = 'alarm'").fetchone()[0], int(counted)


def test_the_next_process_goes_on_from_what_was_recorded_though_the_history_is_gone(path: Path) -> None:
    first = Node(path, HistoryBound(max_bytes=1))
    for number in range(6):
        first.episode(10.0 * number)
    expected = first.alarms.snapshot()
    first.outbox.tidy()
    first.outbox.close()
    assert len(reported(path)) < 6 * 4 * 3
    second = Node(path)
    assert second.alarms.snapshot() == expected
    second.outbox.close()


def test_a_flood_of_pauses_erases_nothing_that_was_signalled(path: Path) -> None:
    node = Node(path)
    for number in range(10):
        node.episode(10.0 * number)
    before = reported(path)
    assert len(before) == 10 * 4 * 3
    node.write([*node.alarms.advance(1000.0, {KEYS[0]: 20.0})])
    node.flood(1001.0, 300)
    assert reported(path)[: len(before)] == before
    pauses = [each for each in alarm_log(path).records if isinstance(each, Transition) and each.cause == "audio paused"]
    assert sum(each.repeats + 1 for each in pauses) == 300
    assert len(pauses) < 200, "folded"
    by_the_books, counted = room(path)
    assert by_the_books == counted
    node.outbox.close()


def test_history_is_kept_for_its_time(path: Path) -> None:
    node = Node(path, HistoryBound(days=30))
    for day in range(100):
        node.episode(DAY_S * day)
    node.outbox.tidy()
    days = {at_s // DAY_S for at_s, _, _ in reported(path)}
    assert set(range(70, 100)) <= days
    assert min(days) >= 68
    node.outbox.close()


def test_without_room_the_oldest_loses_first_what_changed_no_signal_then_all(path: Path) -> None:
    node = Node(path, HistoryBound(days=3650, max_bytes=120_000))
    for day in range(100):
        node.episode(DAY_S * day)
    node.outbox.tidy()
    days = sorted({at_s // DAY_S for at_s, _, _ in reported(path)})
    assert days == list(range(int(days[0]), 100)), "without a hole"
    assert days[0] > 0
    assert room(path)[0] <= 120_000
    node.outbox.close()


def test_of_many_commands_of_a_user_the_last_are_known(path: Path) -> None:
    node = Node(path)
    node.write([*node.alarms.advance(-1.0, {KEYS[0]: 20.0})])
    for number in range(200):
        node.order(float(number), KEYS[0], Pause(id=f"p{number}", by="nurse", duration_s=40 + number % 60))
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM alarm_command").fetchone()[0] == 64
    again = Alarms(RULES, node.outbox.alarm_records()[0])
    assert again.has_ordered("board", "p199")
    node.outbox.close()


def test_alarms_and_minutes_take_no_room_from_messages(path: Path) -> None:
    with_alarms, alone = Node(path), Outbox(path.with_name("other.db"), 10, 1)
    for number in range(30):
        with_alarms.episode(10.0 * number)
    used = with_alarms.outbox.read(lambda store: store._used_bytes(), 0)
    empty = alone.read(lambda store: store._used_bytes(), 0)
    assert used - empty < 60_000, "of 300 kB"
    with_alarms.outbox.close()
    alone.close()
