"""The outbox's file, which may refuse: what is hidden, counted and told until it works again."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import edge.delivery.database
import edge.delivery.disk
from edge.delivery.disk import Disk
from edge.delivery.entries import Stamp
from edge.delivery.lock_file import LockFile
from edge.delivery.store import Store
from edge.errors import ConfigError, SourceError
from tests.edge.outboxes import ALL, event


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Opened; it waits for no lock."""
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", 0.0)
    opened = Disk(path)
    opened.open()
    yield opened
    opened.close()


@contextmanager
def refusing(path: Path, lock: str = "IMMEDIATE") -> Iterator[None]:
    """Another program has locked the file: nothing can be written."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(f"BEGIN {lock}")
        yield
        other.execute("ROLLBACK")


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """A table is away: what waits can be neither read nor written."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("ALTER TABLE outbox RENAME TO away")
        yield
        other.execute("ALTER TABLE away RENAME TO outbox")


def put(disk: Disk, first: int, number: int = 1) -> bool:
    messages = [event(n) for n in range(first, first + number)]
    return disk.write(lambda store: store.insert(Stamp(first, 1, 1.8e9, 0.0), messages))


def seqs(disk: Disk, limit: int = 1000) -> list[int]:
    return [entry.seq for entry in disk.waiting(0, ALL, limit)]


def test_before_it_is_opened_nothing_is_there_and_nothing_is_touched(path: Path) -> None:
    disk = Disk(path)
    assert (disk.lock_file, disk.is_open, disk.accepts_writes, disk.failed_writes, disk.recoveries) == (
        None,
        False,
        False,
        0,
        0,
    )
    assert (disk.waiting(0, ALL, 9), disk.depth(), disk.earlier(("a", 2))) == ([], 0, [])
    assert disk.read(Store.depth, 77) == 77
    assert (put(disk, 1), disk.accepts_writes, disk.failed_writes, disk.recoveries) == (False, False, 1, 0)
    disk.ack([1])
    disk.delete_acknowledged()
    disk.let_others_read()
    disk.close()
    assert not path.exists()


def test_opened_it_is_claimed_and_takes_what_is_written(path: Path) -> None:
    disk = Disk(path)
    assert disk.open()
    assert (disk.is_open, disk.recoveries) == (True, 0)
    with pytest.raises(SourceError, match="in use by another laennec"):
        LockFile(path)
    assert (put(disk, 1, 3), disk.accepts_writes, disk.failed_writes) == (True, True, 0)
    assert (seqs(disk), disk.depth(), disk.read(Store.depth, 77)) == ([1, 2, 3], 3, 3)
    disk.close()
    LockFile(path).close()


def test_a_refusal_to_write_is_counted_and_told_once_with_its_cause_until_a_write_succeeds(
    disk: Disk, path: Path, logged: pytest.LogCaptureFixture
) -> None:
    line = f'outbox disk=refuses action=write reason="database is locked" path={path}; events are kept in memory'
    for turn in (1, 2):
        with refusing(path):
            assert (put(disk, turn), put(disk, turn), disk.accepts_writes) == (False, False, False)
        assert disk.failed_writes == 2 * turn
        assert (put(disk, turn), disk.accepts_writes) == (True, True)
        assert logged.record_tuples == [("edge.delivery.disk", logging.ERROR, line)] * turn


def test_what_the_broker_has_is_hidden_while_the_disk_refuses_to_forget_it(
    disk: Disk, path: Path, logged: pytest.LogCaptureFixture
) -> None:
    put(disk, 1, 5)
    with refusing(path):
        disk.ack([1, 3])
        assert (seqs(disk), disk.depth(), logged.messages) == ([2, 4, 5], 3, [])
        disk.delete_acknowledged()
        assert "action=delete" in logged.messages[0]
        assert (seqs(disk), disk.depth()) == ([2, 4, 5], 3)
    assert (seqs(disk), disk.depth(), disk.read(Store.depth, 0)) == ([2, 4, 5], 3, 5)
    disk.delete_acknowledged()
    assert (seqs(disk), disk.depth(), disk.read(Store.depth, 0)) == ([2, 4, 5], 3, 3)
    disk.ack([2])
    assert (seqs(disk), disk.depth(), disk.read(Store.depth, 0)) == ([4, 5], 2, 3)


def test_what_was_deleted_stays_so_after_a_death_and_cost_no_fsync(disk: Disk, path: Path) -> None:
    put(disk, 1, 3)
    disk.ack([1, 2])
    statements: list[str] = []
    assert disk._store is not None
    disk._store._db.set_trace_callback(statements.append)
    disk.delete_acknowledged()
    assert [each for each in statements if each.startswith(("PRAGMA", "COMMIT"))] == [
        "PRAGMA synchronous=NORMAL",
        "COMMIT",
        "PRAGMA synchronous=FULL",
    ]
    with closing(sqlite3.connect(path)) as other:  # which has what a process after a death would have
        assert other.execute("SELECT seq FROM outbox").fetchall() == [(3,)]


def test_a_refusal_to_forget_is_told_again_behind_a_write_that_came_to_disk(
    disk: Disk, path: Path, logged: pytest.LogCaptureFixture
) -> None:
    put(disk, 1, 3)
    disk.ack([1])
    with refusing(path):
        disk.delete_acknowledged()
    put(disk, 4)
    with refusing(path):
        disk.delete_acknowledged()
    assert ["action=delete" in line for line in logged.messages] == [True, True]


def test_behind_many_that_are_hidden_the_next_are_found_a_page_at_a_time(
    disk: Disk, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.disk, "PAGE", 4)
    put(disk, 1, 20)
    requested: list[int] = []
    page = Store.waiting

    def counted(store: Store, after: int, until: int, limit: int) -> list[edge.delivery.store.Entry]:
        requested.append(limit)
        return page(store, after, until, limit)

    monkeypatch.setattr(Store, "waiting", counted)
    assert [entry.seq for entry in disk.waiting(2, 9, 3)] == [3, 4, 5]
    assert requested == [3]
    with refusing(path):
        disk.ack(list(range(1, 11)))
        assert [entry.seq for entry in disk.waiting(0, ALL, 2)] == [11, 12]
        assert requested[1:] == [4, 4, 4]  # 1 to 4, 5 to 8, 9 to 12
        assert [entry.seq for entry in disk.waiting(0, 11, 2)] == [11]
        assert [entry.seq for entry in disk.waiting(7, ALL, 3)] == [11, 12, 13, 14, 15]  # of two pages
        assert seqs(disk) == list(range(11, 21))


def test_earlier_revs_are_those_that_the_broker_does_not_have(disk: Disk, path: Path) -> None:
    messages = [event(1, rev) for rev in (1, 2, 3)]
    disk.write(lambda store: store.insert(Stamp(1, 1, 1.8e9, 0.0), messages))
    with refusing(path):
        disk.ack([1])
        assert [entry.seq for entry in disk.earlier(("id1", 3)) or []] == [2]


def test_what_cannot_be_read_is_not_known_and_counts_as_appeared_when_it_can(
    disk: Disk, path: Path, logged: pytest.LogCaptureFixture
) -> None:
    put(disk, 1, 2)
    assert (seqs(disk), disk.recoveries) == ([1, 2], 0)
    with unreadable(path):
        assert (seqs(disk), disk.depth(), disk.earlier(("id1", 2)), disk.recoveries) == ([], 0, None, 0)
    assert "action=read" in logged.messages[0]
    assert (seqs(disk), disk.recoveries) == ([1, 2], 1)
    assert (seqs(disk), disk.recoveries) == ([1, 2], 1)
    assert disk.earlier(("id9", 2)) == []


def test_a_disk_that_refuses_to_open_is_told_and_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, logged: pytest.LogCaptureFixture
) -> None:
    disk = Disk(path)
    with monkeypatch.context() as broken:

        def fails(_path: Path, *_: object) -> Store:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(edge.delivery.disk, "open_or_replace", fails)
        assert (disk.open(), disk.is_open, disk.open_late(), disk.recoveries) == (False, False, False, 0)
        claim = disk.lock_file
        assert claim is not None
    assert (disk.open_late(), disk.is_open, disk.recoveries) == (True, True, 1)
    assert disk.lock_file is claim
    assert logged.record_tuples == [
        (
            "edge.delivery.disk",
            logging.ERROR,
            f'outbox disk=refuses action=open reason="disk I/O error" path={path}; events are kept in memory',
        ),
        ("edge.delivery.disk", logging.INFO, f"outbox disk=working path={path}; opened now"),
    ]
    with refusing(path):
        put(disk, 1)
    assert "action=write" in logged.messages[-1]  # told at once: what was before is over
    disk.close()


def test_a_mistake_of_the_operator_stops_a_start_and_in_mid_run_it_is_told(
    path: Path, logged: pytest.LogCaptureFixture
) -> None:
    disk, other = Disk(path), LockFile(path)
    with pytest.raises(SourceError, match="in use"):
        disk.open()
    assert (disk.open_late(), disk.is_open, disk.recoveries) == (False, False, 0)
    assert f'action=open reason="outbox {path}: in use by another laennec' in logged.messages[0]
    other.close()
    assert disk.open_late()
    disk.close()
    with pytest.raises(ConfigError):
        Disk(path.parent / "outbox.db" / "below" / "outbox.db").open()


def test_a_file_that_others_cannot_read_is_closed_when_it_need_not_be_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, alone = Disk(path), True

    def needs_exclusive_lock(requested: Path) -> bool:
        assert requested == path
        return alone

    monkeypatch.setattr(edge.delivery.disk, "needs_exclusive_lock", needs_exclusive_lock)
    monkeypatch.setattr(edge.delivery.database, "needs_exclusive_lock", needs_exclusive_lock)
    disk.open()
    put(disk, 1)
    disk.let_others_read()
    assert disk.is_open
    alone = False
    disk.let_others_read()
    assert not disk.is_open
    disk.open_late()
    disk.let_others_read()
    assert (disk.is_open, seqs(disk), disk.recoveries) == (True, [1], 1)
    disk.close()


def test_each_time_it_opens_late_something_may_have_appeared(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.delivery.database, "needs_exclusive_lock", lambda _path: True)
    monkeypatch.setattr(edge.delivery.disk, "needs_exclusive_lock", lambda _path: False)
    disk = Disk(path)
    disk.open()
    for revivals in (1, 2):
        disk.let_others_read()
        assert (disk.is_open, disk.open_late(), disk.recoveries) == (False, True, revivals)
    disk.close()
