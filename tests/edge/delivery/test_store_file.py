"""The file of the outbox: its version, its place on the disk, and who is to blame for an error."""

from __future__ import annotations

import errno
import logging
import os
import secrets
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

import edge.delivery.database
from edge.delivery.database import needs_exclusive_lock, open_or_replace, open_store
from edge.delivery.lock_file import classify_error
from edge.delivery.sequence import JUMP
from edge.errors import ConfigError, SourceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "deep" / "outbox.db"


def test_a_database_is_made_for_power_cuts_and_shared_unless_it_must_be_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    for is_exclusive, mode in ((False, "normal"), (True, "exclusive")):
        store = open_store(str(path), is_exclusive)
        requested = ("journal_mode", "synchronous", "journal_size_limit", "user_version", "locking_mode")
        found = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in requested]
        assert found == ["wal", 2, 1_000_000, 1, mode]  # 2 is FULL
        assert store.is_exclusive == is_exclusive
        store.close()
    default = open_store(str(path))
    assert not default.is_exclusive
    default.close()


def test_a_database_may_be_used_from_another_thread_and_waits_a_second_for_a_lock(path: Path) -> None:
    path.parent.mkdir(parents=True)
    store = open_store(str(path))
    assert store._db.execute("PRAGMA busy_timeout").fetchone() == (1000,)
    depths: list[int] = []
    other = threading.Thread(target=lambda: depths.append(store.depth()))
    other.start()
    other.join()
    assert depths == [0]
    store.close()


def test_tables_are_made_once_and_what_a_later_release_added_is_added(path: Path) -> None:
    path.parent.mkdir(parents=True)
    store = open_store(str(path))
    store.begin_after(41)
    store.close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE operation")
    again = open_store(str(path))
    assert (again.highest_seq(), again.operating_s()) == (41, 0.0)
    again.close()


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir(parents=True)
    open_store(str(path)).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=2")
    with pytest.raises(SourceError) as caught:
        open_or_replace(path)
    assert str(caught.value) == f"outbox {path}: written by a newer Laennec (format 2); use another --outbox"
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")  # nobody has it open


def test_a_damaged_index_is_found_at_the_start(path: Path) -> None:
    path.parent.mkdir(parents=True)
    open_store(str(path)).close()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA writable_schema=1")
        other.execute("UPDATE sqlite_master SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'event'")
        other.execute("INSERT INTO event VALUES('a', 1, 1, 'b', 0)")
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE event SET body = NULL")
        other.execute("PRAGMA writable_schema=1")
        other.execute("UPDATE sqlite_master SET sql = replace(sql, 'body TEXT', 'body TEXT NOT NULL')")
    with pytest.raises(sqlite3.DatabaseError, match=r"^malformed: NULL value in event\.body$"):
        open_store(str(path))


@pytest.mark.parametrize(
    ("free", "size", "alone"),
    [(32, 4096, False), (31, 4096, True), (1000, 2048, True), (128, 1024, True), (16, 8192, False)],
)
def test_a_disk_with_less_than_128_kb_or_small_blocks_is_not_shared(
    path: Path, monkeypatch: pytest.MonkeyPatch, free: int, size: int, alone: bool
) -> None:
    requested: list[Path] = []

    def statvfs(folder: Path) -> SimpleNamespace:
        requested.append(folder)
        return SimpleNamespace(f_bavail=free, f_frsize=size)

    monkeypatch.setattr(os, "statvfs", statvfs)
    assert needs_exclusive_lock(path) is alone
    assert requested == [path.parent]


def test_a_disk_that_says_nothing_is_not_shared(path: Path) -> None:
    assert needs_exclusive_lock(path)  # its folder is not there


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_disk_in_trouble_is_nobodys_mistake(path: Path, number: int) -> None:
    error = classify_error(path, OSError(number, "says the disk"))
    assert isinstance(error, sqlite3.OperationalError)
    assert str(error) == "says the disk"


def test_anything_else_is_the_operators_mistake(path: Path) -> None:
    error = classify_error(path, PermissionError(errno.EACCES, "Permission denied"))
    assert isinstance(error, ConfigError)
    assert str(error) == f"outbox.path: cannot write {path}: Permission denied; choose another with --outbox"


def test_a_damaged_database_is_moved_aside_whole_and_numbers_go_on_far_behind(
    path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    monkeypatch.setattr(secrets, "randbelow", lambda bound: bound - 1)
    monkeypatch.setattr(edge.delivery.database.time, "strftime", lambda form: f"<{form}>")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 100)
    monkeypatch.setattr(edge.delivery.database, "needs_exclusive_lock", lambda requested: requested == path)
    store = open_or_replace(path)
    assert (store.highest_seq(), store.is_exclusive, path.exists()) == (JUMP, True, True)
    store.close()
    aside = path.with_name("outbox.db.damaged-<%Y%m%dT%H%M%S>")
    assert aside.read_bytes() == b"no database" * 100
    assert caplog.record_tuples == [
        (
            "edge.delivery.database",
            logging.ERROR,
            f'outbox damaged={path} reason="file is not a database" moved_to={aside}; a new one was begun, all '
            "that could be read of it: waiting=0 events=0 alarms=0 minutes=0; the rest is lost",
        )
    ]


def test_what_belongs_to_a_database_is_moved_with_it(path: Path) -> None:
    path.parent.mkdir(parents=True)
    names = ["outbox.db", "outbox.db-shm", "outbox.db-wal"]
    for name in names:
        path.with_name(name).write_text(name)
    aside = edge.delivery.database._move_aside(path)
    found = {file.name: file.read_text() for file in path.parent.iterdir()}
    assert found == {name.replace("outbox.db", aside.name): name for name in names}


@pytest.mark.parametrize(("number", "kind"), [(errno.EROFS, sqlite3.OperationalError), (errno.EACCES, ConfigError)])
def test_a_damaged_database_that_cannot_be_moved_is_blamed_on_the_disk_or_the_operator(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 100)

    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(kind, match=f"(cannot write {path}: |^){os.strerror(number)}"):
        open_or_replace(path)


def test_a_database_that_another_program_has_locked_is_the_operators_and_any_other_refusal_the_disks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir(parents=True)

    def says(text: str) -> None:
        def fails(*given: object) -> None:
            assert given == (str(path), False)
            raise sqlite3.OperationalError(text)

        monkeypatch.setattr(edge.delivery.database, "open_store", fails)

    says("database is locked")
    with pytest.raises(SourceError) as caught:
        open_or_replace(path)
    assert str(caught.value) == f"outbox {path}: another program has locked it; close that program first"
    says("disk I/O error")
    with pytest.raises(sqlite3.OperationalError, match=r"^disk I/O error$"):
        open_or_replace(path)


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_that_may_not_be_written_is_named(path: Path, suffix: str) -> None:
    path.parent.mkdir(parents=True)
    path.with_name(f"outbox.db{suffix}").mkdir()
    with pytest.raises(ConfigError) as caught:
        open_or_replace(path)
    place = path.with_name(f"outbox.db{suffix}")
    assert str(caught.value) == f"outbox.path: cannot write {place}: Is a directory; choose another with --outbox"


def test_looking_whether_a_file_may_be_written_makes_no_other_and_leaves_none_open(path: Path) -> None:
    path.parent.mkdir(parents=True)
    edge.delivery.database._check_writable(path)
    assert str(path) not in [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert [file.name for file in path.parent.iterdir()] == ["outbox.db"]
    assert path.stat().st_mode & 0o777 == 0o600
