"""The history of alarms on disk: a flood of orders erases none of it, and it has its time and its bound."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

import edge.delivery.disk
from edge.contract.commands import Acknowledge, Pause
from edge.delivery import alarm_history, alarm_log
from edge.delivery.alarm_history import DAY_S, HistoryBound, parts
from edge.delivery.alarm_log import AlarmLog
from edge.delivery.alarm_log_reading import read_all
from edge.ward.alarm_records import Key, Rule, Transition
from edge.ward.alarms import Alarms

KEYS = [Key(f"bed{number}", "continuous") for number in range(4)]
RULES = {key: Rule("Phy", "Me", latching=True, limit=5.0, group_s=0.0) for key in KEYS}


class Node:
    """A log that is written as a node writes it."""

    def __init__(self, path: Path, max_bytes: int = 60_000, bound: HistoryBound | None = None) -> None:
        self.log = AlarmLog(path, max_bytes, bound or HistoryBound(part_bytes=60_000))
        self.alarms, self.number = Alarms(RULES, self.log.read()), 0

    def write(self, records: list[Transition]) -> None:
        self.log.append(records)
        if self.log.is_full:
            assert self.log.rewrite(self.alarms.snapshot())

    def episode(self, at_s: float) -> None:
        """An alarm of each bed, acknowledged and over."""
        self.write(self.alarms.advance(at_s, dict.fromkeys(KEYS, 20.0)))
        for key in KEYS:
            self.order(at_s + 1, key, Acknowledge(id=f"a{self.number}", by="nurse"))
        self.write(self.alarms.advance(at_s + 2, dict.fromkeys(KEYS, 0.0)))

    def order(self, at_s: float, key: Key, command: Acknowledge | Pause) -> None:
        self.number += 1
        _, records = self.alarms.command(at_s, "board", key.stream, command)
        self.write(records)  # type: ignore[arg-type]

    def flood(self, at_s: float, times: int) -> None:
        """Pauses of a signal, each of another length."""
        for number in range(times):
            self.order(
                at_s + number / 100, KEYS[0], Pause(id=f"p{self.number}", by="flood", duration_s=40 + number % 60)
            )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(edge.delivery.disk, "STALLED_S", 60.0)
    for module in (alarm_history, alarm_log):  # thousands of records, and no power is cut here
        monkeypatch.setattr(module, "sync", lambda _: None)
    return tmp_path / "alarms.log"


def told(path: Path) -> list[tuple[float, str, str]]:
    """Every change of a signal: when, of which bed, what."""
    causes = ("raised", "acknowledged", "cleared")
    records = [each for each in read_all(path).records if isinstance(each, Transition) and each.cause in causes]
    return [(each.at_s, each.key.stream, each.cause) for each in records]


def test_a_flood_of_pauses_erases_nothing_that_was_signalled(path: Path) -> None:
    node = Node(path)
    for number in range(10):
        node.episode(10.0 * number)
    before = told(path)
    assert len(before) == 10 * 4 * 3
    node.write(node.alarms.advance(1000.0, {KEYS[0]: 20.0}))
    node.flood(1001.0, 300)
    assert told(path)[: len(before)] == before
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < 300_000
    assert Alarms(RULES, AlarmLog(path).read()).snapshot() == node.alarms.snapshot()


def test_history_is_kept_for_its_time(path: Path) -> None:
    node = Node(path, bound=HistoryBound(days=30, part_bytes=60_000))
    for day in range(100):
        node.episode(DAY_S * day)
    days = {at_s // DAY_S for at_s, _, _ in told(path)}
    assert set(range(70, 100)) <= days
    assert min(days) >= 55, "a part goes with its last record"


def test_without_room_the_oldest_loses_first_what_changed_no_signal_then_all(path: Path) -> None:
    node = Node(path, bound=HistoryBound(days=3650, max_bytes=200_000, part_bytes=60_000))
    for day in range(100):
        node.episode(DAY_S * day)
    days = sorted({at_s // DAY_S for at_s, _, _ in told(path)})
    assert days == list(range(int(days[0]), 100)), "without a hole"
    assert sum(each.stat().st_size for each in parts(path)) <= 200_000


def test_a_death_between_history_and_log_counts_nothing_twice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(path)
    node.write(node.alarms.advance(1.0, {KEYS[0]: 20.0}))
    node.flood(2.0, 60)

    def die(*_: object) -> None:
        raise OSError(5, "dead")

    with monkeypatch.context() as patch:
        patch.setattr(AlarmLog, "_keep_old", die)
        for _ in range(3):
            node.log.rewrite(node.alarms.snapshot())
    assert node.log.rewrite(node.alarms.snapshot())
    assert node.log.rewrite(node.alarms.snapshot())
    pauses = [each for each in read_all(path).records if isinstance(each, Transition) and each.cause == "audio paused"]
    assert sum(each.repeats + 1 for each in pauses) == node.alarms.state(KEYS[0]).rev - 3


def test_no_record_waits_for_a_history_that_takes_long_and_the_file_grows_meanwhile(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, goes_on = Node(path), threading.Event()

    def slowly(log: Path, replaced: Path, bound: HistoryBound) -> None:
        goes_on.wait()
        alarm_history.take(log, replaced, bound)

    for number in range(12):
        node.episode(10.0 * number)
    before = told(path)
    with monkeypatch.context() as patch:
        patch.setattr(edge.delivery.disk, "STALLED_S", 0.05)
        patch.setattr(alarm_log, "take", slowly)
        for _ in range(2):
            assert not node.log.rewrite(node.alarms.snapshot())
        patch.undo()
        assert node.log.append(node.alarms.advance(1000.0, {KEYS[0]: 20.0}))
        assert not node.log.is_behind
        goes_on.set()
    while not node.log.rewrite(node.alarms.snapshot()):
        time.sleep(0.01)
    assert [each[2] for each in told(path)[len(before) :]] == ["raised"]
    assert told(path)[: len(before)] == before


def test_a_history_that_the_disk_refuses_lets_the_log_grow_and_keeps_the_file_before(path: Path) -> None:
    node = Node(path)
    for number in range(12):
        node.episode(10.0 * number)
    before = told(path)
    folder = path.with_name(f"{path.name}.2.new")
    folder.mkdir()
    (folder / "x").touch()
    assert not node.log.rewrite(node.alarms.snapshot())
    assert told(path) == before
    assert not node.log.is_behind
    os.remove(folder / "x")
    folder.rmdir()
    assert node.log.rewrite(node.alarms.snapshot())
    assert told(path) == before
