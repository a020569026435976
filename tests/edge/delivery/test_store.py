"""The tables of the outbox: what is written, what is given back, and what goes first, with rows counted by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from edge.delivery.entries import Entry, Stamp
from edge.delivery.messages import Message
from edge.delivery.store import Store
from edge.delivery.store_tables import LATER_TABLES, MAX_SEQ, SCHEMA
from tests.edge.outboxes import event, gap, update


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    connection = empty()
    yield connection
    connection.close()


@pytest.fixture
def store(db: sqlite3.Connection) -> Store:
    return Store(db)


def empty() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA + LATER_TABLES)
    return connection


def rows(db: sqlite3.Connection, table: str) -> list[Any]:
    return db.execute(f"SELECT * FROM {table} ORDER BY seq").fetchall()


def seqs(store: Store) -> list[int]:
    return [entry.seq for entry in store.waiting(0, MAX_SEQ, 10**6)]


def stamp(first_seq: int, operating_s: float = 0.0) -> Stamp:
    return Stamp(first_seq, 1, 1.8e9, operating_s)


def test_an_event_is_written_once_and_a_technical_message_with_its_body(db: sqlite3.Connection, store: Store) -> None:
    store.insert(
        Stamp(7, 5, 1.8e9, 3.0, 2), [Message("t/event", {"n": 1}, 60, ("a", 1)), Message("t/gap", {"n": 2}, 90)]
    )
    assert rows(db, "event") == [("a", 1, 7, '{"n":1,"seq":7,"seq_start":5,"seq_before":2}', 1.8e9)]
    assert rows(db, "outbox") == [
        (7, "t/event", None, 60, 1.8e9),
        (8, "t/gap", '{"n":2,"seq":8,"seq_start":5,"seq_before":2}', 90, 1.8e9),
    ]
    assert store.waiting(0, MAX_SEQ, 9) == [
        Entry(7, "t/event", {"n": 1, "seq": 7, "seq_start": 5, "seq_before": 2}, 60, ("a", 1)),
        Entry(8, "t/gap", {"n": 2, "seq": 8, "seq_start": 5, "seq_before": 2}, 90, None),
    ]
    assert not db.in_transaction


def test_entries_are_given_above_one_seq_and_up_to_another(store: Store) -> None:
    store.insert(stamp(1), [gap(n) for n in range(6)])
    assert [entry.seq for entry in store.waiting(2, 4, 9)] == [3, 4]
    assert [entry.seq for entry in store.waiting(2, MAX_SEQ, 3)] == [3, 4, 5]
    assert store.depth() == 6


def test_all_messages_of_one_call_are_written_or_none(db: sqlite3.Connection, store: Store) -> None:
    store.insert(stamp(2), [gap(0)])
    with pytest.raises(sqlite3.IntegrityError):
        store.insert(stamp(1, 50.0), [event(1), gap(2)])  # 1 is free, 2 is not
    assert seqs(store) == [2]
    assert rows(db, "event") == rows(db, "operation") == []


def test_what_is_deleted_leaves_the_outbox_and_stays_in_the_log(store: Store) -> None:
    store.insert(stamp(1), [event(1), event(2), gap(3)])
    assert store.delete([1, 3, 99]) == 2
    assert seqs(store) == [2]
    assert [store.has_later(one) for one in (("id1", 0), ("id1", 1), ("id9", 0))] == [True, False, False]
    assert store.delete([1]) == 0


def test_earlier_revs_of_the_same_event_are_those_that_wait_lowest_first(store: Store) -> None:
    store.insert(stamp(1), [event(1, rev=2), event(1, rev=1), event(2, rev=1), event(1, rev=3), event(1, rev=4)])
    assert [entry.event for entry in store.earlier(("id1", 4))] == [("id1", 1), ("id1", 2), ("id1", 3)]
    assert [entry.seq for entry in store.earlier(("id1", 3))] == [2, 1]
    store.delete([2])
    assert [entry.seq for entry in store.earlier(("id1", 3))] == [1]
    assert store.earlier(("id2", 1)) == []


def test_an_onset_without_an_end_is_unfinished_also_when_it_was_delivered(store: Store) -> None:
    store.insert(stamp(1), [event(1), event(2), event(3), event(2, rev=2)])
    store.delete([1])
    assert [body["n"] for body in store.unfinished()] == [1, 3]


def test_of_an_event_that_lasted_the_last_update_is_unfinished_and_one_that_ended_is_not(store: Store) -> None:
    store.insert(stamp(1), [event(1), update(1, 2), event(2), update(1, 3), update(2, 2), event(2, rev=3)])
    store.delete([1, 2, 4])
    assert [(body["n"], body["type"], body["seq"]) for body in store.unfinished()] == [(1, "update", 4)]


def test_ends_that_were_made_by_a_restart_are_found_while_they_wait(store: Store) -> None:
    def end(number: int, rev: int, reason: str) -> Message:
        return Message("t", {"end_reason": reason}, 60, (f"id{number}", rev))

    store.insert(stamp(1), [end(1, 2, "restart"), end(2, 2, "quiet"), end(3, 2, "restart"), end(4, 1, "restart")])
    assert store.ended_by_restart() == [1, 3]
    store.delete([1])
    assert store.ended_by_restart() == [3]


def test_the_highest_seq_is_that_ever_written_and_may_begin_above_any(store: Store) -> None:
    assert (store.highest_seq(), store.assigned_seq("a")) == (0, 0)
    store.begin_after(500)
    assert (store.highest_seq(), store.assigned_seq("a")) == (500, None), (
        "what the database before it gave is not known"
    )
    store.insert(Stamp(600, 600, 1.8e9, 0.0, None, "a"), [event(1)])
    store.delete([600])
    assert (store.highest_seq(), store.assigned_seq("a"), store.assigned_seq("b")) == (600, 600, None)


def test_operating_time_is_noted_every_ten_seconds_below_the_seq_that_follows(
    db: sqlite3.Connection, store: Store
) -> None:
    assert store.operating_s() == store.operating_s(5) == 0.0
    for seq, at_s in ((1, 9.75), (2, 10.0), (3, 19.75), (4, 20.0)):
        store.insert(stamp(seq, at_s), [gap(seq)])
    assert rows(db, "operation") == [(1, 10.0), (3, 20.0)]
    assert [store.operating_s(seq) for seq in (1, 2, 3, 4, 5)] == [0.0, 10.0, 10.0, 20.0, 20.0]
    assert store.operating_s() == 20.0


def test_a_note_of_operating_time_never_goes_back(db: sqlite3.Connection, store: Store) -> None:
    for seq, at_s in ((4, 30.0), (4, 25.0), (6, 40.0), (6, 41.0)):
        store.record_operating_time(seq, at_s)
    assert rows(db, "operation") == [(4, 30.0), (6, 41.0)]
    store.add_operating_time(100.0)
    assert rows(db, "operation") == [(4, 130.0), (6, 141.0)]
    assert not db.in_transaction


def written_at(store: Store, *times_s: float) -> None:
    for seq, at_s in enumerate(times_s, 1):
        store.insert(stamp(seq, at_s), [event(seq)])


def test_what_was_written_too_early_expires_to_within_a_note(db: sqlite3.Connection, store: Store) -> None:
    written_at(store, 0.0, 100.0, 200.0)  # notes (1, 100) and (2, 200)
    assert store.expire(10.0) == {}
    assert store.expire(10.5) == {"expired": 1, "delivered": 1}  # 1 was written before the note of 100
    assert store.expire(110.0) == {"expired": 0, "delivered": 0}
    assert rows(db, "operation") == [(1, 100.0), (2, 200.0)]
    assert store.expire(110.5) == {"expired": 1, "delivered": 1}
    assert (seqs(store), rows(db, "operation")) == ([3], [(2, 200.0)])
    assert store.expire(210.5) == {"expired": 1, "delivered": 1}  # all that were written
    assert (seqs(store), rows(db, "event"), rows(db, "operation")) == ([], [], [(2, 200.0)])
    assert not db.in_transaction


def test_the_log_of_what_was_delivered_expires_too_and_is_no_loss(store: Store) -> None:
    written_at(store, 0.0, 100.0, 200.0)
    store.delete([1, 3])
    assert store.expire(110.5) == {"expired": 1, "delivered": 2}
    assert store.has_later(("id3", 0))


def test_without_room_the_log_goes_first_then_technical_messages_then_events_64_at_a_time(
    db: sqlite3.Connection, store: Store
) -> None:
    def used() -> int:
        pages, free, size = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    store.insert(stamp(1), [event(n, rev=2, filling=5000) for n in range(1, 131)])
    store.delete(range(1, 101))  # 100 of 130 were delivered
    store.insert(stamp(131), [gap(n, 5000) for n in range(70)])
    assert store.shrink(used()) == {}
    assert store.shrink(used() - 1) == {"delivered": 64}
    assert [store.has_later((f"id{n}", 0)) for n in (64, 65)] == [False, True]
    assert store.shrink(used() - 1) == {"delivered": 36}
    assert store.shrink(used() - 1) == {"technical": 64}
    assert seqs(store) == [*range(101, 131), *range(195, 201)]
    assert store.shrink(used() - 80_000) == {"technical": 6, "event": 30}  # 6 messages fill at most 48 kB
    assert rows(db, "outbox") == rows(db, "event") == []
    assert not db.in_transaction


def test_a_store_that_is_far_too_large_drops_as_much_as_it_must_and_no_more(store: Store) -> None:
    store.insert(stamp(1), [event(n, filling=3000) for n in range(640)])  # a page of 4 kB each
    assert store.shrink(320 * 4096.0) == {"event": 384}  # half would be 320; the tables' own pages cost one more round
    assert seqs(store) == list(range(385, 641))
    assert store.shrink(0.0) == {"event": 256}


def test_what_waited_in_memory_is_moved_with_its_numbers_its_log_and_its_age(
    db: sqlite3.Connection, store: Store
) -> None:
    spare_db = empty()
    spare = Store(spare_db)
    store.insert(stamp(1, 50.0), [event(1), gap(2)])
    spare.insert(stamp(3, 40.0), [event(3), gap(4), event(5)])
    spare.record_operating_time(4, 60.0)
    spare.delete([5])
    spare.record_operating_time(0, 20.0)
    store.take_over(spare)
    assert [(entry.seq, entry.body["n"]) for entry in store.waiting(0, MAX_SEQ, 9)] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert store.has_later(("id5", 0))
    assert rows(db, "operation") == [(0, 50.0), (2, 40.0), (4, 60.0)]
    assert [rows(spare_db, table) for table in ("event", "outbox", "operation")] == [[], [], []]
    assert not db.in_transaction
    assert not spare_db.in_transaction
    spare_db.close()


def test_a_write_that_came_to_disk_after_all_is_not_kept_under_two_numbers(store: Store) -> None:
    spare = Store(empty())
    store.insert(stamp(5), [event(1), event(2)])
    spare.insert(stamp(6), [event(2), event(1)])  # 2 has the same number again, 1 has another
    store.take_over(spare)
    assert [(entry.seq, entry.event) for entry in store.waiting(0, MAX_SEQ, 9)] == [(6, ("id2", 1)), (7, ("id1", 1))]
    spare.close()


def test_bodies_are_json_in_utf_8_and_nothing_else(db: sqlite3.Connection, store: Store) -> None:
    store.insert(stamp(1), [Message("t", {"label": "Brummen ü"}, 60)])
    assert json.loads(rows(db, "outbox")[0][2]) == {"label": "Brummen ü", "seq": 1, "seq_start": 1, "seq_before": None}
    with pytest.raises(ValueError, match="JSON"):
        store.insert(stamp(2), [gap(1), Message("t", {"x": float("nan")}, 60)])
    assert seqs(store) == [1]


def test_others_are_told_whether_they_can_read_it_and_a_closed_store_refuses(store: Store) -> None:
    assert (store.is_exclusive, Store(empty(), True).is_exclusive) == (False, True)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.depth()
