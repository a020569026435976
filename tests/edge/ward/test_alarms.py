"""All alarms of a node together: commands by name, each once, and what is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.contract.commands import Acknowledge, Command, Inactivate, Limit, NewPatient, Pause
from edge.ward import alarms as module
from edge.ward.alarm_records import Key, Ordered, Rule, Transition, Value
from edge.ward.alarms import Alarms

BURDEN, LOST, CLOCK = Key("bed1", "continuous"), Key("bed1", "signal-lost"), Key("", "clock")
RULES = {
    BURDEN: Rule("Phy", "Hi", latching=True, limit=5.0),
    Key("bed2", "continuous"): Rule("Phy", "Hi", latching=True, limit=5.0),
    LOST: Rule("Tec", "Me"),
    CLOCK: Rule("Tec", "Lo"),
}
SOUND: dict[Key, Value] = {BURDEN: 20.0, Key("bed2", "continuous"): 20.0, LOST: True, CLOCK: True}


@pytest.fixture
def ringing() -> Alarms:
    alarms = Alarms(RULES)
    alarms.advance(10.0, SOUND)
    return alarms


def ack(ident: str = "a", **more: object) -> Acknowledge:
    return Acknowledge.model_validate({"id": ident, "by": "nurse", **more})


def signals(alarms: Alarms) -> list[str]:
    return [alarms.state(key).signal for key in RULES]


def test_a_command_without_a_condition_is_for_the_whole_bed_and_no_other(ringing: Alarms) -> None:
    answer, records = ringing.command(11.0, "board", "bed1", ack())
    assert (answer.ok, answer.conditions) == (True, ("continuous", "signal-lost"))
    assert signals(ringing) == ["Ack", "On", "Ack", "On"]
    assert [type(record) for record in records] == [Transition, Transition, Ordered]
    assert ringing.state(BURDEN).acknowledged.by == "nurse (board)"  # type: ignore[union-attr]


def test_the_alarms_of_the_node_belong_to_no_bed(ringing: Alarms) -> None:
    assert ringing.command(11.0, "board", "", ack())[0].conditions == ("clock",)
    assert signals(ringing) == ["On", "On", "On", "Ack"]


def test_a_command_that_comes_twice_is_carried_out_once_and_answered_twice(ringing: Alarms) -> None:
    first, _ = ringing.command(11.0, "board", "bed1", Pause(id="p", by="nurse", duration_s=60))
    again, records = ringing.command(50.0, "board", "bed1", Pause(id="p", by="nurse", duration_s=60))
    assert (again, records) == (first, [])
    assert ringing.state(BURDEN).paused_until_s == 71.0


def test_an_id_belongs_to_one_command_of_one_user(ringing: Alarms) -> None:
    ringing.command(11.0, "board", "bed1", ack("x"))
    other, records = ringing.command(12.0, "board", "bed2", ack("x"))
    assert (other.ok, other.reason, records) == (False, "the id 'x' was used for another command", [])
    assert ringing.command(12.0, "tablet", "bed2", ack("x"))[0].ok


@pytest.mark.parametrize(
    ("stream", "command", "reason"),
    [
        ("bed9", ack(), "no bed 'bed9' here; there are bed1, bed2"),
        ("bed1", ack(condition="stridor"), "no alarm 'stridor' here; there are continuous, signal-lost"),
        ("bed1", ack(condition="continuous", episode=2), "episode 2 is not the present one (1)"),
        ("bed1", ack(episode=1), "an episode needs its condition"),
        (
            "bed1",
            Limit(id="l", by="n", condition="signal-lost", limit_s_per_min=3.0, why="why"),
            "signal-lost has no limit",
        ),
    ],
)
def test_what_cannot_be_carried_out_changes_nothing_and_may_be_corrected(
    stream: str, command: Command, reason: str, ringing: Alarms
) -> None:
    before = ringing.snapshot()
    answer, records = ringing.command(11.0, "board", stream, command)
    assert (answer.ok, answer.reason, records) == (False, reason, [])
    assert ringing.snapshot() == before


def test_the_episode_that_was_seen_may_be_named(ringing: Alarms) -> None:
    assert ringing.command(11.0, "board", "bed1", ack(condition="continuous", episode=1))[0].ok
    assert ringing.state(BURDEN).signal == "Ack"


def test_only_the_last_commands_are_remembered(ringing: Alarms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    for number in range(5):
        ringing.command(11.0 + number, "board", "bed1", ack(f"c{number}"))
    assert [each.answer.id for each in ringing.snapshot() if isinstance(each, Ordered)] == ["c2", "c3", "c4"]


def test_what_is_recorded_makes_the_same_alarms_again(ringing: Alarms) -> None:
    ringing.command(12.0, "board", "bed1", ack("x"))
    ringing.command(13.0, "board", "bed2", Inactivate(id="i", by="nurse", duration_s=60, why="suction"))
    again = Alarms(RULES, ringing.snapshot())
    assert again.snapshot() == ringing.snapshot()
    assert again.command(14.0, "board", "bed1", ack("x"))[1] == []
    assert again.advance(74.0, SOUND) == ringing.advance(74.0, SOUND)


def test_an_alarm_that_the_settings_do_not_have_any_more_is_ended_in_the_log(ringing: Alarms) -> None:
    stored = {key: rule for key, rule in RULES.items() if key != BURDEN}
    again = Alarms(stored, ringing.snapshot())
    (ended,) = again.advance(20.0, SOUND)
    assert (ended.key, ended.cause, ended.state.signal, ended.state.rev) == (
        BURDEN,
        "not configured",
        "Off",
        ringing.state(BURDEN).rev + 1,
    )
    assert again.advance(21.0, SOUND) == []


def test_what_was_on_at_a_death_stays_on_until_it_is_measured_again(ringing: Alarms) -> None:
    again = Alarms(RULES, ringing.snapshot())
    again.advance(1e6, {})
    assert signals(again) == ["On"] * 4
    assert not any(again.state(key).known for key in RULES)
    again.advance(1e6 + 1, {BURDEN: 0.0, LOST: False})
    assert signals(again) == ["Latch", "On", "Off", "On"]


def test_an_alarm_that_comes_back_into_the_settings_goes_on_from_its_rev(ringing: Alarms) -> None:
    stored = {key: rule for key, rule in RULES.items() if key != BURDEN}
    without = Alarms(stored, ringing.snapshot())
    (ended,) = without.advance(20.0, SOUND)
    back = Alarms(RULES, without.snapshot())
    assert (back.state(BURDEN).rev, back.state(BURDEN).signal, back.cause(BURDEN)) == (ended.state.rev, "Off", "")
    first = next(each for each in back.advance(30.0, SOUND) if each.key == BURDEN)
    assert first.state.rev == ended.state.rev + 1


def test_what_may_have_been_told_without_being_recorded_is_never_told_again(ringing: Alarms) -> None:
    stored = {key: rule for key, rule in RULES.items() if key != CLOCK}
    again = Alarms(stored, ringing.snapshot(), rev_floor=500)
    assert again.state(BURDEN) == replace(ringing.state(BURDEN), rev=500)
    assert again.snapshot() == ringing.snapshot(), "what was recorded stays as it was"
    changes = again.advance(20.0, {LOST: False})
    assert min(each.state.rev for each in changes) == 501
    assert next(each for each in changes if each.key == CLOCK).cause == "not configured"


def test_what_changes_is_noted_with_the_wall_clock_as_it_is_set_then() -> None:
    stored, ahead_s = {key: rule for key, rule in RULES.items() if key != CLOCK}, [100.0]
    alarms = Alarms(RULES, wall=lambda at_s: at_s + ahead_s[0])
    first = alarms.advance(10.0, SOUND)
    ahead_s[0] = 5000.0
    _, ordered = alarms.command(11.0, "board", "bed1", ack())
    assert ({each.wall_s for each in first}, {each.wall_s for each in ordered}) == ({110.0}, {5011.0})
    ended = Alarms(stored, alarms.snapshot(), wall=lambda at_s: at_s + 1.0).advance(20.0, SOUND)
    assert [(each.cause, each.wall_s) for each in ended] == [("not configured", 21.0)]


def test_a_new_patient_is_of_one_bed_is_written_once_and_names_nobody(ringing: Alarms) -> None:
    order = NewPatient(id="n", by="configure")
    answer, records = ringing.command(11.0, "board", "bed1", order)
    assert (answer.ok, answer.conditions) == (True, ("continuous",))
    assert [each.by for each in records if isinstance(each, Transition)] == [None]
    assert [ringing.state(key).signal for key in (BURDEN, Key("bed2", "continuous"), LOST)] == ["Off", "On", "On"]
    assert ringing.command(12.0, "board", "bed1", order) == (answer, [])
    refusal, _ = ringing.command(13.0, "board", "", NewPatient(id="o", by="configure"))
    assert refusal.reason == "a patient is of a bed, not of the node"
