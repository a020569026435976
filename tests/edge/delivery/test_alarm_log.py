"""The log of alarms: whole after any death, small, and silent about nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from edge.delivery import alarm_log
from edge.delivery.alarm_log import AlarmLog, before, parse
from edge.ward.alarm_commands import Acknowledge
from edge.ward.alarm_records import Key, Record, Rule, to_line
from edge.ward.alarms import Alarms
from tests.edge.full_disk import small_disk

KEY = Key("bed1", "continuous")
RULES = {KEY: Rule("Phy", "Hi", latching=True, limit=5.0, group_s=0.0)}


def a_day(times: int = 3) -> list[Record]:
    """What some episodes leave, each acknowledged by a person."""
    alarms, records = Alarms(RULES), list[Record]()
    for number in range(times):
        records += alarms.advance(100.0 * number + 1, {KEY: 20.0})
        records += alarms.command(
            100.0 * number + 2, "board", "bed1", Acknowledge(id=f"c{number}", by="Schwester Müller")
        )[1]
        records += alarms.advance(100.0 * number + 3, {KEY: 0.0})
    return records


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alarms.log"


def test_what_is_written_is_read_again(path: Path) -> None:
    log, records = AlarmLog(path), a_day()
    assert log.read() == []
    assert log.append(records[:4])
    assert log.append(records[4:])
    assert AlarmLog(path).read() == records
    assert not log.is_behind


def test_cut_at_any_byte_everything_before_it_is_read_and_the_next_record_too(path: Path) -> None:
    records = a_day(1)
    lines = [to_line(record) + b"\n" for record in records]
    for cut in range(len(b"".join(lines[:-1])) - 1, len(b"".join(lines)) + 1):
        path.write_bytes(b"".join(lines)[:cut])
        whole = [number for number in range(len(lines) + 1) if len(b"".join(lines[:number])) <= cut][-1]
        log = AlarmLog(path)
        assert log.read() == records[:whole]
        assert log.append(records[:1])
        assert parse(path.read_bytes()) == ([*records[:whole], records[0]], 0)


def test_a_damaged_line_is_skipped_counted_and_told(path: Path, lines: pytest.LogCaptureFixture) -> None:
    records = a_day()
    content = [to_line(record) for record in records]
    content[2] = content[2].replace(b'"rev":', b'"rev":"')
    path.write_bytes(b"\n".join([*content, b'{"record":"transition"}', b""]))
    with lines.at_level(logging.WARNING):
        assert AlarmLog(path).read() == [*records[:2], *records[3:]]
    assert "log=damaged" in lines.text
    assert "lines=2" in lines.text


def test_beyond_its_size_it_begins_anew_with_what_must_be_remembered_and_keeps_the_one_before(path: Path) -> None:
    log, alarms = AlarmLog(path, max_bytes=3000), Alarms(RULES)
    for number in range(40):
        log.append(alarms.advance(float(number), {KEY: 20.0 if number % 2 else 0.0}))
        if log.is_full:
            assert log.rewrite(alarms.snapshot())
        assert Alarms(RULES, AlarmLog(path).read()).snapshot() == alarms.snapshot()
    assert path.stat().st_size < 4500
    assert 3000 < before(path).stat().st_size < 4500
    assert sorted(each.name for each in path.parent.iterdir()) == [
        "alarms.log", "alarms.log.1", "alarms.log.revs",
    ]  # fmt: skip


def test_a_death_while_it_begins_anew_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, alarms = a_day(), Alarms(RULES, a_day())
    calls = ("copyfile", "replace")
    for step in range(3):  # while the old one is copied, before that has its name, before the new one has its
        log = AlarmLog(path)
        path.write_bytes(b"".join(to_line(record) + b"\n" for record in records))
        with monkeypatch.context() as patch:
            real, count = alarm_log.os.replace, iter(range(9))

            def dies(*_: object) -> None:
                raise KeyboardInterrupt

            def dies_later(source: Path, target: Path) -> None:
                real(source, target) if next(count) < step - 1 else dies()  # noqa: B023

            patch.setattr(
                alarm_log.shutil if step == 0 else alarm_log.os, calls[step > 0], dies_later if step else dies
            )
            with pytest.raises(KeyboardInterrupt):
                log.rewrite(alarms.snapshot())
        assert Alarms(RULES, AlarmLog(path).read()).snapshot() == alarms.snapshot()


def test_a_disk_that_is_full_is_told_and_brought_up_to_date_when_it_has_room(
    tmp_path: Path, lines: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        log, alarms = AlarmLog(disk.path / "alarms.log"), Alarms(RULES)
        assert log.append(alarms.advance(1.0, {KEY: 20.0}))
        disk.fill()
        with lines.at_level(logging.ERROR):
            for number in range(10_000):
                if not log.append(alarms.advance(2.0 + number, {KEY: 20.0 * (number % 2)})):
                    break
        assert (log.is_behind, "log=refused" in lines.text) == (True, True)
        alarms.command(20_000.0, "board", "bed1", Acknowledge(id="c", by="nurse"))
        assert not log.append(alarms.advance(20_000.0, {KEY: 0.0}))
        assert not log.rewrite(alarms.snapshot())
        assert log.unwritten >= 1
        disk.free()
        assert not log.append(a_day(1))  # the gap before it must be closed first
        assert log.rewrite(alarms.snapshot())
        assert not log.is_behind
        assert Alarms(RULES, AlarmLog(disk.path / "alarms.log").read()).snapshot() == alarms.snapshot()


def test_a_log_that_cannot_be_read_is_no_end(tmp_path: Path) -> None:
    (tmp_path / "alarms.log").mkdir()
    log = AlarmLog(tmp_path / "alarms.log")
    assert log.read() == []
    assert log.is_behind
    assert not log.append(a_day())
