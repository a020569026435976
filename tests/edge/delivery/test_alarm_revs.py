"""No `rev` of an alarm is told twice, whatever the disk did when the process died that told it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from edge.delivery import alarm_log
from edge.delivery.alarm_log import AlarmLog
from edge.ward.alarm_records import Key, Rule, Transition
from edge.ward.alarms import Alarms
from tests.edge.full_disk import SmallDisk, small_disk

BED, OTHER = Key("bed1", "signal-lost"), Key("bed2", "signal-lost")
RULES = {BED: Rule("Tec", "Me"), OTHER: Rule("Tec", "Me")}


class Process:
    """One process with alarms: what it tells of bed1 is kept; it dies without a word when it is let go."""

    def __init__(self, path: Path) -> None:
        self.log = AlarmLog(path)
        self.alarms = Alarms(RULES, self.log.read(), self.log.rev_floor)
        self.told: list[int] = []

    def looks(self, times: int, begin_s: float = 1.0) -> list[int]:
        """The burden comes and goes so many times; the revs of bed1 that are told."""
        for number in range(times):
            made = self.alarms.advance(begin_s + number, {BED: number % 2 == 0, OTHER: False})
            self.log.append(made)
            self.told += [each.state.rev for each in made if each.key == BED]
        return self.told


def full_after(disk: SmallDisk, process: Process) -> None:
    """Fill the disk, and the last block of the log."""
    disk.fill()
    while not process.log.is_behind:
        process.looks(2)


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_after_two_deaths_on_one_full_disk_each_rev_is_above_all_that_were_told(kind: str, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kind) as disk:
        path = disk.path / "alarms.log"
        first = Process(path)
        first.looks(4)
        full_after(disk, first)
        told = first.looks(20)
        for _ in range(2):
            before, process = max(told), Process(path)
            assert process.alarms.state(OTHER).rev >= before, "also where nothing changed"
            told += process.looks(20)
            assert process.log.is_behind
            assert told[-len(process.told)] > before
        disk.free()
        assert process.log.rewrite(process.alarms.snapshot())
        last = Process(path)
        told += last.looks(4)
    assert told == sorted(set(told))
    assert not last.log.is_behind


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_log_that_was_written_and_is_gone_or_empty_is_said_to_be_lost_and_no_rev_comes_again(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    path = tmp_path / "alarms.log"
    told = Process(path).looks(4)
    assert not caplog.records, "a first start says nothing"
    path.unlink()
    if how == "empty":
        path.touch()
    told += Process(path).looks(4)
    assert told == sorted(set(told))
    (line,) = [each.getMessage() for each in caplog.records]
    assert (
        line == f"alarms log=lost path={path}; it was written and is {how}: alarms begin anew, with numbers far beyond"
    )
    assert Process(path).looks(4)[0] > told[-1]
    assert len(caplog.records) == 1, "once"


def test_an_alarm_that_is_not_in_the_log_goes_on_above_the_bound_too(tmp_path: Path) -> None:
    (tmp_path / "alarms.log.revs").write_bytes(b"%020d\n" % 70)
    assert Process(tmp_path / "alarms.log").looks(1)[0] == 71


def test_a_death_while_the_disk_is_well_leaves_no_hole(tmp_path: Path) -> None:
    told = [rev for _ in range(3) for rev in Process(tmp_path / "alarms.log").looks(4)]
    assert told == list(range(1, len(told) + 1))
    assert (tmp_path / "alarms.log.revs").read_bytes() == b"0" * 20 + b"\nwritten\n"


def test_the_bound_is_on_the_disk_before_a_refused_change_is_told_and_written_again_when_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_log, "RESERVE", 6)
    process = Process(tmp_path / "alarms.log")
    monkeypatch.setattr(alarm_log, "sync", refuses)
    bounds = []
    for _ in range(10):
        process.looks(2)
        bounds.append(int((tmp_path / "alarms.log.revs").read_bytes()))
        assert process.told[-1] < bounds[-1]
    assert len(set(bounds)) > 2


def test_a_disk_that_does_not_even_take_the_bound_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    process = Process(tmp_path / "alarms.log")
    for name in ("pwrite", "fsync"):
        monkeypatch.setattr(os, name, refuses)
    monkeypatch.setattr(alarm_log, "sync", refuses)
    with lines.at_level(logging.ERROR):
        assert process.looks(2) == [1, 2, 3, 4], "alarms go on"
    assert "alarms revs=refused" in lines.text


def refuses(*_: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_bound_of_an_older_release_that_has_none_is_no_bound(tmp_path: Path) -> None:
    process = Process(tmp_path / "alarms.log")
    (tmp_path / "alarms.log.revs").unlink()
    process.looks(2)
    again = Process(tmp_path / "alarms.log")
    assert (again.log.rev_floor, again.alarms.state(BED)) == (0, process.alarms.state(BED))
    assert all(isinstance(each, Transition) for each in AlarmLog(tmp_path / "alarms.log").read())
