"""What `laennec alarms` says of a log that is damaged, cut, empty or no log: never that nothing is signalled."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.app import main
from edge.delivery.alarm_log_reading import read_all
from edge.delivery.before_one_file import before
from edge.sources.file_search import DEMO_AUDIO
from edge.ward.alarm_records import Key, Rule, to_line
from edge.ward.alarms import Alarms
from tests.edge.alarm_logs import append_old, record

SIGNAL_LOST, SILENT = Key("bed1", "signal-lost"), Key("bed2", "signal-lost")
RULES = {SIGNAL_LOST: Rule("Tec", "Me"), SILENT: Rule("Tec", "Me")}
NOT_KNOWN = "damaged or cut: what is signalled now is not known"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log that says at its end that the signal of bed1 is lost."""
    path = tmp_path / "alarms.log"
    append_old(path, Alarms(RULES).advance(time.time() - 60, {SIGNAL_LOST: True, SILENT: False}))
    lines = sorted(path.read_bytes().splitlines(keepends=True), key=lambda line: b'"signal":"On"' in line)
    path.write_bytes(b"".join(lines))
    return path


def ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[object, str, str]:
    """Exit code, output and errors of the command."""
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # the command keeps scipy out for good
    monkeypatch.setattr(sys, "argv", ["laennec", "alarms", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *capsys.readouterr()


def test_with_one_byte_of_a_line_changed_it_is_not_said_that_nothing_is_signalled(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "signalled now: bed1 signal-lost (On)" in ended(capsys, monkeypatch, "--log", log)[1]
    content = bytearray(log.read_bytes())
    content[-40] = 0xFF
    log.write_bytes(content)
    code, out, err = ended(capsys, monkeypatch, "--log", log)
    assert (code, "signalled now" in out) == (2, False)
    assert f"1 line of {log} is {NOT_KNOWN}, see the board" in err


@pytest.mark.parametrize("cut", [1, 40])
def test_a_last_line_without_an_end_is_no_line_and_counts(
    cut: int, log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(log.read_bytes()[:-cut])
    code, out, err = ended(capsys, monkeypatch, "--log", log)
    assert (code, "signalled now" in out, NOT_KNOWN in err) == (2, False, True)


def test_what_whole_lines_say_is_signalled_is_named_beside_the_damage(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log.write_bytes(log.read_bytes() + b"\0\0\n{}\n")
    code, _, err = ended(capsys, monkeypatch, "--log", log)
    assert (code, f"2 lines of {log} are {NOT_KNOWN}" in err) == (2, True)
    assert err.endswith("by the lines that are whole: bed1 signal-lost (On)\n")


def test_a_line_that_the_node_is_writing_is_waited_for(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = log.read_bytes()
    log.write_bytes(content[:-40])

    def write_the_rest() -> None:
        with log.open("ab") as file:
            file.write(content[-40:])

    node = threading.Timer(0.1, write_the_rest)
    node.start()
    code, out, err = ended(capsys, monkeypatch, "--log", log)
    node.join()
    assert (code or 0, err) == (0, "")
    assert "signalled now: bed1 signal-lost (On)" in out


def test_a_damaged_log_of_before_lacks_entries_but_what_is_signalled_is_known(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before(log).write_bytes(b"{}\n" + log.read_bytes()[:-1])
    code, out, err = ended(capsys, monkeypatch, "--log", log)
    assert (code, "signalled now: bed1 signal-lost (On)" in out) == (2, True)
    assert f"2 lines of {before(log)} are damaged or cut: entries are missing above" in err


def test_a_file_that_is_no_log_is_named_so(log: Path, mistake: Callable[..., str]) -> None:
    assert "is no log of alarms" in mistake("alarms", "--log", DEMO_AUDIO)
    log.write_bytes(b"")
    assert "is empty, so that nothing of any alarm is known" in mistake("alarms", "--log", log)


def test_of_a_bed_that_is_not_in_the_log_nothing_is_known(log: Path, mistake: Callable[..., str]) -> None:
    assert "has none of --bed bed3: what is signalled there is not known" in mistake(
        "alarms", "--log", log, "--bed", "bed3"
    )


def test_the_lines_of_both_logs_are_told_once(
    log: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before(log).write_bytes(log.read_bytes())
    later = Alarms(RULES, read_all(log).records).advance(time.time(), {SIGNAL_LOST: False})
    log.write_bytes(log.read_bytes() + b"".join(to_line(each) + b"\n" for each in later))
    code, out, _ = ended(capsys, monkeypatch, "--log", log)
    assert (code or 0, out.count(" raised")) == (0, 1)
    assert out.endswith("signalled now: nothing\n")


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """The same in an outbox."""
    path = tmp_path / "outbox.db"
    record(path, Alarms(RULES).advance(time.time() - 60, {SIGNAL_LOST: True, SILENT: False}))
    return path


def test_with_one_byte_changed_in_an_outbox_it_is_not_said_that_nothing_is_signalled(
    outbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "signalled now: bed1 signal-lost (On)" in ended(capsys, monkeypatch, "--log", outbox)[1]
    with closing(sqlite3.connect(outbox)) as db:
        db.execute("UPDATE alarm_state SET line = replace(line, '\"rev\":', '\"rev') WHERE alarm LIKE 'bed1%'")
        db.commit()
    code, out, err = ended(capsys, monkeypatch, "--log", outbox)
    assert (code, "signalled now" in out) == (2, False)
    assert f"1 line of {outbox} is {NOT_KNOWN}, see the board" in err


def test_a_damaged_history_in_an_outbox_lacks_entries_but_what_is_signalled_is_known(
    outbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(outbox)) as db:
        db.execute("UPDATE alarm SET line = CAST(X'FF00' AS TEXT) WHERE seq = 1")
        db.commit()
    code, out, err = ended(capsys, monkeypatch, "--log", outbox)
    assert (code, "signalled now: bed1 signal-lost (On)" in out) == (2, True)
    assert f"1 line of {outbox} is damaged or cut: entries are missing above" in err


def test_of_a_damaged_outbox_what_can_be_read_is_told_and_that_the_rest_is_not_known(
    outbox: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = outbox.read_bytes()
    outbox.write_bytes(content.replace(b"CREATE TABLE event", b"CREATE XABLE event"))
    code, out, err = ended(capsys, monkeypatch, "--log", outbox)
    assert (code, "raised" in out, NOT_KNOWN in err) == (2, True, True)


def test_an_outbox_without_a_log_says_so(tmp_path: Path, mistake: Callable[..., str]) -> None:
    path = tmp_path / "outbox.db"
    record(path, [])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE alarm_state")
    assert "holds no log of alarms" in mistake("alarms", "--log", path)
