"""No `rev` of an alarm is published twice, whatever the disk did when the process died that published it."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

import pytest

from edge.delivery import alarm_rows
from edge.delivery.message_inbox import Rows
from edge.delivery.outbox import Outbox
from edge.ward.alarm_records import Key, Rule
from edge.ward.alarms import Alarms
from tests.edge.full_disk import SmallDisk, small_disk
from tests.edge.outboxes import event, refusing

BED, OTHER = Key("bed1", "signal-lost"), Key("bed2", "signal-lost")
RULES = {BED: Rule("Tec", "Me"), OTHER: Rule("Tec", "Me")}


class Process:
    """One process with alarms: what it publishes of bed1 is kept."""

    def __init__(self, path: Path) -> None:
        self.outbox = Outbox(path, 1, 1)
        self.alarms = Alarms(RULES, *self.outbox.alarm_records())
        self.revs: list[int] = []

    def looks(self, times: int, begin_s: float = 1.0) -> list[int]:
        """The burden comes and goes so many times; the revs of bed1 that are published."""
        for number in range(times):
            made = self.alarms.advance(begin_s + number, {BED: number % 2 == 0, OTHER: False})
            self.outbox.put([], Rows(made))
            self.revs += [each.state.rev for each in made if each.key == BED]
        return self.revs

    def die(self) -> None:
        """As a kill: nothing more is written."""
        self.outbox._disk.close()


def full_after(disk: SmallDisk, process: Process) -> None:
    """Fill the disk, and the last block of the files."""
    disk.fill()
    while not process.outbox.status.records_in_memory:
        process.looks(2)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_after_two_deaths_on_one_full_disk_each_rev_is_above_all_that_were_published(kind: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kind) as disk:
        path = disk.path / "outbox.db"
        first = Process(path)
        first.looks(4)
        full_after(disk, first)
        revs = [*first.looks(20)]
        first.die()
        for _ in range(2):
            highest, process = max(revs), Process(path)
            assert process.alarms.state(OTHER).rev >= highest, "also where nothing changed"
            revs += process.looks(20)
            assert process.outbox.status.records_in_memory
            assert revs[-len(process.revs)] > highest
            process.die()
        disk.free()
        last = Process(path)
        last.outbox.tidy()
        revs += last.looks(4)
        assert revs == sorted(set(revs))
        assert not last.outbox.status.records_in_memory
        last.die()


def test_a_death_while_the_disk_is_well_leaves_no_hole(tmp_path: Path) -> None:
    revs = []
    for _ in range(3):
        process = Process(tmp_path / "outbox.db")
        revs += process.looks(4)
        process.die()
    assert revs == list(range(1, len(revs) + 1))


@pytest.mark.parametrize("how", ["gone", "empty", "damaged"])
def test_where_the_outbox_is_lost_no_rev_comes_again(tmp_path: Path, how: str) -> None:
    path = tmp_path / "outbox.db"
    first = Process(path)
    revs = [*first.looks(4)]
    first.outbox.close()
    content = path.read_bytes()
    path.unlink()
    if how != "gone":
        path.write_bytes(b"" if how == "empty" else b"x" * len(content))
    for _ in range(2):
        again = Process(path)
        revs += again.looks(4)
        again.die()
    assert revs == sorted(set(revs))


@pytest.mark.parametrize("damage", ["schema", "page"])
def test_of_a_damaged_outbox_the_alarms_that_can_be_read_go_on(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "outbox.db"
    first = Process(path)
    first.looks(30)
    first.outbox.put([event(number, filling=1000) for number in range(50)])
    expected = first.alarms.snapshot()
    first.outbox.close()
    content = bytearray(path.read_bytes())
    if damage == "schema":
        content[content.index(b"CREATE TABLE event") + 7] = ord("X")
    else:
        page = content.index(b"x" * 900) // 4096 * 4096
        content[page : page + 4096] = os.urandom(4096)
    path.write_bytes(content)
    again = Process(path)
    assert list(tmp_path.glob("outbox.db.damaged-*"))
    states = {each.key: each.state.signal for each in again.alarms.snapshot() if hasattr(each, "key")}
    assert states == {each.key: each.state.signal for each in expected if hasattr(each, "key")}
    assert again.looks(1)[0] > expected[-1].state.rev  # type: ignore[union-attr]
    again.die()


def test_the_bound_is_on_the_disk_before_a_refused_change_is_published_and_again_when_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_rows, "RESERVE", 6)
    process, bounds = Process(tmp_path / "outbox.db"), list[int]()
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    process.die()
    process = Process(tmp_path / "outbox.db")
    with refusing(tmp_path / "outbox.db"):
        for _ in range(10):
            process.looks(2)
            bounds.append(int((tmp_path / "outbox.db.lock").read_bytes()[29:49]))
            assert process.revs[-1] < bounds[-1]
    assert len(set(bounds)) > 2
    process.die()


def test_a_disk_that_does_not_even_take_the_bound_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    process = Process(tmp_path / "outbox.db")

    def refuses(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuses)
    with refusing(tmp_path / "outbox.db"), lines.at_level(logging.ERROR):
        assert process.looks(2) == [1, 2, 3, 4], "alarms go on"
    assert "alarms revs=refused" in lines.text
    process.die()


def test_what_was_recorded_while_the_disk_refused_is_in_the_log_when_it_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    path = tmp_path / "outbox.db"
    process = Process(path)
    process.looks(3)
    with refusing(path):
        process.looks(3, begin_s=10.0)
        process.outbox.tidy()
        assert process.outbox.status.records_in_memory
    process.looks(1, begin_s=20.0)  # the disk takes this before what waits in memory
    process.outbox.tidy()
    assert not process.outbox.status.records_in_memory
    expected = process.alarms.snapshot()
    process.die()
    again = Process(path)
    assert again.alarms.snapshot() == expected
    assert again.outbox.read(lambda store: store.alarms.count(), 0) == expected[-1].state.rev + 1  # type: ignore[union-attr]
    again.die()


def test_an_outbox_that_opens_late_takes_the_alarms_behind_those_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    first = Process(path)
    first.looks(4)
    first.die()
    monkeypatch.setattr("edge.delivery.disk.open_or_replace", _fails)
    second = Process(path)
    assert second.alarms.state(BED).signal == first.alarms.state(BED).signal, "from a copy"
    revs = [*first.revs, *second.looks(4, begin_s=50.0)]
    assert second.outbox.status.records_in_memory
    monkeypatch.undo()
    second.outbox.tidy()
    assert not second.outbox.status.records_in_memory
    second.die()
    third = Process(path)
    assert third.alarms.state(BED).rev >= revs[-1]
    assert revs == sorted(set(revs))
    third.die()


def _fails(*_: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")
