"""What an outbox answers while its file is in trouble, and what it leaves behind."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import edge.delivery.database
import edge.delivery.disk
from edge.delivery.lock_file import LockFile
from edge.delivery.outbox import Outbox
from edge.delivery.sequence import RESERVE
from tests.edge.conftest import PATIENCE_S, wait_for
from tests.edge.outboxes import Clock, event, gap, refusing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """Waits for no lock."""
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", 0.0)
    box = Outbox(path, max_mb=1, max_age_h=1, monotonic=clock)
    yield box
    box.close()


@contextmanager
def problem(path: Path, begin: str, end: str) -> Iterator[None]:
    """Another program has done something to the file, which it undoes."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(begin)
        yield
        other.execute(end)


def test_what_cannot_be_read_is_neither_unfinished_nor_ended_nor_old(outbox: Outbox, path: Path, clock: Clock) -> None:
    outbox.put([event(1)])
    clock.now_s += 50.0
    outbox.put([event(2)])
    with problem(path, "ALTER TABLE event RENAME TO away", "ALTER TABLE away RENAME TO event"):
        assert (outbox.unfinished("now"), outbox.ended_by_restart()) == (None, [])
    assert outbox.unfinished("now") == []
    with problem(path, "ALTER TABLE operation RENAME TO away", "ALTER TABLE away RENAME TO operation"):
        outbox.ack([9])
        assert (outbox.status.waiting, outbox.status.oldest_s(clock())) == (2, 0.0)
    outbox.ack([9])
    assert outbox.status.oldest_s(clock()) == 50.0


def test_an_age_is_told_in_tenths_of_a_second(outbox: Outbox, clock: Clock) -> None:
    outbox.put([event(1)])
    clock.now_s += 1.28125
    assert outbox.status.oldest_s(clock()) == 1.3


def test_counts_stay_as_they_were_told(outbox: Outbox) -> None:
    before = outbox.status
    outbox.put([gap(n, 30_000) for n in range(64)])
    assert (before.evicted["technical"], outbox.status.evicted["technical"]) == (0, 64)


def test_a_disk_that_refuses_to_forget_what_is_too_old_is_told_so(
    outbox: Outbox, path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    outbox.put([event(1)])
    clock.now_s += 3700.0
    with problem(path, "BEGIN IMMEDIATE", "ROLLBACK"):
        outbox.tidy()
    assert "action=expire" in caplog.messages[0]


def test_operating_time_is_noted_at_the_end_and_a_claim_that_cannot_be_written_is_no_error(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", 0.0)
    box = Outbox(path, 1, 1, monotonic=clock)
    with problem(path, "BEGIN IMMEDIATE", "ROLLBACK"):
        box.put([event(1)])  # takes a reserve of numbers, which the end gives back
    clock.now_s += 0.5

    def refuses(*_: object) -> int:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", refuses)
        box.close()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT max(operating_s) FROM operation").fetchone() == (0.5,)
    claim = LockFile(path)
    assert claim.reserved() == 1 + RESERVE
    claim.close()


def test_a_file_that_opens_late_has_its_reserve_written_as_any_other(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", 0.0)
    with monkeypatch.context() as broken:

        def fails(_path: Path, *_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(edge.delivery.disk, "open_or_replace", fails)
        box = Outbox(path, 1, 1, monotonic=clock)
    box.tidy()
    with problem(path, "BEGIN IMMEDIATE", "ROLLBACK"):
        box.put([event(1)])
        last = box.last_seq
        assert int(path.with_name("outbox.db.lock").read_bytes()[:20]) == last + RESERVE
    box.close()


def test_its_status_is_read_while_a_write_is_stalled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", PATIENCE_S)
    with closing(Outbox(path, 1, 1)) as other:
        other.put([event(1)])
        with refusing(path):  # it waits for the lock, as for a disk that does not answer
            writer = threading.Thread(target=other.put, args=([event(2)],))
            writer.start()
            wait_for(other._mutex.locked, "the write")
            for _ in range(100):
                assert other.status.waiting == 1
            assert writer.is_alive(), "nobody waited for it"
        writer.join()
        assert other.status.waiting == 2
