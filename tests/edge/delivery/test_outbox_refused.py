"""An outbox whose disk refuses for a while: numbers, revs and ages go on, and all is on disk again afterwards."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import edge.delivery.database
import edge.delivery.disk
import edge.delivery.outbox
from edge.delivery.entries import OutboxStatus
from edge.delivery.lock_file import LockFile
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.delivery.priority import nothing_dropped
from edge.delivery.sequence import JUMP, RESERVE
from edge.errors import SourceError
from tests.edge.outboxes import ALL, NOW_S, Clock, event, gap, numbers, refusing

HOUR_S = 3600.0


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
    box = Outbox(path, max_mb=1, max_age_h=1, wall=lambda: 42.0, monotonic=clock)
    yield box
    box.close()


def output_of(ident: str, rev: int, boot_id: str | None = "before", reason: str = "quiet") -> Message:
    body = {"id": ident, "end_reason": reason, "time": {}} | ({"boot_id": boot_id} if boot_id else {})
    return Message("t/event", body, 60, (ident, rev))


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as other:
        return other.execute(query).fetchall()


def test_a_new_outbox_has_nothing_and_its_disk_takes_what_is_written(outbox: Outbox) -> None:
    none = nothing_dropped()
    assert outbox.status == OutboxStatus(0, None, 0, True, 0, none) == OutboxStatus()
    assert (outbox._disk.is_open, outbox.last_seq, outbox.changes) == (True, 0, 0)


def test_numbers_go_on_over_a_refusal_and_tell_of_no_hole(outbox: Outbox, path: Path) -> None:
    outbox.put([event(1)])
    with refusing(path):
        outbox.put([event(2), gap(3)])
        assert outbox.last_seq == 3
        with closing(Claimed(path)) as claimed:
            assert claimed.reserved() == 3 + RESERVE  # after a kill the next process begins behind it
        outbox.put([event(4)])
    outbox.put([event(5)])
    found = outbox.waiting(0, ALL, 9)
    assert [(entry.seq, entry.body["seq"], entry.body["seq_start"]) for entry in found] == [
        (seq, seq, 1) for seq in (1, 2, 3, 4, 5)
    ]
    outbox.tidy()
    assert rows(path, "SELECT seq, written_s FROM outbox") == [(seq, 42.0) for seq in (1, 2, 3, 4, 5)]


class Claimed:
    """The number on the claim of another."""

    def __init__(self, path: Path) -> None:
        self._file = path.with_name(path.name + ".lock").open("rb")

    def reserved(self) -> int:
        return int(self._file.read(20))

    def close(self) -> None:
        self._file.close()


def test_at_a_clean_end_all_is_on_disk_and_the_rest_of_the_reserve_is_free(path: Path, clock: Clock) -> None:
    box = Outbox(path, 1, 1, monotonic=clock)
    with refusing(path):
        box.put([event(1)])
    clock.now_s += 7.0
    box.close()
    assert rows(path, "SELECT seq FROM outbox") == [(1,)]
    assert rows(path, "SELECT max(operating_s) FROM operation") == [(7.0,)]
    with closing(Claimed(path)) as claimed:
        assert claimed.reserved() == 1
    LockFile(path).close()


def test_what_waited_in_memory_is_told_when_it_is_on_disk(
    outbox: Outbox, path: Path, logged: pytest.LogCaptureFixture
) -> None:
    with refusing(path):
        outbox.put([event(1)])
        outbox.tidy()
        assert (outbox.status.in_memory, outbox.status.on_disk) == (1, False)
        assert len(logged.messages) == 1  # that the disk refuses, told once
    outbox.tidy()
    assert (outbox.status.in_memory, outbox.status.on_disk) == (0, True)
    outbox.tidy()
    line = f"outbox disk=working path={path}; what waited in memory is on disk"
    assert logged.record_tuples[1:] == [("edge.delivery.outbox", logging.INFO, line)]


def test_revs_of_one_event_are_found_on_disk_and_in_memory_in_their_order(outbox: Outbox, path: Path) -> None:
    outbox.put([output_of("a", 1), gap(2)])
    with refusing(path):
        outbox.put([output_of("a", 2), output_of("b", 1), output_of("a", 3)])
        entries = {entry.event: entry for entry in outbox.waiting(0, ALL, 9)}
        assert [entry.seq for entry in outbox.earlier(entries["a", 3]) or ()] == [1, 3]
        assert [entry.seq for entry in outbox.earlier(entries["a", 2]) or ()] == [1]
        assert outbox.earlier(entries["a", 1]) == outbox.earlier(entries[None]) == []


def test_onsets_of_earlier_processes_without_an_end_are_unfinished(outbox: Outbox, path: Path) -> None:
    outbox.put(
        [
            output_of("a", 1),
            output_of("b", 1),
            output_of("c", 1),
            output_of("mine", 1, "now"),
            output_of("old", 1, None),
        ]
    )
    outbox.put([output_of("b", 2)])
    outbox.ack([1])  # delivered, and yet without an end
    assert [body["id"] for body in outbox.unfinished("now")] == ["a", "c"]
    with refusing(path):
        outbox.put([output_of("c", 2)])  # its end waits in memory
        assert [body["id"] for body in outbox.unfinished("now")] == ["a"]


def test_ends_made_by_a_restart_are_found_on_disk_and_in_memory(outbox: Outbox, path: Path) -> None:
    outbox.put([output_of("a", 2, reason="restart"), output_of("b", 2)])
    with refusing(path):
        outbox.put([output_of("c", 2, reason="restart")])
        assert outbox.ended_by_restart() == [1, 3]


def test_what_the_broker_has_is_forgotten_wherever_it_waits(outbox: Outbox, path: Path) -> None:
    outbox.put([event(1), event(2)])
    with refusing(path):
        outbox.put([event(3), event(4)])
        outbox.ack([1, 4])
        assert (numbers(outbox), outbox.status.waiting, outbox.status.in_memory) == ([2, 3], 2, 1)
    outbox.put([event(5)])  # the first write forgets event 1 on disk too
    assert rows(path, "SELECT seq FROM outbox") == [(2,), (5,)]
    outbox.tidy()
    assert rows(path, "SELECT seq FROM outbox") == [(2,), (3,), (5,)]


def test_what_was_acknowledged_while_the_disk_refused_is_forgotten_by_the_next_tidying(
    outbox: Outbox, path: Path
) -> None:
    outbox.put([event(1), event(2)])
    with refusing(path):
        outbox.ack([1])
    outbox.tidy()
    assert rows(path, "SELECT seq FROM outbox") == [(2,)]


def test_each_drop_is_told_with_its_cause_and_changes_what_may_go_next(
    outbox: Outbox, logged: pytest.LogCaptureFixture
) -> None:
    outbox.put([gap(n, 30_000) for n in range(64)])  # 64 at a time: at 1 MB all of them go
    assert outbox.status.evicted == {**nothing_dropped(), "technical": 64}
    assert logged.record_tuples == [("edge.delivery.outbox", logging.ERROR, "outbox dropped=technical total=64")]
    assert outbox.changes == 1
    outbox.put([event(n, filling=30_000) for n in range(64)])
    outbox.put([gap(n, 30_000) for n in range(64)])
    assert outbox.status.evicted == {**nothing_dropped(), "technical": 128, "event": 64}
    assert outbox.changes == 3
    assert logged.messages[1:] == ["outbox dropped=event total=64"]  # the other cause was told within the minute


def test_the_log_of_what_was_delivered_goes_without_a_word(outbox: Outbox, logged: pytest.LogCaptureFixture) -> None:
    outbox.put([event(n, rev=2, filling=30_000) for n in range(20)])
    outbox.ack(range(1, 21))
    outbox.put([event(n, rev=2, filling=30_000) for n in range(20, 40)])
    assert (len(numbers(outbox)), outbox.changes, logged.messages) == (20, 0, [])
    assert outbox.status.evicted == nothing_dropped()


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_message_expires_ten_seconds_after_its_hour(
    outbox: Outbox, path: Path, clock: Clock, is_refused: bool
) -> None:
    with refusing(path):
        if is_refused:
            outbox.put([event(1)])
            clock.now_s += HOUR_S + 10.0
            outbox.tidy()
            assert numbers(outbox) == [1]
            clock.now_s += 0.5
            outbox.tidy()
    if not is_refused:
        outbox.put([event(1)])
        clock.now_s += HOUR_S + 10.0
        outbox.tidy()
        assert numbers(outbox) == [1]
        clock.now_s += 0.5
        outbox.tidy()
    assert (numbers(outbox), outbox.status.evicted["expired"], outbox.changes) == ([], 1, 1)


def test_operating_time_is_noted_every_ten_minutes_while_nothing_is_said(
    outbox: Outbox, path: Path, clock: Clock
) -> None:
    found = []
    for seconds in (0.0, 599.5, 0.5, 599.5, 0.5):
        clock.now_s += seconds
        outbox.tidy()
        found += rows(path, "SELECT max(operating_s) FROM operation")
    assert found == [(0.0,), (0.0,), (600.0,), (600.0,), (1200.0,)]


def test_after_a_refusal_the_first_tidying_asks_the_disk_again(outbox: Outbox, path: Path, clock: Clock) -> None:
    outbox.put([event(1)])
    with refusing(path):
        outbox.put([event(2)])
        outbox.ack([2])  # nothing waits in memory
        outbox.tidy()
        assert not outbox.status.on_disk
    outbox.tidy()
    assert outbox.status.on_disk


def test_a_file_that_opens_late_is_gone_on_with_and_what_lies_there_is_as_old_as_it_is(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Outbox(path, 1, 1, monotonic=clock)
    first.put([event(1)])
    clock.now_s += 1000.0
    first.close()
    with monkeypatch.context() as broken:

        def fails(_path: Path, *_: object) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        broken.setattr(edge.delivery.disk, "open_or_replace", fails)
        second = Outbox(path, 1, 1, monotonic=clock)
        second.put([event(2)])
        assert (second._disk.is_open, numbers(second), second.status.on_disk) == (False, [2], False)
        assert 2 <= second.last_seq <= 1 + JUMP
        clock.now_s += 50.0
        assert second.status.oldest_s(clock()) == 50.0
    changes = second.changes
    second.tidy()
    assert (second._disk.is_open, numbers(second), second.changes) == (True, [1, 2], changes + 1)
    assert (
        second.status.oldest_s(clock()) == 1000.0
    )  # the file does not know of the 50 s in which it could not be opened
    second.ack([1])
    assert second.status.oldest_s(clock()) == 50.0
    last = second.last_seq
    second.put([event(3)])
    assert second.last_seq == last + 1
    second.close()


def test_a_start_that_is_refused_lets_the_file_go(path: Path) -> None:
    Outbox(path, 1, 1).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=99")
    for _ in range(2):
        with pytest.raises(SourceError, match="newer Laennec"):
            Outbox(path, 1, 1)


def test_a_wall_clock_and_a_monotonic_one_are_there_without_being_given(path: Path) -> None:
    box = Outbox(path, 1, 1)
    box.put([event(1)])
    ((written_s,),) = rows(path, "SELECT written_s FROM outbox")
    assert isinstance(written_s, float)
    assert written_s > NOW_S - 1e9
    assert 0 <= box.status.oldest_s(time.monotonic()) < 60
    box.close()
