"""A bed in Home Assistant: announced as it documents it, and what is not known is never a value there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from edge.contract.commands import Acknowledge, parse_command
from edge.delivery.alarm_messages import address_of
from edge.node.home_assistant import Bed, announcement, announcements, beds_of
from edge.settings.node import Stream
from edge.settings.sections import HomeAssistant
from edge.ward.alarm_records import Key
from tests.edge.server.exports.discovery import DISCOVERY, render
from tests.edge.server.exports.messages import BED, GOLDEN, LIVE, NODE, alarm, breathing, trend

PLAIN = HomeAssistant()
WITH_BUTTONS = HomeAssistant(user="home-assistant")
GROUPS = ("continuous", "discontinuous")
A_BED = Bed("bed1", GROUPS, ("continuous", "discontinuous", "signal-lost", "contact"))


def components(bed: Bed = A_BED, settings: HomeAssistant = WITH_BUTTONS) -> dict[str, Any]:
    body = announcement(NODE, settings, bed)
    DISCOVERY.validate(body)
    found: dict[str, Any] = body["components"]
    return found


def state(name: str, body: dict[str, Any]) -> str:
    return render(components()[name]["value_template"], body)


@pytest.mark.golden
def test_the_announcement_of_a_bed_is_as_on_the_first_day() -> None:
    body = announcement(NODE, WITH_BUTTONS, A_BED)
    body["device"]["sw_version"] = body["origin"]["sw_version"] = "0"
    assert body == json.loads((GOLDEN / "home-assistant.json").read_text())


def test_without_the_section_nothing_is_announced() -> None:
    assert announcements(NODE, None, [A_BED]) == {}


def test_each_bed_has_a_topic_of_three_levels_below_its_node_and_no_two_nodes_share_one() -> None:
    topics = announcements(NODE, PLAIN, [A_BED, replace(A_BED, stream="bed2")])
    assert list(topics) == [f"homeassistant/device/laennec_ward-b_edge-7/{bed}/config" for bed in ("bed1", "bed2")]
    other = replace(NODE, site="ward", node="b-edge-7")
    assert not topics.keys() & announcements(other, PLAIN, [A_BED]).keys()


def test_a_bed_has_its_own_alarms_and_none_of_its_neighbour_or_the_node() -> None:
    keys = [Key("bed1", "continuous"), Key("bed2", "contact"), Key("", "clock")]
    streams = [Stream(id="bed1", source="mic"), Stream(id="bed2", source="mic")]
    assert beds_of(streams, ["continuous"], keys) == [
        Bed("bed1", ("continuous",), ("continuous",)),
        Bed("bed2", ("continuous",), ("contact",)),
    ]


def test_the_burden_is_that_of_five_minutes_and_unknown_where_it_is_null() -> None:
    assert state("burden_continuous", trend()) == "12.5"
    assert state("burden_discontinuous", trend()) == "0.0"
    assert state("burden_continuous", trend(known=False)) == "None"


def test_the_share_of_breathing_with_sound_is_a_percentage_and_unknown_where_it_is_null_or_absent() -> None:
    assert state("breathing_continuous", breathing()) == "25.0"
    assert state("breathing_discontinuous", breathing()) == "0.0"
    assert state("breathing_continuous", breathing(known=False)) == "None"
    assert state("breathing_continuous", trend()) == "None"


def test_the_respiratory_rate_is_unknown_where_it_is_null_and_where_nothing_comes_any_more() -> None:
    assert state("respiratory_rate", {"breaths_per_min": 24.3, "why": ""}) == "24.3"
    assert state("respiratory_rate", {"breaths_per_min": None, "why": "irregular"}) == "None"
    assert components()["respiratory_rate"]["expire_after"] == 20


def test_the_coverage_is_in_percent_and_known_also_where_the_burden_is_not() -> None:
    assert (state("coverage", trend()), state("coverage", trend(known=False))) == ("100.0", "25.0")


@pytest.mark.parametrize(("signal", "expected"), [("On", "ON"), ("Latch", "ON"), ("Ack", "ON"), ("Off", "OFF")])
def test_an_alarm_is_a_problem_until_it_is_off(signal: str, expected: str) -> None:
    assert state("alarm_continuous", alarm(signal)) == expected


def test_an_alarm_that_is_not_watched_or_not_measurable_is_unknown_and_not_no_problem() -> None:
    assert state("alarm_continuous", alarm("Off", limit=None)) == "None"
    assert state("alarm_continuous", alarm("Off", known=False)) == "None"
    assert state("alarm_continuous", alarm("On", known=False)) == "ON", "what was raised stays"


def test_nobody_is_alarmed_by_mode_test() -> None:
    assert state("alarm_continuous", alarm("On", node=NODE)) == "None"


def test_quality_is_the_state_of_the_stream_with_its_reason() -> None:
    body = {"state": "degraded", "reason": "speech", "fault": "speech", "verified": None}
    quality = components()["quality"]
    assert render(quality["value_template"], body) in quality["options"]
    assert json.loads(render(quality["json_attributes_template"], body)) == {
        "reason": "speech",
        "fault": "speech",
        "verified": None,
    }
    assert render(quality["value_template"], {**body, "state": "unknown"}) == "None"


def test_a_bed_is_there_while_its_node_is_online_and_its_stream_is_listened_to() -> None:
    of_node, of_stream = announcement(NODE, PLAIN, A_BED)["availability"]
    assert (of_node["topic"], of_stream["topic"]) == ("laennec/v1/ward-b/edge-7/status", f"{BED}/status")
    expected_text = [render(of_node["value_template"], {"state": each}) for each in ("online", "offline", "stopped")]
    assert expected_text == ["online", "offline", "offline"]
    expected_text = [render(of_stream["value_template"], {"state": each}) for each in ("ok", "lost", "disabled")]
    assert expected_text == ["online", "online", "offline"]


def test_every_state_expires_when_it_is_not_said_again() -> None:
    entities = [each for each in components().values() if each["platform"] != "button"]
    assert len(entities) == 11
    assert all(20 <= each["expire_after"] <= 180 for each in entities)


def test_the_battery_is_that_of_a_device_alone() -> None:
    wearable = components(replace(A_BED, conditions=("continuous", "battery")))
    assert render(wearable["battery"]["value_template"], {"device": {"battery_percent": 81}}) == "81"
    assert "battery" not in components()


def test_without_a_user_there_are_no_buttons() -> None:
    assert not {"acknowledge", "pause"} & components(settings=PLAIN).keys()


@pytest.mark.parametrize("verb", ["acknowledge", "pause"])
def test_a_button_gives_a_command_that_a_node_carries_out(verb: str) -> None:
    button = components()[verb]
    address = address_of(NODE, button["command_topic"])
    assert address is not None
    assert (address.stream, address.verb, address.user) == ("bed1", verb, "home-assistant")
    command = parse_command(verb, render(button["command_template"]).encode())
    assert (command.id, command.by) == (f"ha-{verb}-bed1-1800000000250", "Home Assistant")
    assert isinstance(command, Acknowledge) is (verb == "acknowledge")
    assert button["retain"] is False, "a retained order would be given again"


def test_buttons_of_two_beds_pressed_in_one_millisecond_give_two_commands_also_with_the_longest_names() -> None:
    orders = []
    for stream in ("b" * 32, "c" * 32):
        (body,) = announcements(LIVE, WITH_BUTTONS, [replace(A_BED, stream=stream)]).values()
        for verb in ("acknowledge", "pause"):
            payload = render(body["components"][verb]["command_template"]).encode()
            orders.append(parse_command(verb, payload).id)
    assert len(set(orders)) == 4


def test_a_device_of_the_longest_names_stays_below_the_packet_size_of_the_broker() -> None:
    node = replace(LIVE, prefix="p" * 64, site="s" * 32, node="n" * 32)
    everything = replace(A_BED, stream="b" * 32, conditions=(*A_BED.conditions, "not-measurable", "battery"))
    settings = HomeAssistant(user="u" * 64, discovery_prefix="d" * 64)
    (topic,) = announcements(node, settings, [everything])
    assert len(json.dumps(announcements(node, settings, [everything])[topic])) < 16_384
