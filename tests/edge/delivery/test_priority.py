"""What goes when there is no room: never anything while something of a lower priority is there."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.delivery.database import open_store
from edge.delivery.entries import Stamp
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.delivery.priority import CAUSES, MessagePriority, nothing_dropped, priority_of
from edge.delivery.store import Store
from edge.delivery.store_tables import MAX_SEQ, SCHEMA
from tests.edge.outboxes import change, event, gap, numbers, refusing, update

Maker = Callable[[int, int], Message]
KINDS: dict[MessagePriority, Maker] = {
    MessagePriority.UPDATE: lambda number, filling: update(number, 2, filling),
    MessagePriority.GAP: gap,
    MessagePriority.EVENT: lambda number, filling: event(number, 1, filling),
    MessagePriority.LOW_ALARM: lambda number, filling: change(number, "Lo", filling),
    MessagePriority.MEDIUM_ALARM: lambda number, filling: change(number, "Me", filling),
    MessagePriority.HIGH_ALARM: lambda number, filling: change(number, "Hi", filling),
}


@pytest.mark.parametrize("priority", KINDS)
def test_each_kind_of_message_has_its_priority(priority: MessagePriority) -> None:
    assert priority_of(KINDS[priority](1, 0)) is priority


def test_changes_of_alarms_are_worth_most_then_events_then_gaps_then_updates() -> None:
    makers = [KINDS[each] for each in sorted(MessagePriority, reverse=True)]
    kinds = [maker(1, 0) for maker in makers]
    assert [each.body.get("priority") for each in kinds] == ["Hi", "Me", "Lo", None, None, None]
    assert [each.event for each in kinds[3:]] == [("id1", 1), None, ("id1", 2)]


class Model:
    """What waits, as a list: what goes is the least in priority and the oldest of these."""

    def __init__(self) -> None:
        self.waiting: list[tuple[MessagePriority, int]] = []

    def drop(self, number: int) -> Counter[str]:
        self.waiting.sort()
        gone, self.waiting = self.waiting[:number], self.waiting[number:]
        return Counter(CAUSES[priority] for priority, _ in gone)


PUT = st.tuples(st.just("put"), st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=60))
ACK = st.tuples(st.just("ack"), st.lists(st.integers(0, 400), max_size=20))
FULL = st.tuples(st.just("full"), st.floats(0.0, 1.1))
Steps = list[tuple[str, list[int] | float]]


@settings(max_examples=60, deadline=None)
@given(st.lists(PUT | PUT | ACK | FULL, max_size=12))
def test_what_a_full_store_drops_is_what_a_list_sorted_by_priority_and_age_would(steps: Steps) -> None:
    store, model, last = open_store(":memory:"), Model(), 0
    with closing(store):
        for action, value in steps:
            if action == "put" and isinstance(value, list):
                priorities = [MessagePriority(each) for each in value]
                messages = [KINDS[each](last + n, 900) for n, each in enumerate(priorities, 1)]
                store.insert(Stamp(last + 1, 1, 1.8e9, 0.0), messages)
                model.waiting += [(each, last + n) for n, each in enumerate(priorities, 1)]
                last += len(value)
            elif action == "ack" and isinstance(value, list):
                store.delete(value)
                model.waiting = [each for each in model.waiting if each[1] not in value]
            elif isinstance(value, float):
                dropped = store.shrink(value * store._used_bytes())
                dropped.pop("delivered", None)  # what the broker has is no loss
                assert model.drop(sum(dropped.values())) == Counter(dropped)
            waiting = [entry.seq for entry in store.waiting(0, MAX_SEQ, 10**6)]
            assert waiting == sorted(seq for _, seq in model.waiting)


def test_an_outbox_full_of_events_takes_an_alarm_and_drops_the_oldest_events(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", max_mb=0.3, max_age_h=1)
    box.put([change(0, "Lo"), event(1, filling=1000)])
    box.put([event(number, filling=1000) for number in range(2, 300)])
    box.put([change(300, "Hi")])
    stored, dropped = numbers(box), box.status.evicted
    box.close()
    assert (stored[0], stored[-1], 1 in stored) == (0, 300, False)
    assert dropped == {**nothing_dropped(), "event": 301 - len(stored)}


def test_an_outbox_full_of_high_alarms_drops_a_lower_one_that_comes_and_no_high_one(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db", max_mb=0.3, max_age_h=1)
    number = 0
    while not box.status.evicted["alarm"]:  # until it is full of them
        box.put([change(number, "Hi", 1000)])
        number += 1
    high, before = numbers(box), dict(box.status.evicted)
    room = [gap(10_000 + n, 1000) for n in range(70)]
    box.put([*room, event(20_000, filling=1000), change(20_001, "Me", 1000)])
    stored, after = numbers(box), box.status.evicted
    box.close()
    assert [each for each in stored if each < 10_000] == high
    assert (after["alarm"], after["event"]) == (before["alarm"], before["event"])
    assert after["technical"] == 64


def test_what_is_kept_in_memory_goes_by_the_same_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.delivery.outbox.MEMORY_BYTES", 200_000)
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    box = Outbox(tmp_path / "outbox.db", max_mb=1, max_age_h=1)
    with refusing(tmp_path / "outbox.db"):
        box.put([change(0, "Lo", 1000), event(1, filling=1000)])
        box.put([gap(number, 1000) for number in range(2, 300)])
        stored, dropped = numbers(box), box.status.evicted
    box.tidy()
    box.put([gap(number, 1000) for number in range(300, 1300)])  # now the disk is full
    later = numbers(box)
    box.close()
    assert (stored[:2], dropped) == ([0, 1], {**nothing_dropped(), "technical": 300 - len(stored)})
    assert later[:2] == [0, 1]  # they came to disk with their priority


def test_what_an_earlier_release_wrote_has_the_priority_of_its_kind(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(SCHEMA + "PRAGMA user_version=1;")
        db.execute("""INSERT INTO event VALUES('a', 1, 1, '{"n":1,"time":{}}', 0)""")
        db.execute("INSERT INTO outbox VALUES(1, 't/event', NULL, 60, 0)")
        db.execute("""INSERT INTO outbox VALUES(2, 't/gap', '{"n":2,"time":{}}', 60, 0)""")
        db.commit()
    store = open_store(str(path))
    dropped = store.shrink(store._used_bytes() - 1.0)
    left = [entry.seq for entry in store.waiting(0, MAX_SEQ, 9)]
    store.close()
    assert (dropped, left) == ({"technical": 1, "event": 1}, [])  # a page is not free before both are gone


def test_the_release_before_this_one_still_writes_and_deletes(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    open_store(str(path)).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO outbox VALUES(1, 't/gap', '{}', 60, 0)")
        db.execute("INSERT INTO outbox VALUES(2, 't/gap', '{}', 60, 0)")
        db.commit()
    open_store(str(path)).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM outbox WHERE seq = 1")
        db.commit()
        ranked = db.execute("SELECT seq, priority FROM priority").fetchall()
    assert ranked == [(2, MessagePriority.GAP)]


def test_the_last_rev_of_each_alarm_is_remembered_after_its_message_went(tmp_path: Path) -> None:
    store, spare = open_store(str(tmp_path / "outbox.db")), open_store(":memory:")
    store.insert(Stamp(1, 1, 0.0, 0.0), [change(3), change(7)])
    spare.insert(Stamp(3, 1, 0.0, 0.0), [change(5)])
    store.delete([1, 2])
    store.take_over(spare)
    reported, left = store.alarm_revs(), spare.alarm_revs()
    store.close()
    spare.close()
    assert (reported, left) == ({"bed1/continuous": 7}, {})


def test_an_outbox_knows_what_earlier_processes_put_there_and_not_what_this_one_did(tmp_path: Path) -> None:
    reported = []
    for rev in (4, 9):
        box = Outbox(tmp_path / "outbox.db", max_mb=1, max_age_h=1)
        box.put([change(rev)])
        reported.append(box.alarm_revs)
        box.close()
    assert reported == [{}, {"bed1/continuous": 4}]


def test_what_is_in_the_file_is_not_known_before_it_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    before = Outbox(path, max_mb=1, max_age_h=1)
    before.put([change(4)])
    before.close()
    path.chmod(0o600)
    box = Outbox.__new__(Outbox)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edge.delivery.disk.open_or_replace", _refuses)
        Outbox.__init__(box, path, max_mb=1, max_age_h=1)
    box.put([change(9)])
    first = box.alarm_revs
    box.tidy()
    second = box.alarm_revs
    box.close()
    assert (first, second) == (None, {"bed1/continuous": 4})


def _refuses(path: Path, *_: object) -> Store:
    raise sqlite3.OperationalError(f"{path}: disk I/O error")
