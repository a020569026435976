"""The outbox loses nothing that was decided, whatever happens to the process or the disk."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.delivery.outbox import OPERATING_NOTE_S, Outbox
from edge.delivery.priority import nothing_dropped
from edge.delivery.store_tables import NOTE_S
from tests.edge.outboxes import ALL, NOW_S, Clock, event, gap, numbers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    box = Outbox(path, max_mb=1, max_age_h=1)
    yield box
    box.close()


def test_messages_wait_in_order_until_they_are_acknowledged(outbox: Outbox) -> None:
    outbox.put([event(1), gap(2)])
    outbox.put([event(3)])
    assert [(entry.seq, entry.body["seq"], entry.body["n"]) for entry in outbox.waiting(0, ALL, 10)] == [
        (1, 1, 1),
        (2, 2, 2),
        (3, 3, 3),
    ]
    outbox.ack([1, 3])
    assert numbers(outbox) == [2]
    assert outbox.status.waiting == 1


def test_what_waits_is_there_after_a_restart_and_no_seq_is_used_twice(path: Path) -> None:
    first = Outbox(path, 1, 1)
    first.put([event(1), event(2), event(3)])
    first.ack([2, 3])
    first.close()
    second = Outbox(path, 1, 1)
    second.put([event(4)])
    assert [entry.seq for entry in second.waiting(0, ALL, 10)] == [1, 4]
    assert [entry.body["seq_before"] for entry in second.waiting(0, ALL, 10)] == [0, 3]
    second.close()


def test_a_database_that_replaces_a_damaged_one_does_not_say_how_far_that_came(path: Path) -> None:
    first = Outbox(path, 1, 1)
    first.put([event(1)])
    first.close()
    path.write_bytes(b"no database" * 100)
    second = Outbox(path, 1, 1)
    second.put([event(2)])
    assert [entry.body["seq_before"] for entry in second.waiting(0, ALL, 10)] == [None]
    second.close()
    third = Outbox(path, 1, 1)
    third.put([event(3)])
    last, expected_text = (entry.body for entry in third.waiting(0, ALL, 10))
    assert expected_text["seq_before"] == last["seq"]
    third.close()


def test_a_node_whose_name_was_corrected_says_how_far_it_came_under_each(path: Path) -> None:
    expected_text = []
    for number, node in enumerate(("ward-b/edge-7", "ward-c/edge-7", "ward-b/edge-7", "ward-c/edge-7")):
        outbox = Outbox(path, 1, 1)
        outbox.number_for(node)
        outbox.put([event(2 * number), event(2 * number + 1)])
        expected_text.append([(entry.seq, entry.body["seq_before"]) for entry in outbox.waiting(0, ALL, 10)][-1])
        outbox.close()
    assert expected_text == [(2, 0), (4, None), (6, 2), (8, 4)], "what was said under another name is no loss"


@pytest.mark.parametrize("kind", ["deleted", "damaged"])
def test_no_number_is_used_twice_though_the_database_is_lost_again_and_again(path: Path, kind: str) -> None:
    used: list[int] = []
    for _ in range(20):
        outbox = Outbox(path, 1, 1)
        outbox.put([event(1), event(2)])
        used += [entry.seq for entry in outbox.waiting(0, ALL, 10)][-2:]
        outbox.close()
        for each in path.parent.glob("outbox.db*"):
            if each.suffix != ".lock":
                each.unlink() if kind == "deleted" else each.write_bytes(b"no database" * 100)
    assert len(set(used)) == len(used)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25, deadline=None
)
@given(st.lists(st.tuples(st.sampled_from(["put", "ack", "reopen"]), st.integers(0, 5)), max_size=20))
def test_any_history_keeps_exactly_what_was_not_acknowledged(tmp_path: Path, history: list[tuple[str, int]]) -> None:
    path = tmp_path / f"{os.urandom(4).hex()}.db"
    outbox, expected, seq = Outbox(path, 10, 1), [], 0
    for action, number in history:
        if action == "put":
            outbox.put([event(seq + i) for i in range(number)])
            expected += range(seq + 1, seq + number + 1)
            seq += number
        elif action == "ack":
            outbox.ack(expected[:number])
            del expected[:number]
        else:
            outbox.close()
            outbox = Outbox(path, 10, 1)
    assert [entry.seq for entry in outbox.waiting(0, ALL, 1000)] == expected
    outbox.close()


def test_without_room_technical_messages_go_first_then_the_oldest_events(outbox: Outbox) -> None:
    outbox.put([gap(number, 1000) for number in range(100)])
    outbox.put([event(number, filling=1000) for number in range(1000, 1400)])
    assert outbox.status.evicted == nothing_dropped()
    outbox.put([event(number, filling=1000) for number in range(2000, 2400)])
    counts = outbox.status
    assert counts.evicted["technical"] == 100
    assert counts.evicted["event"] > 0
    assert numbers(outbox) == sorted(numbers(outbox))
    assert numbers(outbox)[-400:] == list(range(2000, 2400))
    assert counts.waiting + counts.evicted["event"] == 800


def test_the_log_of_delivered_events_goes_before_anything_that_waits(outbox: Outbox, path: Path) -> None:
    for first in range(0, 2000, 100):
        outbox.put([event(number, filling=1000) for number in range(first, first + 100)])
        outbox.ack(range(outbox.last_seq - 99, outbox.last_seq + 1))
    assert outbox.status.evicted == nothing_dropped()
    with closing(sqlite3.connect(path)) as other:
        (number, oldest, newest) = other.execute("SELECT count(*), min(seq), max(seq) FROM event").fetchone()
    assert (number, newest) == (2001 - oldest, 2000)  # the newest, without a hole
    assert 500 < number < 1000  # of 1 kB each in 1 MB


def test_what_is_too_old_is_dropped_and_counted(path: Path) -> None:
    uptime = Clock()
    outbox = Outbox(path, 1, max_age_h=1, monotonic=uptime)
    for number, seconds in ((1, 3000), (2, 700)):
        outbox.put([event(number)])
        uptime.now_s += seconds
    outbox.tidy()
    assert numbers(outbox) == [2]
    assert outbox.status.evicted["expired"] == 1
    assert 700 <= outbox.status.oldest_s(uptime()) <= 710
    outbox.close()


def test_what_earlier_processes_left_expires_when_laennec_has_run_long_enough(path: Path) -> None:
    uptime, found = Clock(), []
    for _ in range(5):
        outbox = Outbox(path, 1, max_age_h=1, monotonic=uptime)
        if outbox.last_seq == 0:
            outbox.put([event(1)])
        uptime.now_s += 1000
        outbox.tidy()
        found.append(numbers(outbox))
        outbox.close()
        uptime.now_s += 10**6  # switched off
    assert found == [[1], [1], [1], [], []]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40, deadline=None
)
@given(st.lists(st.tuples(st.sampled_from(["put", "live", "restart", "kill"]), st.integers(0, 900)), max_size=25))
def test_nothing_expires_before_its_time_and_everything_soon_after(
    tmp_path: Path, history: list[tuple[str, int]]
) -> None:
    path, uptime, written = tmp_path / f"{os.urandom(4).hex()}.db", Clock(), {}
    outbox, operating_s, known_s = Outbox(path, 10, 0.5, monotonic=uptime), 0.0, 0.0
    for action, seconds in history:
        if action == "put":
            written[outbox.last_seq + 1] = operating_s
            outbox.put([event(outbox.last_seq + 1)])
        elif action == "live":
            uptime.now_s, operating_s = uptime.now_s + seconds, operating_s + seconds
            outbox.tidy()
            left = [entry.seq for entry in outbox.waiting(0, ALL, 1000)]
            ages_s = {seq: operating_s - at_s for seq, at_s in written.items()}
            assert {seq for seq, age_s in ages_s.items() if age_s < 1800} <= set(left)
            assert all(ages_s[seq] <= 1800 + 2 * NOTE_S + known_s for seq in left)
        else:
            if action == "kill":  # how long it ran since its last note is not known
                outbox._disk.close()
                known_s += OPERATING_NOTE_S + NOTE_S
            else:
                outbox.close()
            outbox = Outbox(path, 10, 0.5, monotonic=uptime)
    outbox.close()


YEAR_S = 365 * 86400.0


@pytest.mark.parametrize("then_s", [100.0, NOW_S, NOW_S - 30 * 86400, NOW_S - YEAR_S, NOW_S + YEAR_S])
@pytest.mark.parametrize("now_s", [100.0, NOW_S, NOW_S + YEAR_S])
def test_no_step_of_the_wall_clock_makes_a_message_expire(path: Path, then_s: float, now_s: float) -> None:
    clock = Clock()
    clock.now_s = then_s  # a box without a battery starts in 1970, or where it was switched off
    first = Outbox(path, 1, max_age_h=1, wall=clock)
    first.put([event(1)])
    clock.now_s = now_s  # corrected, or wrong since the last start
    first.tidy()
    first.close()
    second = Outbox(path, 1, max_age_h=1, wall=clock)
    second.tidy()
    counts = second.status
    assert (counts.waiting, counts.evicted["expired"], counts.oldest_s(time.monotonic()) < 60) == (1, 0, True)
    second.close()


def test_a_lock_in_mid_run_keeps_events_in_memory_and_moves_them_to_disk_later(
    outbox: Outbox, path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    outbox.put([event(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        outbox.put([event(2), event(3)])
        assert numbers(outbox) == [1, 2, 3]
        counts = outbox.status
        assert (counts.waiting, counts.in_memory, counts.failed_writes) == (3, 2, 1)
        assert "disk=refuses action=write" in caplog.text
        outbox.ack([2])
        other.execute("ROLLBACK")
    outbox.tidy()
    outbox.put([event(4)])
    assert outbox.status.in_memory == 0
    assert [entry.seq for entry in outbox.waiting(0, ALL, 10)] == [1, 3, 4]


def test_while_the_disk_cannot_be_read_no_end_goes_out_and_nothing_is_forgotten(outbox: Outbox, path: Path) -> None:
    outbox.put([event(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        outbox._disk._store._db.execute("PRAGMA journal_mode=DELETE")  # type: ignore[union-attr]
        other.execute("BEGIN EXCLUSIVE")
        outbox.put([event(1, rev=2)])
        (end,) = outbox.waiting(0, ALL, 9)
        assert outbox.earlier(end) is None
        changes = outbox.changes
        other.execute("ROLLBACK")
    assert len(outbox.waiting(0, ALL, 9)) == 2
    assert outbox.changes == changes + 1
    assert [entry.event for entry in outbox.earlier(end) or ()] == [("id1", 1)]


def test_a_full_disk_keeps_events_in_memory(outbox: Outbox) -> None:
    outbox._disk._store._db.execute("PRAGMA max_page_count=1")  # SQLite then says: database or disk is full
    for first in range(0, 400, 100):
        outbox.put([event(number, filling=1000) for number in range(first, first + 100)])
    assert numbers(outbox) == list(range(400))
    assert outbox.status.failed_writes >= 1
    outbox._disk._store._db.execute("PRAGMA max_page_count=100000")
    outbox.tidy()
    assert numbers(outbox) == list(range(400))
    assert outbox.status.in_memory == 0
