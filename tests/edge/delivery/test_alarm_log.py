"""The log of alarms: whole after any death, small, and silent about nothing."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.contract.commands import Acknowledge
from edge.delivery.alarm_history import parse
from edge.delivery.alarm_log import AlarmLog, before
from edge.delivery.alarm_log_reading import read_all
from edge.ward.alarm_records import Key, Record, Rule, to_line
from edge.ward.alarms import Alarms
from tests.edge.full_disk import small_disk

KEY = Key("bed1", "continuous")
RULES = {KEY: Rule("Phy", "Hi", latching=True, limit=5.0, group_s=0.0)}
LOG_FILES = ["alarms.log", "alarms.log.1", "alarms.log.revs"]


def refuses(*_: object) -> None:
    raise OSError(errno.EROFS, "Read-only file system")


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
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([*LOG_FILES, "alarms.log.2"])


DYING = """
import os, sys
from pathlib import Path
from edge.delivery.alarm_log import AlarmLog
from tests.edge.delivery.test_alarm_log import RULES, Alarms, a_day
path, name, calls = Path(sys.argv[1]), sys.argv[2], iter(range(int(sys.argv[3])))
real = getattr(os, name)
setattr(os, name, lambda *names: real(*names) if next(calls, None) is not None else os._exit(9))
AlarmLog(path).rewrite(Alarms(RULES, a_day()).snapshot())
"""


@pytest.mark.parametrize(("name", "calls"), [("link", 0), ("replace", 0), ("replace", 1)])
def test_a_death_while_it_begins_anew_loses_nothing(name: str, calls: int, path: Path) -> None:
    path.write_bytes(b"".join(to_line(record) + b"\n" for record in a_day()))
    alarms = Alarms(RULES, a_day())
    assert subprocess.run([sys.executable, "-c", DYING, path, name, str(calls)]).returncode == 9
    assert Alarms(RULES, AlarmLog(path).read()).snapshot() == alarms.snapshot()
    for _ in range(2):  # nothing that was left is in the way
        log = AlarmLog(path)
        assert log.read()
        assert log.append(a_day(1))
        assert log.rewrite(alarms.snapshot())
    assert sorted(each.name for each in path.parent.iterdir()) == sorted([*LOG_FILES, "alarms.log.2"])
    assert set(a_day(1)) <= set(read_all(path).records)


def test_beginning_anew_takes_no_more_room_than_the_new_one_needs(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        log, alarms, number = AlarmLog(disk.path / "alarms.log", max_bytes=400_000), Alarms(RULES), 0
        log.read()
        while not log.is_full:
            number += 1
            assert log.append(alarms.advance(float(number), {KEY: 20.0 * (number % 2)}) * 50)
        (disk.path / "other").write_bytes(bytes(400_000))  # now there is less room than the log has
        assert log.rewrite(alarms.snapshot())
        assert log.append(alarms.advance(number + 1.0, {KEY: 20.0 * ((number + 1) % 2)}))
        assert Alarms(RULES, AlarmLog(disk.path / "alarms.log").read()).snapshot() == alarms.snapshot()
        assert before(disk.path / "alarms.log").stat().st_size > 400_000
        assert sorted(each.name for each in disk.path.iterdir()) == [*LOG_FILES, "other"]


def test_a_log_that_cannot_begin_anew_is_whole_and_takes_what_comes(
    path: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    log = AlarmLog(path, max_bytes=100)
    log.read()
    log.append(a_day())
    monkeypatch.setattr(os, "link", refuses)
    assert not log.rewrite(Alarms(RULES, a_day()).snapshot())
    assert not log.is_behind
    assert "log=long" in lines.text
    assert sorted(each.name for each in path.parent.iterdir()) == ["alarms.log", "alarms.log.revs"]
    assert log.append(a_day(1))
    assert AlarmLog(path).read() == [*a_day(), *a_day(1)]


def test_a_file_system_without_links_keeps_the_old_log_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AlarmLog(path)
    log.append(a_day())

    def has_none(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", has_none)
    assert log.rewrite(a_day(1))
    assert (parse(before(path).read_bytes())[0], log.is_behind) == (a_day(), False)


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


def test_what_is_whole_of_a_torn_log_is_read_where_the_disk_does_not_let_it_be_cut(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"".join(to_line(record) + b"\n" for record in a_day()) + b'{"torn'
    path.write_bytes(content)
    log = AlarmLog(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "truncate", refuses)
        assert log.read() == a_day()
    assert (log.is_behind, path.read_bytes()) == (True, content)
    assert not log.append(a_day(1)), "it would end the torn line"
    assert log.rewrite(Alarms(RULES, a_day()).snapshot())
    assert Alarms(RULES, AlarmLog(path).read()).snapshot() == Alarms(RULES, a_day()).snapshot()
    assert before(path).read_bytes() == content


def test_a_log_that_cannot_be_read_is_no_end_and_never_written_over(
    path: Path, monkeypatch: pytest.MonkeyPatch, lines: pytest.LogCaptureFixture
) -> None:
    content = b"".join(to_line(record) + b"\n" for record in a_day())
    path.write_bytes(content)
    log = AlarmLog(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuses)
        assert log.read() == []
    assert log.is_behind
    assert not log.append(a_day(1))
    assert log.rewrite(a_day(1))
    (aside,) = path.parent.glob("alarms.log.unread-*")
    assert (aside.read_bytes(), AlarmLog(path).read()) == (content, a_day(1))
    assert f"moved_to={aside}" in lines.text
    later = AlarmLog(path)
    later.read()
    assert later.rev_floor >= log.rev_floor > 0, "what it holds is not told again under the same revs"


def test_a_folder_in_the_place_of_the_log_is_no_end(path: Path) -> None:
    path.mkdir()
    log = AlarmLog(path)
    assert log.read() == []
    assert log.is_behind
    assert not log.append(a_day())
    assert log.rewrite(a_day())
    assert AlarmLog(path).read() == a_day()
