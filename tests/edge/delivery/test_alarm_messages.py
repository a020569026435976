"""Topics and bodies of alarms and answers, by hand and by their schemas; where an answer may go."""

from __future__ import annotations

import json

import pytest

from edge.contract.message import encode
from edge.delivery.alarm_messages import (
    AlarmNow,
    address_of,
    alarm_body,
    alarm_topic,
    answer_body,
    answer_topic,
    command_filters,
    transition_message,
)
from edge.delivery.messages import Node, finish
from edge.ward.alarm_records import AlarmState, Answer, BedLimit, Key, Person, Rule, Transition
from tests.edge.conftest import SCHEMAS

NODE = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1")
OWN = "laennec/v1/ward-b/edge-7"
RULE = Rule("Phy", "Me", latching=True, limit=6.0)
BED = Key("bed1", "continuous")
NURSE = Person("nurse K (board)", 1000.0, "asthma")


def wall(at_s: float) -> float:
    return 1.8e9 + at_s


def sent(alarm: AlarmNow) -> dict[str, object]:
    body = json.loads(encode(alarm_body(NODE, alarm, 1060.0, wall)))
    SCHEMAS["laennec.alarm/1"].validate(body)
    return dict(body)


def test_an_acknowledged_alarm_says_this() -> None:
    state = AlarmState(
        rev=7,
        known=True,
        presence=True,
        present_since_s=900.0,
        signal="Ack",
        since_s=1000.0,
        episode=2,
        began_s=940.0,
        acknowledged=NURSE,
        escalated=True,
        limit=BedLimit(10.0, NURSE),
    )
    who = {"by": "nurse K (board)", "at": "2027-01-15T08:16:40.000Z", "why": "asthma"}
    assert sent(AlarmNow(BED, RULE, state, "acknowledged", 12.3456)) == {
        "schema": "laennec.alarm/1",
        "rev": 7,
        "mode": "Test",
        "site": "ward-b",
        "node": "edge-7",
        "stream": "bed1",
        "boot_id": "b3f1b3f1",
        "condition": "continuous",
        "kind": "Phy",
        "priority": "Hi",
        "escalated": True,
        "cause": "acknowledged",
        "activation": "On",
        "presence": True,
        "validity": "Vld",
        "signal": "Ack",
        "audible": False,
        "since": "2027-01-15T08:16:40.000Z",
        "audio_paused_until": None,
        "episode": 2,
        "began": "2027-01-15T08:15:40.000Z",
        "durable": True,
        "latching": True,
        "acknowledged": who,
        "inactivated": None,
        "value": 12.35,
        "limit": {"s_per_min": 10.0, "set": who},
        "ts": "2027-01-15T08:17:40.000Z",
        "valid_until": "2027-01-15T08:19:40.000Z",
        "clip": None,
    }


def test_who_acknowledged_is_told_only_while_that_counts() -> None:
    over = AlarmState(rev=9, known=True, since_s=1000.0, episode=2, acknowledged=NURSE)
    assert sent(AlarmNow(BED, RULE, over, "cleared", 0.0))["acknowledged"] is None


def test_what_was_never_signalled_and_has_no_limit_says_so() -> None:
    body = sent(AlarmNow(BED, Rule("Phy", "Me"), AlarmState(), "", None))
    assert {key: body[key] for key in ("activation", "validity", "since", "episode", "limit", "value", "cause")} == {
        "activation": "Off",
        "validity": "NA",
        "since": None,
        "episode": None,
        "limit": None,
        "value": None,
        "cause": "",
    }


def test_an_inactivated_and_a_paused_alarm_say_until_when() -> None:
    off = sent(AlarmNow(BED, RULE, AlarmState(inactive_until_s=1600.0, inactivated=NURSE), "inactivated", 1.0))
    assert (off["activation"], off["inactivated"]) == (
        "Psd",
        {
            "by": "nurse K (board)",
            "at": "2027-01-15T08:16:40.000Z",
            "why": "asthma",
            "until": "2027-01-15T08:26:40.000Z",
        },
    )
    on = AlarmState(signal="On", since_s=900.0, episode=1)
    assert sent(AlarmNow(BED, RULE, on, "raised", 9.0))["audible"] is True
    quiet = sent(
        AlarmNow(BED, RULE, AlarmState(signal="On", since_s=900.0, paused_until_s=1120.0), "audio paused", 9.0)
    )
    assert (quiet["audible"], quiet["audio_paused_until"]) == (False, "2027-01-15T08:18:40.000Z")


def test_an_alarm_of_the_node_has_no_bed_and_a_technical_one_no_value() -> None:
    key = Key("", "clock")
    body = sent(AlarmNow(key, Rule("Tec", "Lo"), AlarmState(known=True, presence=True), "present", True))
    assert (body["stream"], body["value"], body["limit"], body["activation"]) == (None, None, None, "On")
    assert alarm_topic(NODE, key) == f"{OWN}/alarm/clock"
    assert alarm_topic(NODE, BED) == f"{OWN}/s/bed1/alarm/continuous"


def test_an_answer_says_this() -> None:
    body = answer_body(NODE, Answer("c1", "pause", "bed1", True, "", ("continuous",)), 1060.0, wall)
    SCHEMAS["laennec.result/1"].validate(body)
    assert body == {
        "schema": "laennec.result/1",
        "id": "c1",
        "verb": "pause",
        "node": "edge-7",
        "stream": "bed1",
        "boot_id": "b3f1b3f1",
        "ok": True,
        "reason": "",
        "conditions": ["continuous"],
        "ts": "2027-01-15T08:17:40.000Z",
        "clip": None,
    }
    SCHEMAS["laennec.result/1"].validate(answer_body(NODE, Answer("", "clip", "", False, "no"), 0.0, wall))


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        (f"{OWN}/s/bed1/cmd/limit/board", ("bed1", "limit", "board")),
        (f"{OWN}/cmd/pause/board", ("", "pause", "board")),
        (f"{OWN}/s/bed1/cmd/limit", None),
        (f"{OWN}/s/bed1/alarm/limit/board", None),
        (f"{OWN}/s/bed1", None),
        ("laennec/v1/ward-b/edge-8/cmd/pause/board", None),
        (f"{OWN}/cmd/pause/board/x", None),
        (f"{OWN}/cmd/pause/ward-b.edge-7", ("", "pause", "ward-b.edge-7")),
        (f"{OWN}/cmd/pause/{'x' * 65}", None),
        (f"{OWN}/cmd/pause/a\nb", None),
        (f"{OWN}/cmd/PAUSE/board", None),
        (f"{OWN}/s/bed 1/cmd/pause/board", None),
        (f"{OWN}/s/bed1/cmd/pause/", None),
    ],
)
def test_bed_verb_and_user_are_read_from_the_topic(topic: str, found: tuple[str, str, str] | None) -> None:
    address = address_of(NODE, topic)
    assert (address and (address.stream, address.verb, address.user)) == found


def test_what_is_subscribed_to_is_what_is_understood() -> None:
    assert command_filters(NODE) == (f"{OWN}/s/+/cmd/+/+", f"{OWN}/cmd/+/+")


@pytest.mark.parametrize(
    ("required", "goes_to"),
    [
        (None, "own"),
        (f"{OWN}/s/bed1/result/pause/board/tab-3", "wanted"),
        (f"{OWN}/s/bed1/result/pause/board", "own"),
        (f"{OWN}/s/bed1/alarm/continuous", "own"),
        (f"{OWN}/s/bed1/result/pause/other/x", "own"),
        (f"{OWN}/s/bed1/result/pause/boards", "own"),
        (f"{OWN}/s/bed1/result/pause/board/#", "own"),
        (f"{OWN}/s/bed1/result/pause/board/\0", "own"),
        ("x", "own"),
        (f"{OWN}/s/bed1/result/pause/board/lost\n", "own"),
        (f"{OWN}/s/bed1/result/pause/board/\uffff", "own"),
    ],
)
def test_an_answer_goes_to_its_senders_own_topics_and_nowhere_else(required: str | None, goes_to: str) -> None:
    address = address_of(NODE, f"{OWN}/s/bed1/cmd/pause/board")
    assert address is not None
    own = f"{OWN}/s/bed1/result/pause/board"
    assert answer_topic(NODE, address, required) == (required if goes_to == "wanted" else own)


def test_a_change_of_an_alarm_says_this() -> None:
    state = AlarmState(rev=8, known=True, presence=True, signal="Ack", since_s=1000.0, episode=2, escalated=True)
    message = transition_message(NODE, Transition(1000.0, BED, "acknowledged", state, "Phy", "Hi", NURSE), wall)
    assert (message.topic, message.event) == (f"{OWN}/s/bed1/alarm/continuous/transition", None)
    assert (message.transition, message.expiry_s) == (("bed1/continuous", 8), 86_400)
    body = json.loads(finish({**message.body, "seq": 4}, True, 1.8e9 + 2000.0))
    SCHEMAS["laennec.transition/1"].validate(body)
    assert body == {
        "schema": "laennec.transition/1",
        "seq": 4,
        "late": True,
        "mode": "Test",
        "site": "ward-b",
        "node": "edge-7",
        "stream": "bed1",
        "condition": "continuous",
        "kind": "Phy",
        "priority": "Hi",
        "rev": 8,
        "cause": "acknowledged",
        "signal": "Ack",
        "presence": True,
        "escalated": True,
        "episode": 2,
        "by": {"by": "nurse K (board)", "at": "2027-01-15T08:16:40.000Z", "why": "asthma"},
        "time": {"changed": "2027-01-15T08:16:40.000Z", "published": "2027-01-15T08:33:20.000Z"},
    }


def test_a_change_of_an_alarm_of_the_node_has_no_bed_and_came_by_itself() -> None:
    clock = Transition(1000.0, Key("", "clock"), "raised", AlarmState(rev=1, signal="On"), "Tec", "Lo")
    message = transition_message(NODE, clock, wall)
    SCHEMAS["laennec.transition/1"].validate(json.loads(finish({**message.body, "seq": 4}, False, 1.8e9)))
    assert (message.topic, message.transition) == (f"{OWN}/alarm/clock/transition", ("/clock", 1))
    assert (message.body["stream"], message.body["episode"], message.body["by"]) == (None, None, None)
