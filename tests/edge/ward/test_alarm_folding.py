"""The history of alarms made short: every change of a signal stays, and what is said again is counted."""

from __future__ import annotations

from dataclasses import replace

from edge.contract.commands import Acknowledge, Inactivate, Pause
from edge.ward.alarm_records import Key, Record, Rule, Transition, from_line, to_line
from edge.ward.alarm_rules import MOST_PEOPLE, beyond, folded, signals_alone
from edge.ward.alarms import REMEMBERED, WRITTEN_UNCHANGED, Alarms

KEY = Key("bed1", "continuous")
RULES = {KEY: Rule("Phy", "Me", latching=True, limit=5.0, group_s=0.0)}


def paused(alarms: Alarms, times: int, begin_s: float, by: str = "nurse", user: str = "board") -> list[Record]:
    """A signal that is paused again and again."""
    records: list[Record] = []
    for number in range(times):
        command = Pause(id=f"p{begin_s:.0f}-{number}", by=by, duration_s=30.0 + 20 * (number % 2))
        records += alarms.command(begin_s + number, user, "bed1", command)[1]
    return records


def causes(records: list[Record]) -> list[tuple[str, int]]:
    return [(each.cause, each.repeats) for each in records if isinstance(each, Transition)]


def test_a_thousand_pauses_of_a_signal_are_one_line_and_what_was_before_and_after_stays() -> None:
    alarms = Alarms(RULES)
    records: list[Record] = list(alarms.advance(1.0, {KEY: 20.0}))
    records += paused(alarms, 1000, 10.0)
    records += alarms.command(2000.0, "board", "bed1", Acknowledge(id="a", by="nurse"))[1]
    records += alarms.advance(2100.0, {KEY: 0.0})
    short = folded(records)
    assert [cause for cause, _ in causes(short)] == [
        "known",
        "present",
        "raised",
        "audio paused",
        "acknowledged",
        "cleared",
    ]
    (pauses,) = [each for each in short if isinstance(each, Transition) and each.cause == "audio paused"]
    assert (pauses.repeats, pauses.first_s, pauses.at_s) == (999, 10.0, 1009.0)
    assert Alarms(RULES, short).state(KEY) == alarms.state(KEY)
    assert all(from_line(to_line(each)) == each for each in short)


def test_folding_what_is_folded_adds_the_counts_and_nothing_is_counted_twice() -> None:
    alarms = Alarms(RULES)
    records: list[Record] = list(alarms.advance(1.0, {KEY: 20.0}))
    records += paused(alarms, 100, 10.0)
    more = paused(alarms, 50, 200.0)
    older = folded(records)
    assert causes(beyond([*records, *more], older)) == causes(more)
    assert folded([*older, *beyond([*records, *more], older)]) == folded([*records, *more])


def test_who_invents_names_writes_no_line_for_each() -> None:
    alarms = Alarms(RULES)
    records: list[Record] = list(alarms.advance(1.0, {KEY: 20.0}))
    for number in range(500):
        records += paused(alarms, 1, 10.0 + number, f"nobody {number}", "flood")
    short = folded(records)
    assert len(short) <= 3 + MOST_PEOPLE + 1
    assert sum(repeats + 1 for cause, repeats in causes(short) if cause == "audio paused") == len(causes(records)) - 3


def test_of_a_history_without_room_the_changes_of_signals_stay() -> None:
    alarms = Alarms(RULES)
    records: list[Record] = list(alarms.advance(1.0, {KEY: 20.0}))
    records += paused(alarms, 5, 10.0)
    records += alarms.command(2000.0, "board", "bed1", Acknowledge(id="a", by="nurse"))[1]
    assert [cause for cause, _ in causes(signals_alone(folded(records)))] == ["known", "raised", "acknowledged"]


def test_of_orders_that_change_nothing_those_beyond_ten_a_minute_are_a_count_with_the_next_that_is_written() -> None:
    alarms = Alarms(RULES)
    for number in range(17):
        answer, records = alarms.command(1.0 + number / 4, "board", "bed1", Pause(id=f"p{number}", by="nurse"))
        assert (answer.ok, answer.conditions, len(records)) == (True, (), number < WRITTEN_UNCHANGED)
    alarms.advance(10.0, {KEY: 20.0})
    _, (*_, ordered) = alarms.command(11.0, "board", "bed1", Acknowledge(id="a", by="nurse"))
    assert not isinstance(ordered, Transition)
    assert ordered.unchanged == 7
    again = alarms.command(12.0, "board", "bed1", Pause(id="p16", by="nurse"))
    assert again == (replace(answer, id="p16"), []), "it is remembered all the same"


def test_an_order_that_changed_nothing_is_not_carried_out_after_a_death_when_it_would_change_something() -> None:
    alarms, written = Alarms(RULES), list[Record]()
    written += alarms.advance(1.0, {KEY: 20.0})
    written += alarms.command(2.0, "board", "bed1", Inactivate(id="i1", by="nurse", why="suction", duration_s=60))[1]
    seen = Acknowledge(id="a1", by="nurse")
    answer, records = alarms.command(3.0, "board", "bed1", seen)
    assert answer.conditions == ()
    written += records
    written += alarms.advance(70.0, {KEY: 20.0})
    assert alarms.state(KEY).signal == "On"
    after = Alarms(RULES, written)
    assert after.command(71.0, "board", "bed1", seen) == (answer, [])
    assert after.state(KEY).signal == "On"


def test_a_flood_of_one_user_lets_nobody_elses_command_be_forgotten() -> None:
    alarms = Alarms(RULES)
    alarms.advance(1.0, {KEY: 20.0})
    seen = Acknowledge(id="a", by="nurse")
    answer, _ = alarms.command(2.0, "board", "bed1", seen)
    for number in range(2 * REMEMBERED):
        alarms.command(3.0, "flood", "bed1", Pause(id=f"p{number}", by="flood"))
    assert alarms.command(4.0, "board", "bed1", seen) == (answer, [])
    assert len(alarms.snapshot()) <= 1 + REMEMBERED + 1


def test_a_line_of_an_older_release_is_read() -> None:
    alarms = Alarms(RULES)
    (first, *_) = alarms.advance(1.0, {KEY: 20.0})
    old = to_line(first).replace(b',"repeats":0,"first_s":null', b"")
    assert b"repeats" not in old
    assert from_line(old) == first
