"""Which alarms a node has by its settings, and what they measure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge.contract.commands import Limit
from edge.delivery.entries import OutboxStatus
from edge.detector.sound_check import SoundAssessment
from edge.errors import ConfigError
from edge.node.alarm_inputs import (
    BedReading,
    NodeReading,
    bed_reading,
    bed_values,
    breath_values,
    node_values,
    rules_of,
)
from edge.node.stream_status import State, StreamStatus
from edge.settings.node import parse_config
from edge.settings.sections import BreathAlarms, PauseAlarm, check_groups
from edge.sources.source import Vitals
from edge.ward.alarm_records import BedLimit, Key, Person, Rule
from edge.ward.alarm_rules import effective_limit, is_watched
from edge.ward.alarms import Alarms
from edge.ward.respiratory_rate import RateReading
from tests.edge.wards import settings

GROUPS = ("continuous", "discontinuous")
RATES = "rate-high", "rate-low"
LINKED = {
    "streams": [{"id": "bed1", "source": "mic"}, {"id": "bed2", "source": "link:left"}],
    "link": {"devices": [{"id": "0x1a2b3c4d", "name": "left"}], "udp": {}},
}


def test_by_default_nothing_physiological_can_be_raised(tmp_path: Path) -> None:
    rules = rules_of(settings(tmp_path, **LINKED), GROUPS)
    alarms = Alarms(rules)
    burdens = {key: 60.0 for key in rules if key.condition in GROUPS}
    assert len(burdens) == 4
    assert alarms.advance(1.0, burdens) == []
    assert not any(is_watched(rules[key], alarms.state(key)) for key in burdens)


def test_breath_has_only_the_alarms_of_its_sections_and_no_breath_the_priority_of_a_pause(tmp_path: Path) -> None:
    breath = {"pause": {"after_s": 15, "escalate_s": 60}, "rate_low": {"limit_per_min": 8, "priority": "Lo"}}
    rules = rules_of(settings(tmp_path, alarms={"breath": breath}), GROUPS)
    paused = Rule("Phy", "Hi", 0.0, True, 60.0, is_binary=True)
    assert (rules[Key("bed1", "breath-pause")], rules[Key("bed1", "no-breath")]) == (paused, paused)
    assert rules[Key("bed1", "rate-low")] == Rule("Phy", "Lo", 30.0, False, limit=8.0, rate="low")
    assert rules[Key("bed1", "rate-high")].limit is None


@pytest.mark.parametrize(
    ("is_without", "verdict", "vitals", "paused", "unheard"),
    [
        (True, SoundAssessment(touches=True), None, True, False),
        (True, SoundAssessment(False, "", "no contact", measurable=False, touches=False), None, False, True),
        (True, SoundAssessment(), Vitals("0x1", True, ()), True, False),  # the device's own word
        (True, SoundAssessment(), Vitals("0x1", True, ("no contact",)), False, True),
        (False, SoundAssessment(touches=True), None, False, False),
        (None, SoundAssessment(touches=True), None, None, None),  # lost, masked, or too short to say
    ],
)
def test_a_pause_without_evidence_of_contact_is_never_nothing(
    is_without: bool | None, verdict: SoundAssessment, vitals: Vitals | None, paused: bool | None, unheard: bool | None
) -> None:
    now = StreamStatus(0.0, 0.0, State("ok", "", 0.0), verdict=verdict, vitals=vitals, is_without_breath=is_without)
    values = breath_values(now, BreathAlarms(pause=PauseAlarm()))
    assert (values["breath-pause"], values["no-breath"]) == (paused, unheard)


@pytest.mark.parametrize(("rate", "high", "low"), [(40.0, "On", "Off"), (20.0, "Off", "Off"), (8.0, "Off", "On")])
def test_a_rate_is_signalled_at_its_limits_and_an_unknown_one_at_none(
    rate: float, high: str, low: str, tmp_path: Path
) -> None:
    breath = {"rate_high": {"limit_per_min": 40, "delay_s": 0}, "rate_low": {"limit_per_min": 8, "delay_s": 0}}
    config = settings(tmp_path, alarms={"breath": breath})
    alarms, keys = Alarms(rules_of(config, GROUPS)), [Key("bed1", "rate-high"), Key("bed1", "rate-low")]
    now = StreamStatus(0.0, 0.0, State("ok", "", 0.0), breath=RateReading(1, rate, 0.9, 1.0, ""))
    unknown = replace(now, breath=RateReading(1, None, 0.9, 1.0, "irregular"))
    for now_s, status, signals in (
        (1.0, unknown, ["Off", "Off"]),
        (2.0, now, [high, low]),
        (3.0, unknown, [high, low]),
    ):
        values = breath_values(status, config.alarms.breath)
        alarms.advance(now_s, {key: values[key.condition] for key in keys})
        assert [alarms.state(key).signal for key in keys] == signals


def test_a_person_sets_limits_of_the_rate_of_one_bed_and_they_outlast_the_process(tmp_path: Path) -> None:
    rules = rules_of(settings(tmp_path, alarms={}), GROUPS)
    alarms, high, low = Alarms(rules), Key("bed1", "rate-high"), Key("bed1", "rate-low")

    def order(ident: str, condition: str, **limit: float | None) -> tuple[bool, str]:
        command = Limit(id=ident, by="Dr L", condition=condition, why="eight months old", **limit)
        answer, _ = alarms.command(1.0, "nurse-2", "bed1", command)
        return answer.ok, answer.reason

    assert alarms.advance(1.0, {high: 70.0, low: 70.0}) == []
    assert order("a1", "rate-high", limit_per_min=57) == (True, "")
    assert order("a2", "rate-low", limit_per_min=60) == (
        False,
        "rate-low must be below rate-high, which is 57; found 60",
    )
    assert order("a3", "rate-low", limit_s_per_min=6) == (False, "rate-low needs limit_per_min")
    assert order("a4", "continuous", limit_per_min=20) == (False, "continuous needs limit_s_per_min")
    again = Alarms(rules, alarms.snapshot())
    for now_s in (2.0, 40.0):
        again.advance(now_s, {high: 58.0, low: 58.0})
    assert (again.state(high).signal, again.state(low).signal) == ("On", "Off")
    assert again.state(high).limit == BedLimit(None, Person("Dr L (nurse-2)", 1.0, "eight months old"), 57.0)
    assert order("a5", "rate-high", limit_per_min=None) == (True, "")
    assert effective_limit(rules[high], alarms.state(high)) is None


def test_a_source_that_is_lost_says_nothing_of_breath() -> None:
    now = StreamStatus(0.0, 0.0, State("lost", "", 0.0), is_without_breath=True, verdict=SoundAssessment(touches=True))

    class View:
        id, status = "bed1", now

    values = bed_values("bed1", bed_reading(View(), 0.0, BreathAlarms(pause=PauseAlarm())), GROUPS)
    assert (values[Key("bed1", "breath-pause")], values[Key("bed1", "no-breath")]) == (None, None)


def test_a_condition_of_breath_takes_no_limit_of_seconds_a_minute(tmp_path: Path) -> None:
    alarms = Alarms(rules_of(settings(tmp_path, alarms={"breath": {"pause": {}}}), GROUPS))
    order = Limit(id="a1", by="nurse K", condition="breath-pause", limit_s_per_min=5, why="because")
    answer, records = alarms.command(1.0, "nurse-2", "bed1", order)
    assert (answer.ok, answer.reason, records) == (False, "breath-pause has no limit", [])


def test_a_pause_is_signalled_at_once_and_stays_until_a_person_has_seen_it(tmp_path: Path) -> None:
    alarms = Alarms(rules_of(settings(tmp_path, alarms={"breath": {"pause": {}}}), GROUPS))
    key = Key("bed1", "breath-pause")
    for now_s, value, signal in ((1.0, False, "Off"), (2.0, True, "On"), (3.0, None, "On"), (4.0, False, "Latch")):
        alarms.advance(now_s, {key: value})
        assert alarms.state(key).signal == signal


def test_limits_of_the_rate_the_wrong_way_round_are_refused(tmp_path: Path) -> None:
    breath = {"rate_low": {"limit_per_min": 40}, "rate_high": {"limit_per_min": 20}}
    with pytest.raises(
        ConfigError, match=r"rate_low\.limit_per_min must be below rate_high\.limit_per_min, found 40 and 20"
    ):
        settings(tmp_path, alarms={"breath": breath})


def test_only_a_device_that_measures_it_has_an_alarm_of_its_battery(tmp_path: Path) -> None:
    rules = rules_of(settings(tmp_path, **LINKED), GROUPS)
    names = {stream: {key.condition for key in rules if key.stream == stream} for stream in ("bed1", "bed2", "")}
    assert names["bed1"] == {*GROUPS, *RATES, "signal-lost", "not-measurable", "contact"}
    assert names["bed2"] == {*names["bed1"], "battery"}
    assert names[""] == {"outbox", "model", "clock", "self-test", "alarm-log", "delivery"}


def test_every_setting_of_an_alarm_reaches_its_rule(tmp_path: Path) -> None:
    alarms = {
        "burden": {
            "continuous": {
                "limit_s_per_min": 6,
                "priority": "Hi",
                "delay_s": 5,
                "latching": False,
                "escalate_s": 60,
                "group_s": 30,
            },
            "discontinuous": {"limit_s_per_min": 9, "priority": "Lo"},
        },
        "technical": {
            "clock": {"enabled": False},
            "signal-lost": {"priority": "Hi", "delay_s": 0, "latching": True, "escalate_s": 99},
        },
    }
    rules = rules_of(settings(tmp_path, alarms=alarms), GROUPS)
    assert rules[Key("bed1", "continuous")] == Rule("Phy", "Hi", 5.0, False, 60.0, 30.0, 6.0)
    assert rules[Key("bed1", "discontinuous")] == Rule("Phy", "Lo", 0.0, False, None, 300.0, 9.0)
    assert rules[Key("bed1", "signal-lost")] == Rule("Tec", "Hi", 0.0, True, 99.0)
    assert Key("", "clock") not in rules
    assert rules_of(settings(tmp_path), GROUPS)[Key("bed1", "signal-lost")] == Rule("Tec", "Me", 30.0)


@pytest.mark.parametrize(
    ("alarms", "expected_text"),
    [
        ({"burden": {"continuous": {"limit": 6}}}, "unknown key 'alarms.burden.continuous.limit' (did you mean"),
        ({"burden": {"continuous": {"limit_s_per_min": 61}}}, "alarms.burden.continuous.limit_s_per_min: 61"),
        ({"technical": {"clocks": {}}}, "alarms.technical.clocks"),
        ({"technical": {"clock": {"priority": "High"}}}, "alarms.technical.clock.priority: 'High'"),
    ],
)
def test_a_mistake_in_the_settings_names_its_key(alarms: object, expected_text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"streams": [{"id": "bed1", "source": "mic"}], "alarms": alarms}, "ward.yaml")
    assert expected_text in str(caught.value)


def test_a_group_that_the_model_lacks_is_named(tmp_path: Path) -> None:
    wrong = settings(tmp_path, alarms={"burden": {"wheeze": {"limit_s_per_min": 6}}})
    with pytest.raises(ConfigError, match=r"alarms.burden.wheeze: .* it has continuous, discontinuous"):
        check_groups(wrong.alarms, GROUPS)


@pytest.mark.parametrize(
    ("state", "conditions", "expected"),
    [
        ("ok", (), (False, False, False, False)),
        ("unknown", ("no contact",), (None, None, None, None)),
        ("lost", ("no contact", "battery"), (True, None, None, None)),
        ("disabled", (), (None, None, None, None)),  # its node stops: of the device nothing is known
        ("degraded", ("battery",), (False, True, False, True)),
        ("degraded", ("no contact",), (False, False, True, False)),  # one notice for one fault
    ],
)
def test_a_bed_is_measured_by_its_state_and_its_device(
    state: str, conditions: tuple[str, ...], expected: tuple[bool | None, ...]
) -> None:
    values = bed_values("bed1", BedReading(state, Vitals("0x1", True, conditions), {"continuous": 3.0}), GROUPS)
    names = ("signal-lost", "not-measurable", "contact", "battery")
    assert tuple(values[Key("bed1", name)] for name in names) == expected
    assert values[Key("bed1", "continuous")] == (3.0 if state in ("ok", "degraded") else None)
    assert values[Key("bed1", "discontinuous")] is None


@pytest.mark.parametrize(
    ("conditions", "verdict", "expected"),
    [
        (None, SoundAssessment(), None),  # nobody has judged it yet
        (None, SoundAssessment(True), False),
        (None, SoundAssessment(False, "", "no contact", measurable=False), True),
        (None, SoundAssessment(False, "", "rubbing", measurable=False), None),
        ((), SoundAssessment(False, "", "no contact", measurable=False), True),
        (("no contact",), SoundAssessment(True), True),
        ((), SoundAssessment(), False),
    ],
)
def test_contact_is_lost_where_the_device_or_the_sound_says_so(
    conditions: tuple[str, ...] | None, verdict: SoundAssessment, expected: bool | None
) -> None:
    vitals = None if conditions is None else Vitals("0x1", True, conditions)
    values = bed_values("bed1", BedReading("degraded", vitals, verdict=verdict), GROUPS)
    assert values[Key("bed1", "contact")] is expected
    assert values[Key("bed1", "not-measurable")] is not bool(expected), "one notice for one fault"


def test_a_bed_without_a_device_knows_nothing_of_contact() -> None:
    values = bed_values("bed1", BedReading("ok"), GROUPS)
    assert (values[Key("bed1", "contact")], values[Key("bed1", "battery")]) == (None, None)


def reading(**outbox: object) -> NodeReading:
    return NodeReading(OutboxStatus(**outbox), dropped=0, is_synchronised=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "is_bad"),
    [
        (None, reading(), False),
        (None, reading(evicted={"event": 4}), False),  # of before this look
        (reading(evicted={"event": 4}), reading(evicted={"event": 4}), False),
        (reading(evicted={"event": 4}), reading(evicted={"event": 5}), True),
        (reading(), NodeReading(OutboxStatus(), dropped=1, is_synchronised=True), True),
        (None, reading(on_disk=False), True),
        (None, reading(in_memory=1), True),
        (None, reading(waiting=10_000), False),
    ],
)
def test_the_outbox_is_an_alarm_where_messages_are_lost_or_only_in_memory(
    before: NodeReading | None, now: NodeReading, is_bad: bool
) -> None:
    assert node_values(before, now, is_broken=False, log_failed=False)[Key("", "outbox")] is is_bad


def test_model_clock_self_test_and_log_are_as_they_are_told() -> None:
    values = node_values(None, NodeReading(OutboxStatus(), 0, False, True), is_broken=True, log_failed=True)
    assert [values[Key("", name)] for name in ("model", "clock", "self-test", "alarm-log")] == [True] * 4
    values = node_values(None, NodeReading(OutboxStatus(), 0, None), is_broken=False, log_failed=False)
    assert [values[Key("", name)] for name in ("model", "clock", "self-test", "alarm-log")] == [
        False,
        None,
        None,
        False,
    ]
