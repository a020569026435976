"""What `laennec alarms` says of a log that is damaged, or has no log: never that nothing is signalled."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.app import main
from edge.ward.alarm_records import Key, Rule
from edge.ward.alarms import Alarms
from tests.edge.alarm_logs import record

SIGNAL_LOST, SILENT = Key("bed1", "signal-lost"), Key("bed2", "signal-lost")
RULES = {SIGNAL_LOST: Rule("Tec", "Me"), SILENT: Rule("Tec", "Me")}
NOT_KNOWN = "damaged or cut: what is signalled now is not known"


def ended(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[object, str, str]:
    """Exit code, output and errors of the command."""
    monkeypatch.setitem(sys.modules, "scipy", sys.modules.get("scipy"))  # the command keeps scipy out for good
    monkeypatch.setattr(sys, "argv", ["laennec", "alarms", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code, *capsys.readouterr()


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """The same in an outbox."""
    path = tmp_path / "outbox.db"
    record(path, Alarms(RULES).advance(time.time() - 60, {SIGNAL_LOST: True, SILENT: False}))
    return path


def test_of_a_bed_that_is_not_in_the_log_nothing_is_known(outbox: Path, mistake: Callable[..., str]) -> None:
    assert "has none of --bed bed3: what is signalled there is not known" in mistake(
        "alarms", "--log", outbox, "--bed", "bed3"
    )


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
