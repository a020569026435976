"""Which alarms a node has by its settings, and what they measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.delivery.outbox import OutboxStatus
from edge.detector.sound_check import Verdict
from edge.errors import ConfigError
from edge.node.alarm_inputs import BedReading, NodeReading, bed_values, node_values, rules_of
from edge.settings.alarms import check_groups
from edge.settings.config import parse_config
from edge.sources.vitals import Vitals
from edge.ward.alarm_records import Key, Rule
from edge.ward.alarm_rules import is_watched
from edge.ward.alarms import Alarms
from tests.edge.wards import settings

GROUPS = ("continuous", "discontinuous")
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


def test_only_a_device_that_measures_it_has_an_alarm_of_its_battery(tmp_path: Path) -> None:
    rules = rules_of(settings(tmp_path, **LINKED), GROUPS)
    names = {stream: {key.condition for key in rules if key.stream == stream} for stream in ("bed1", "bed2", "")}
    assert names["bed1"] == {*GROUPS, "signal-lost", "not-measurable", "contact"}
    assert names["bed2"] == {*names["bed1"], "battery"}
    assert names[""] == {"outbox", "model", "clock", "self-test", "alarm-log", "delivery"}


def test_every_setting_of_an_alarm_reaches_its_rule(tmp_path: Path) -> None:
    alarms = {
        "burden": {"continuous": {
            "limit_s_per_min": 6, "priority": "Hi", "delay_s": 5, "latching": False, "escalate_s": 60, "group_s": 30,
        }, "discontinuous": {"limit_s_per_min": 9, "priority": "Lo"}},
        "technical": {
            "clock": {"enabled": False},
            "signal-lost": {"priority": "Hi", "delay_s": 0, "latching": True, "escalate_s": 99},
        },
    }  # fmt: skip
    rules = rules_of(settings(tmp_path, alarms=alarms), GROUPS)
    assert rules[Key("bed1", "continuous")] == Rule("Phy", "Hi", 5.0, False, 60.0, 30.0, 6.0)
    assert rules[Key("bed1", "discontinuous")] == Rule("Phy", "Lo", 0.0, False, None, 300.0, 9.0)
    assert rules[Key("bed1", "signal-lost")] == Rule("Tec", "Hi", 0.0, True, 99.0)
    assert Key("", "clock") not in rules
    assert rules_of(settings(tmp_path), GROUPS)[Key("bed1", "signal-lost")] == Rule("Tec", "Me", 30.0)


@pytest.mark.parametrize(
    ("alarms", "said"),
    [
        ({"burden": {"continuous": {"limit": 6}}}, "unknown key 'alarms.burden.continuous.limit' (did you mean"),
        ({"burden": {"continuous": {"limit_s_per_min": 61}}}, "alarms.burden.continuous.limit_s_per_min: 61"),
        ({"technical": {"clocks": {}}}, "alarms.technical.clocks"),
        ({"technical": {"clock": {"priority": "High"}}}, "alarms.technical.clock.priority: 'High'"),
    ],
)
def test_a_mistake_in_the_settings_names_its_key(alarms: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config({"streams": [{"id": "bed1", "source": "mic"}], "alarms": alarms}, "ward.yaml")
    assert said in str(caught.value)


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
        (None, Verdict(), None),  # nobody has judged it yet
        (None, Verdict(True), False),
        (None, Verdict(False, "", "no contact", measurable=False), True),
        (None, Verdict(False, "", "rubbing", measurable=False), None),
        ((), Verdict(False, "", "no contact", measurable=False), True),
        (("no contact",), Verdict(True), True),
        ((), Verdict(), False),
    ],
)
def test_contact_is_lost_where_the_device_or_the_sound_says_so(
    conditions: tuple[str, ...] | None, verdict: Verdict, expected: bool | None
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
