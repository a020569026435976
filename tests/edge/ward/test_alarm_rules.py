"""The rules of one alarm, each by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.ward.alarm_records import AlarmState, Person, Rule, Value
from edge.ward.alarm_rules import (
    Change,
    acknowledge,
    advance,
    inactivate,
    is_audible,
    new_patient,
    pause,
    priority_of,
    set_limit,
)

RULE = Rule("Phy", "Me", latching=True, limit=10.0)
TECHNICAL = Rule("Tec", "Lo", delay_s=30.0)


def nurse(at_s: float) -> Person:
    return Person("nurse (board)", at_s, "seen")


def causes(changes: list[Change]) -> list[str]:
    return [change.cause for change in changes]


def after(rule: Rule, *measured: tuple[float, Value], state: AlarmState | None = None) -> AlarmState:
    """The state after measurements, each at a time."""
    state = state or AlarmState()
    for now_s, value in measured:
        for change in advance(rule, state, now_s, value):
            assert change.state.rev == state.rev + 1
            state = change.state
    return state


def test_a_burden_at_its_limit_raises_and_one_just_below_does_not() -> None:
    assert after(RULE, (1, 9.99)).signal == "Off"
    state = after(RULE, (1, 10.0))
    assert (state.signal, state.since_s, state.episode, is_audible(state)) == ("On", 1, 1, True)


def test_without_a_limit_nothing_physiological_is_raised() -> None:
    assert after(replace(RULE, limit=None), (1, 60.0)) == AlarmState()


def test_a_burden_must_fall_below_seven_tenths_of_its_limit_to_be_over() -> None:
    on = after(RULE, (1, 12.0), (2, 7.0))
    assert (on.signal, on.presence) == ("On", True)
    assert after(RULE, (3, 6.99), state=on).signal == "Latch"
    assert after(replace(RULE, latching=False), (3, 6.99), state=on).signal == "Off"
    assert after(RULE, (3, 6.99), (4, 9.0), state=on).signal == "Latch"  # to rise again it must reach the whole limit


@pytest.mark.parametrize("unknown", [None, float("nan"), float("inf")])
def test_what_is_not_known_neither_raises_nor_clears_and_is_said(unknown: float | None) -> None:
    assert after(RULE, (1, unknown)).presence is False
    on = after(RULE, (1, 12.0))
    later = after(RULE, (2, unknown), (9e9, unknown), state=on)
    assert (later.signal, later.presence, later.known) == ("On", True, False)
    assert causes(advance(RULE, on, 2, unknown)) == ["unknown"]


def test_a_condition_that_lasts_shorter_than_its_delay_is_never_signalled() -> None:
    assert after(TECHNICAL, (0, True), (29.9, True), (29.95, False), (60, False)).episode == 0
    assert after(TECHNICAL, (0, True), (30, True)).signal == "On"
    assert after(TECHNICAL, (0, True), (20, False), (21, True), (50.9, True)).signal == "Off"


def test_a_person_acknowledges_what_lasts_and_ends_what_is_latched() -> None:
    on = after(RULE, (1, 12.0))
    (acked,) = acknowledge(on, nurse(5))
    assert (acked.state.signal, acked.state.acknowledged, acked.by) == ("Ack", nurse(5), nurse(5))
    assert not is_audible(acked.state)
    assert after(RULE, (6, 1.0), state=acked.state).signal == "Off"
    latched = after(RULE, (6, 1.0), state=on)
    assert is_audible(latched)
    (ended,) = acknowledge(latched, nurse(7))
    assert ended.state.signal == "Off"


def test_acknowledging_twice_changes_nothing_more() -> None:
    acked = acknowledge(after(RULE, (1, 12.0)), nurse(5))[0].state
    assert acknowledge(acked, nurse(6)) == []
    assert acknowledge(AlarmState(), nurse(6)) == []


def test_what_returns_soon_is_the_same_episode_and_stays_acknowledged_unless_it_is_high() -> None:
    acked = acknowledge(after(RULE, (1, 12.0)), nurse(5))[0].state
    over = after(RULE, (100, 0.0), state=acked)
    again = after(RULE, (399, 12.0), state=over)
    assert (again.signal, again.episode) == ("Ack", 1)
    new = after(RULE, (400, 12.0), state=over)
    assert (new.signal, new.episode, new.acknowledged) == ("On", 2, None)
    high = after(replace(RULE, priority="Hi"), (399, 12.0), state=over)
    assert (high.signal, high.episode) == ("On", 1)


def test_a_pause_silences_for_its_time_and_what_is_raised_meanwhile_is_heard() -> None:
    on = after(RULE, (0, 12.0))
    (paused,) = pause(on, 120, nurse(10))
    assert (paused.state.signal, is_audible(paused.state)) == ("On", False)
    assert not is_audible(after(RULE, (129.9, 12.0), state=paused.state))
    assert is_audible(after(RULE, (130, 12.0), state=paused.state))
    latched = after(RULE, (20, 0.0), state=paused.state)
    assert not is_audible(latched)
    assert is_audible(after(RULE, (21, 12.0), state=latched))
    assert pause(AlarmState(), 120, nurse(1)) == []


def test_nobody_coming_raises_the_priority_once_and_ends_a_pause() -> None:
    rule = replace(RULE, escalate_s=180.0)
    on = pause(after(rule, (0, 12.0)), 120, nurse(100))[0].state
    assert priority_of(rule, after(rule, (179.9, 12.0), state=on)) == "Me"
    changes = advance(rule, on, 180, 12.0)
    assert causes(changes) == ["escalated"]
    assert (priority_of(rule, changes[0].state), is_audible(changes[0].state)) == ("Hi", True)
    assert advance(rule, changes[0].state, 1000, 12.0) == []
    seen = acknowledge(on, nurse(150))[0].state
    assert priority_of(rule, after(rule, (1000, 12.0), state=seen)) == "Me"


@pytest.mark.parametrize("latching", [True, False])
def test_what_comes_and_goes_unanswered_escalates_as_if_it_had_stayed(latching: bool) -> None:
    rule, state, escalated = replace(RULE, escalate_s=180.0, latching=latching), AlarmState(), []
    for second in range(600):
        for change in advance(rule, state, second, 12.0 if second % 60 < 50 else 0.0):
            state = change.state
            escalated += [second] if change.cause == "escalated" else []
    assert escalated == [180]
    assert state.episode == 1


def test_a_latched_signal_that_nobody_answers_escalates_and_one_that_was_answered_does_not() -> None:
    rule = replace(RULE, escalate_s=180.0)
    latched = after(rule, (0, 12.0), (20, 0.0))
    assert causes(advance(rule, latched, 179.9, 0.0)) == []
    (change,) = advance(rule, latched, 180, 0.0)
    assert (change.cause, change.state.signal, priority_of(rule, change.state)) == ("escalated", "Latch", "Hi")
    assert acknowledge(change.state, nurse(200))[0].state.signal == "Off"
    seen = acknowledge(after(rule, (0, 12.0)), nurse(10))[0].state
    assert not after(rule, (20, 0.0), (30, 12.0), (1000, 12.0), state=seen).escalated


def test_what_went_off_by_itself_escalates_when_it_returns_in_the_same_episode_and_not_in_another() -> None:
    rule = replace(RULE, escalate_s=180.0, latching=False)
    off = after(rule, (0, 12.0), (100, 0.0))
    assert not after(rule, (300, 0.0), state=off).escalated, "nothing is signalled"
    assert causes(advance(rule, off, 300, 12.0)) == ["present", "raised", "escalated"]
    assert causes(advance(rule, off, 400, 12.0)) == ["present", "raised"]


def test_a_signal_of_an_old_log_that_does_not_say_since_when_nobody_answered_counts_from_what_it_says() -> None:
    rule = replace(RULE, escalate_s=180.0)
    old = replace(after(rule, (50, 12.0)), unanswered_since_s=None)
    assert causes(advance(rule, old, 229.9, 12.0)) == []
    assert causes(advance(rule, old, 230, 12.0)) == ["escalated"]


def test_an_episode_began_with_its_first_signal_whoever_sees_it_and_however_it_comes_and_goes() -> None:
    rule = replace(RULE, escalate_s=None)
    seen = acknowledge(after(rule, (50, 12.0)), nurse(70))[0].state
    assert (seen.signal, seen.since_s, seen.began_s) == ("Ack", 70, 50)
    over = after(rule, (100, 0.0), state=seen)
    returned = after(rule, (110, 12.0), state=over)
    assert (returned.signal, returned.episode, returned.began_s) == ("Ack", 1, 50)
    another = after(rule, (5000, 0.0), (6000, 12.0), state=returned)
    assert (another.signal, another.episode, another.began_s) == ("On", 2, 6000)


def test_an_inactivated_alarm_is_off_until_its_time_and_then_raised_anew() -> None:
    (off,) = inactivate(after(RULE, (0, 12.0)), 600, nurse(10))
    assert (off.state.signal, off.state.inactivated) == ("Off", nurse(10))
    assert after(RULE, (609.9, 60.0), state=off.state).signal == "Off"
    again = after(RULE, (610, 60.0), state=off.state)
    assert (again.signal, again.episode, again.inactivated) == ("On", 2, None)
    (ended,) = inactivate(off.state, 0, nurse(20))
    assert ended.cause == "reactivated"
    assert after(RULE, (20, 60.0), state=ended.state).signal == "On"
    assert inactivate(AlarmState(), 0, nurse(20)) == []


def test_what_was_acknowledged_before_an_inactivation_rings_after_it() -> None:
    acked = acknowledge(after(RULE, (1, 12.0)), nurse(5))[0].state
    off = inactivate(acked, 60, nurse(6))[0].state
    assert after(RULE, (66, 12.0), state=off).signal == "On"


def test_a_limit_of_this_bed_goes_before_that_of_the_settings() -> None:
    on = after(RULE, (1, 12.0))
    (higher,) = set_limit(on, 20.0, nurse(2))
    assert (higher.state.signal, higher.state.limit.person if higher.state.limit else None) == ("On", nurse(2))
    assert after(RULE, (3, 12.0), state=higher.state).signal == "Latch"  # below 14
    assert after(RULE, (3, None), state=higher.state).signal == "On"  # nobody knows
    (usual,) = set_limit(higher.state, None, nurse(4))
    assert usual.state.limit is None
    assert set_limit(usual.state, None, nurse(5)) == []
    mine = set_limit(AlarmState(), 5.0, nurse(1))[0].state
    assert after(replace(RULE, limit=None), (2, 5.0), state=mine).signal == "On"


def test_an_alarm_whose_limit_is_taken_away_ends_and_says_why() -> None:
    rule = replace(RULE, limit=None)
    on = after(rule, (2, 5.0), state=set_limit(AlarmState(), 5.0, nurse(1))[0].state)
    without = set_limit(on, None, nurse(3))[0].state
    changes = advance(rule, without, 3, 5.0)
    assert causes(changes) == ["no limit"]
    assert (changes[0].state.signal, changes[0].state.presence) == ("Off", False)
    assert advance(rule, changes[0].state, 4, 5.0) == []


def test_a_high_one_that_ends_unseen_is_latched_whatever_the_settings_say() -> None:
    assert after(replace(RULE, latching=False, priority="Hi"), (1, 12.0), (2, 0.0)).signal == "Latch"
    escalating = replace(RULE, latching=False, escalate_s=10.0)
    assert after(escalating, (1, 12.0), (11, 12.0), (12, 0.0)).signal == "Latch"
    assert after(escalating, (1, 12.0), (10, 12.0), (12, 0.0)).signal == "Off"


def test_what_is_latched_stays_so_through_a_return_that_is_too_short_to_be_signalled() -> None:
    rule = replace(RULE, delay_s=10.0)
    latched = after(rule, (0, 12.0), (10, 12.0), (11, 0.0))
    assert after(rule, (20, 12.0), (29, 0.0), state=latched).signal == "Latch"
    assert after(rule, (20, 12.0), (30, 12.0), state=latched).signal == "On"


def test_the_highest_priority_has_nothing_to_escalate_to() -> None:
    rule = replace(RULE, priority="Hi", escalate_s=10.0)
    assert advance(rule, after(rule, (0, 12.0)), 100, 12.0) == []


def test_an_escalation_belongs_to_its_episode() -> None:
    rule = replace(RULE, escalate_s=10.0)
    high = after(rule, (0, 12.0), (10, 12.0))
    assert priority_of(rule, inactivate(high, 60, nurse(11))[0].state) == "Me"
    over = after(rule, (20, 0.0), state=acknowledge(high, nurse(11))[0].state)
    assert priority_of(rule, after(rule, (319, 12.0), state=over)) == "Hi"  # the same episode
    assert priority_of(rule, after(rule, (320, 12.0), state=over)) == "Me"


def test_what_ends_by_a_person_or_without_a_limit_begins_another_episode() -> None:
    over = after(RULE, (2, 0.0), state=acknowledge(after(RULE, (0, 12.0)), nurse(1))[0].state)
    off = inactivate(over, 10, nurse(3))[0].state
    assert after(RULE, (13, 12.0), state=off).episode == 2
    unwatched = after(replace(RULE, limit=None), (3, 0.0), state=over)
    assert after(RULE, (4, 12.0), state=unwatched).episode == 2


def test_of_the_patient_before_no_signal_limit_or_inactivation_is_left_and_nobody_is_named() -> None:
    on = after(RULE, (1, 12.0))
    limited = set_limit(on, 20.0, nurse(2))[0].state
    for state in (on, acknowledge(on, nurse(2))[0].state, inactivate(limited, 600, nurse(3))[0].state):
        (change,) = new_patient(RULE, state, 9.0)
        assert change == Change("new patient", AlarmState(rev=state.rev + 1, episode=1, since_s=9.0))
    assert after(RULE, (10, 12.0), state=change.state).episode == 2


def test_what_is_wrong_with_the_monitoring_stays_for_the_next_patient() -> None:
    latching = replace(TECHNICAL, latching=True)
    loose = after(latching, (0, True), (30, True))
    assert new_patient(latching, loose, 31.0) == []
    (over,) = new_patient(latching, after(latching, (31, False), state=loose), 32.0)
    (on,) = new_patient(latching, inactivate(loose, 600, nurse(31))[0].state, 32.0)
    assert [(each.state.signal, each.state.inactivated) for each in (over, on)] == [("Off", None)] * 2
    assert after(latching, (33, True), state=on.state).signal == "On", "what lasts is signalled again"
