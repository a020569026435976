"""The files of a release before 1.1 are read in once, whatever became of them, and a rollback finds them."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from edge.contract.commands import Acknowledge
from edge.delivery.alarm_messages import name_of
from edge.delivery.alarm_table import DAY_S, HistoryBound
from edge.delivery.before_one_file import before, log_beside, read_minutes, remove_old
from edge.delivery.message_inbox import Rows
from edge.delivery.minutes import Minute, history_path, read_history
from edge.delivery.outbox import Outbox
from edge.delivery.outbox_reading import alarm_log
from edge.node.past_alarms import PastAlarms, is_published, past_alarms
from edge.ward.alarm_records import AlarmState, Key, Record, Rule, Transition, to_line
from edge.ward.alarms import Alarms
from tests.edge.dispatching import NODE
from tests.edge.outboxes import ALL, refusing

KEY = Key("bed1", "continuous")
RULES = {KEY: Rule("Phy", "Hi", latching=True, limit=5.0, group_s=0.0)}
NOW_S = 1.8e9
OLD_SCHEMA = """
CREATE TABLE minute(seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, grp TEXT NOT NULL, at_s REAL NOT NULL,
                    expected_s REAL NOT NULL, measured_s REAL NOT NULL, unverified_s REAL NOT NULL);
CREATE INDEX minute_of ON minute(stream, grp, seq);
"""


def episodes(times: int = 3, begin_s: float = NOW_S, past: Sequence[Record] = (), floor: int = 0) -> list[Record]:
    """What some episodes leave, each acknowledged by a person; the last is over the limit still."""
    alarms, records = Alarms(RULES, past, floor), list[Record]()
    for number in range(times):
        at_s = begin_s + 100.0 * number
        records += alarms.advance(at_s + 1, {KEY: 0.0})
        records += alarms.advance(at_s + 2, {KEY: 20.0})
        order = Acknowledge(id=f"{begin_s:.0f}c{number}", by="Schwester Müller")
        records += alarms.command(at_s + 3, "board", "bed1", order)[1] if number < times - 1 else []
    return records


def lines(records: Sequence[Record]) -> bytes:
    return b"".join(to_line(each) + b"\n" for each in records)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """An outbox as the release before left it: without the tables of this one, and knowing what was told."""
    path = tmp_path / "outbox.db"
    Outbox(path, 10, 1).close()
    with closing(sqlite3.connect(path)) as db:
        for table in ("alarm", "alarm_state", "alarm_command", "minute", "read_in", "room"):
            db.execute(f"DROP TABLE {table}")
        db.commit()
    return path


def reported(path: Path, records: Sequence[Record]) -> None:
    """The outbox was given the messages of these."""
    with closing(sqlite3.connect(path)) as db:
        for each in records:
            if isinstance(each, Transition) and is_published(each):
                db.execute("INSERT OR REPLACE INTO told VALUES(?,?)", (name_of(each.key), each.state.rev))
        db.commit()


def start(path: Path) -> PastAlarms:
    """A first moment of a node; what it would go on from."""
    with closing(Outbox(path, 10, 1)) as outbox:
        outbox.number_for(NODE.topic())
        return past_alarms(outbox, NODE)


def waiting(path: Path) -> list[tuple[int, str]]:
    """Of the changes that wait in the outbox, `rev` and cause."""
    with closing(Outbox(path, 10, 1)) as outbox:
        return [(each.body["rev"], each.body["cause"]) for each in outbox.waiting(0, ALL, 10_000)]


def snapshot(past: PastAlarms) -> list[Record]:
    return Alarms(RULES, past.records, past.rev_floor).snapshot()


def test_the_alarms_go_on_from_the_old_log_and_the_log_stays_as_it_is(box: Path) -> None:
    records = episodes()
    log = log_beside(box, NODE.node)
    log.write_bytes(lines(records))
    reported(box, records)
    assert snapshot(start(box)) == Alarms(RULES, records).snapshot()
    assert log.read_bytes() == lines(records)
    assert waiting(box) == [], "nothing is told twice"
    assert alarm_log(box).records == records
    assert snapshot(start(box)) == Alarms(RULES, records).snapshot(), "and from the outbox alone"
    assert len(alarm_log(box).records) == len(records), "read in once"


def test_cut_at_any_byte_everything_before_it_is_read_in(box: Path, tmp_path: Path) -> None:
    records = episodes(1)
    whole, last = lines(records), lines(records[-1:])
    empty = box.read_bytes()
    for cut in range(len(whole) - len(last) - 1, len(whole) + 1, 7):
        box.write_bytes(empty)
        content = whole[:cut]
        log_beside(box, NODE.node).write_bytes(content)
        expected = [each for number, each in enumerate(records) if len(lines(records[: number + 1])) <= cut + 1]
        assert snapshot(start(box)) == Alarms(RULES, expected).snapshot()
        for each in tmp_path.glob("outbox.db-*"):
            each.unlink()


def test_what_an_earlier_process_wrote_and_did_not_tell_is_told_once_and_in_order(box: Path) -> None:
    records = episodes()
    log_beside(box, NODE.node).write_bytes(lines(records))
    reported(box, records[:5])
    known = max(each.state.rev for each in records[:5] if isinstance(each, Transition) and is_published(each))
    expected = [
        (each.state.rev, each.cause)
        for each in records
        if isinstance(each, Transition) and is_published(each) and each.state.rev > known
    ]
    assert expected
    for _ in range(2):
        start(box)
        assert waiting(box) == expected


def test_a_whole_log_that_no_outbox_has_seen_is_told_whole(box: Path) -> None:
    records: list[Record] = [
        Transition(NOW_S + rev, KEY, "raised", AlarmState(rev=rev), "Phy", "Me") for rev in range(1, 3001)
    ]
    log_beside(box, NODE.node).write_bytes(lines(records))
    start(box)
    assert [rev for rev, _ in waiting(box)] == list(range(1, 3001))


def test_history_in_parts_is_read_in_with_it(box: Path) -> None:
    parts = [episodes(2, NOW_S + 1000.0 * part) for part in range(3)]
    log = log_beside(box, NODE.node)
    for number, each in ((3, parts[0]), (2, parts[1])):
        log.with_name(f"{log.name}.{number}").write_bytes(lines(each))
    before(log).write_bytes(lines([*parts[1], *parts[2]]))  # a death left some in both
    log.write_bytes(lines(Alarms(RULES, parts[2]).snapshot()))
    old = [each for part in parts for each in part]
    start(box)
    assert {(each.at_s, to_line(each)) for each in alarm_log(box).records} == {
        (each.at_s, to_line(each)) for each in old
    }


def test_a_damaged_line_costs_that_line_alone(box: Path) -> None:
    records = episodes()
    content = lines(records).splitlines(keepends=True)
    content[2] = b"\0\xff" + content[2]
    log_beside(box, NODE.node).write_bytes(b"".join(content))
    reported(box, records)
    assert snapshot(start(box)) == Alarms(RULES, [*records[:2], *records[3:]]).snapshot()


def test_alarms_go_on_above_the_bound_of_the_old_log_and_above_what_was_told(box: Path) -> None:
    log_beside(box, NODE.node).write_bytes(lines(episodes()))
    log_beside(box, NODE.node).with_name(f"alarms-{NODE.node}.log.revs").write_bytes(b"%020d\nwritten\n" % 700)
    assert start(box).rev_floor == 700
    assert start(box).rev_floor == 700, "also where the log was read in before"
    with closing(sqlite3.connect(box)) as db:
        db.execute("DELETE FROM read_in")
        db.execute("INSERT OR REPLACE INTO told VALUES('bed1/continuous', 900)")
        db.commit()
    assert start(box).rev_floor == 900


def test_after_a_rollback_what_the_old_release_wrote_meanwhile_is_read_in_too(box: Path) -> None:
    first = episodes()
    log = log_beside(box, NODE.node)
    log.write_bytes(lines(first))
    reported(box, first)
    past = start(box)
    with closing(Outbox(box, 10, 1)) as outbox:  # this release works for a while
        outbox.put([], Rows(episodes(1, NOW_S + 1000.0, past.records)))
    with closing(sqlite3.connect(box)) as db:
        highest = dict(db.execute("SELECT alarm, rev FROM told"))["bed1/continuous"]
    assert highest == max(each.state.rev for each in alarm_log(box).records if isinstance(each, Transition))
    later = episodes(1, NOW_S + 2000.0, first, floor=highest)  # as the old one goes on, above all that was told
    log.write_bytes(lines([*first, *later]))
    reported(box, later)
    again = start(box)
    assert snapshot(again)[-1] == Alarms(RULES, [*first, *later]).snapshot()[-1]
    assert waiting(box) == []
    assert len(alarm_log(box).records) == len({to_line(each) for each in alarm_log(box).records})


def test_while_the_disk_refuses_the_alarms_go_on_from_the_old_log_and_it_is_read_in_later(
    box: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.delivery.database.BUSY_S", 0.0)
    records = episodes()
    log_beside(box, NODE.node).write_bytes(lines(records))
    reported(box, records[:5])
    Outbox(box, 10, 1).close()  # has the tables now
    with closing(Outbox(box, 10, 1)) as outbox:
        outbox.number_for(NODE.topic())
        with refusing(box):
            past = past_alarms(outbox, NODE)
            assert snapshot(past) == Alarms(RULES, records).snapshot()
            assert outbox.status.records_in_memory == len(records)
        outbox.tidy()
        assert outbox.status.records_in_memory == 0
    assert alarm_log(box).records == records
    assert snapshot(start(box)) == Alarms(RULES, records).snapshot()
    assert len(alarm_log(box).records) == len(records)


def test_old_files_go_when_all_that_they_say_is_too_old_and_not_before_they_are_read_in(box: Path) -> None:
    log = log_beside(box, NODE.node)
    for each in (log, before(log)):
        each.write_bytes(lines(episodes(1)))
        os.utime(each, (time.time() - 20 * DAY_S,) * 2)
    with closing(Outbox(box, 10, 1)) as outbox:
        remove_old(outbox, log, HistoryBound(days=10))
        assert log.exists()
        past_alarms(outbox, NODE)
        remove_old(outbox, log, HistoryBound(days=30))
        assert (log.exists(), before(log).exists()) == (True, True)
        remove_old(outbox, log, HistoryBound(days=10))
        assert (log.exists(), before(log).exists()) == (False, False)
        remove_old(outbox, log, HistoryBound(days=10))


def test_alarms_go_on_far_above_an_old_log_that_cannot_be_read(box: Path) -> None:
    log_beside(box, NODE.node).mkdir()
    past = start(box)
    assert (past.records, past.rev_floor > 1) == ([], True)


def minutes(numbers: Sequence[int], stream: str = "bed1") -> list[Minute]:
    return [Minute(stream, "continuous", NOW_S + 60.0 * number, number / 10, 60.0, 0.0) for number in numbers]


def old_history(path: Path, rows: Sequence[Minute]) -> None:
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT 1 FROM sqlite_master").fetchone():
            db.executescript(OLD_SCHEMA)
        query = "INSERT INTO minute(stream, grp, at_s, expected_s, measured_s, unverified_s) VALUES(?,?,?,?,?,?)"
        for each in rows:
            values = (each.stream, each.group, each.at_s, each.expected_s, each.measured_s, each.unverified_s)
            db.execute(query, values)
        db.commit()


def test_minutes_of_the_old_file_are_read_in_once_and_after_a_rollback_what_is_new(box: Path) -> None:
    old = history_path(box)
    old_history(old, [*minutes(range(3)), *minutes([1], "gone")])
    for _ in range(2):
        with closing(Outbox(box, 10, 1)) as outbox:
            read_minutes(outbox, ["bed1"])
        assert read_history(box) == minutes(range(3))
    old_history(old, minutes([7]))
    with closing(Outbox(box, 10, 1)) as outbox:
        outbox.put([], Rows(minutes=minutes([5])))
        read_minutes(outbox, ["bed1"])
    assert read_history(box) == [*minutes(range(3)), *minutes([5]), *minutes([7])]
    assert len(read_history(old)) == 5


def test_an_old_history_that_is_damaged_hinders_nothing(box: Path) -> None:
    history_path(box).write_bytes(b"no database" * 1000)
    with closing(Outbox(box, 10, 1)) as outbox:
        read_minutes(outbox, ["bed1"])
        outbox.put([], Rows(minutes=minutes([1])))
    assert read_history(box) == minutes([1])
