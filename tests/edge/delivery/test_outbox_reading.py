"""An outbox as others look at it: nothing is written or made, and an error says whose it is and what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery import outbox_reading
from edge.delivery.database import open_store
from edge.delivery.entries import Stamp
from edge.delivery.lock_file import LockFile
from edge.delivery.outbox_reading import (
    DamagedError,
    ExclusiveLockError,
    logged_events,
    open_read_only,
    outbox_of,
    waiting,
)
from edge.delivery.store_tables import SCHEMA
from edge.errors import ConfigError, SourceError
from tests.edge.outboxes import event, gap
from tests.edge.wards import settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of an outbox with an event that was delivered, one that waits and a gap that waits; nobody has it open."""
    path = tmp_path / "of ward 7?#%" / "outbox.db"
    path.parent.mkdir()
    store = open_store(str(path))
    store.insert(Stamp(1, 1, 1000.0, 0.0), [event(1)])
    store.insert(Stamp(2, 1, 1100.0, 100.0), [event(2), gap(3)])
    store.record_operating_time(3, 350.0)
    store.delete([1])
    store.close()
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_reading, "BUSY_S", 0.05)


def change(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.executescript(script)


def found(path: Path) -> tuple[int, float]:
    with open_read_only(path) as db:
        return waiting(db)


def test_what_waits_is_counted_and_as_old_as_the_box_has_run_since_then(path: Path) -> None:
    assert found(path) == (2, 250.0)  # 2 was written at 100 s of operation, the last note is of 350
    change(path, "DELETE FROM operation WHERE seq < 3")
    assert found(path) == (2, 350.0)
    change(path, "DELETE FROM operation")
    assert found(path) == (2, 0.0)
    change(path, "INSERT INTO operation VALUES(1, 20.0), (9, 10.0)")  # cannot be
    assert found(path) == (2, 0.0)


def test_without_operating_time_an_age_is_that_of_the_wall_clock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(path, "DROP TABLE operation")
    monkeypatch.setattr(outbox_reading.time, "time", lambda: 1130.0)
    assert found(path) == (2, 30.0)
    monkeypatch.setattr(outbox_reading.time, "time", lambda: 500.0)
    assert found(path) == (2, 0.0)
    change(path, "DELETE FROM outbox")
    assert found(path) == (0, 0.0)


def test_in_a_file_without_tables_nothing_waits_but_it_is_no_outbox_to_send_from(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    assert found(tmp_path / "empty.wav") == (0, 0.0)
    with pytest.raises(SourceError) as caught:
        list(logged_events(tmp_path / "empty.wav"))
    assert str(caught.value) == (
        f"outbox {tmp_path / 'empty.wav'}: is an empty file and no outbox; give another --outbox"
    )
    change(tmp_path / "old.db", SCHEMA)
    assert found(tmp_path / "old.db") == (0, 0.0)
    assert list(logged_events(tmp_path / "old.db")) == []


def test_the_log_holds_every_event_in_the_order_of_decision_page_by_page(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(str(path))
    store.insert(Stamp(4, 1, 1200.0, 400.0), [event(2, rev=2), event(0), event(5)])
    store.close()
    for rows in (1, 2, 5, 200):
        monkeypatch.setattr(outbox_reading, "PAGE_ROWS", rows)
        assert [(body["n"], body["seq"]) for body in logged_events(path)] == [(1, 1), (2, 2), (2, 4), (0, 5), (5, 6)]


def test_one_that_nobody_has_open_is_read_as_it_lies_there(path: Path) -> None:
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    found(path)
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before
    with open_read_only(path) as db, pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM outbox")


def test_one_that_is_open_is_read_with_what_is_still_in_its_log(path: Path) -> None:
    store = open_store(str(path))
    store.insert(Stamp(4, 1, 1200.0, 400.0), [gap(4)])
    assert found(path) == (3, 300.0)
    store.close()


def test_it_is_closed_after_a_look(path: Path) -> None:
    with open_read_only(path) as db:
        pass
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


def refusal(kind: type[Exception], path: Path) -> str:
    with pytest.raises(kind) as caught, open_read_only(path):
        pass
    assert type(caught.value) is kind
    return str(caught.value)


def test_what_is_not_there_or_no_file_is_said_with_what_to_do(path: Path) -> None:
    folder, none, below = path.parent, path.with_name("none.db"), path / "outbox.db"
    assert refusal(ConfigError, folder) == (
        f"outbox.path: {folder} is a folder; give a file, such as {folder / 'outbox.db'}"
    )
    assert refusal(SourceError, none) == (
        f"no outbox at {none}; name it with --outbox, or its settings with --config; that of a box's service needs sudo"
    )
    assert refusal(ConfigError, below) == (
        f"outbox {below}: cannot be read by this user: Not a directory; run as its owner"
    )


def test_one_of_a_newer_version_or_a_damaged_one_is_said_to_be_so(path: Path) -> None:
    change(path, "PRAGMA user_version=2")
    assert refusal(SourceError, path) == (
        f"outbox {path}: written by a newer Laennec (format 2); use that version, or another --outbox"
    )
    path.write_bytes(b"no database" * 100)
    assert refusal(DamagedError, path) == f"outbox {path}: is damaged: file is not a database"


def test_what_another_program_made_is_no_outbox(path: Path) -> None:
    other = path.with_name("other.db")
    change(other, "CREATE TABLE address(name TEXT)")
    assert refusal(ConfigError, other) == (
        f"outbox.path: {other} is a database of another program; choose another name"
    )


def test_any_other_trouble_is_a_matter_of_rights(path: Path) -> None:
    with pytest.raises(ConfigError) as caught, open_read_only(path) as db:
        db.execute("SELECT * FROM nowhere")
    assert str(caught.value) == f"outbox {path}: cannot be read: no such table: nowhere; run as its owner"


def test_one_that_is_locked_belongs_to_another_program_or_to_a_service_that_reads_it_alone(path: Path) -> None:
    alone = open_store(str(path), is_exclusive=True)
    alone.insert(Stamp(4, 1, 1200.0, 400.0), [gap(4)])
    assert refusal(SourceError, path) == (f"outbox {path}: another program has locked it; close that program first")
    claim = LockFile(path)
    assert refusal(ExclusiveLockError, path) == (
        f"outbox {path}: the service reads it alone: its disk was full at the start, or has blocks below 4 kB; "
        "free space there and try again in a minute"
    )
    claim.close()
    alone.close()


def test_by_hand_on_a_box_the_outbox_of_its_service_is_meant_if_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(outbox_reading, "SERVICE_STATE", tmp_path / "service")
    config = settings(tmp_path, outbox={})
    own, services = config.outbox_path(), tmp_path / "service" / config.outbox_path().name
    assert outbox_of(config) == own
    services.parent.mkdir()
    services.touch()
    assert outbox_of(config) == services
    assert outbox_of(settings(tmp_path, outbox={"path": str(tmp_path / "o.db")})) == tmp_path / "o.db"
    own.parent.mkdir(parents=True)
    own.touch()
    assert outbox_of(config) == own
