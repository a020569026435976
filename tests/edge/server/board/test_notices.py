"""What is told of alarms: each change once, to whom it is asked for, and no more than a person can read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract.alarms import AlarmMessage
from edge.contract.topics import Address
from edge.server.board.notices import Notice, Notified, Selection, is_among, is_within, look_at, text_of
from edge.settings.board import Receiver
from tests.edge.server.board.ward_messages import alarm

BED, OTHER_BOOT = Address("ward-b", "edge-7", "bed1"), "0000beef"
LIFE = [  # of one alarm: raised, escalated, acknowledged, over, back soon, over, raised again
    {"signal": "On"},
    {"signal": "On", "escalated": True},
    {"signal": "Ack", "escalated": True},
    {"signal": "Off"},
    {"signal": "On", "cause": "returned"},
    {"signal": "Off"},
    {"signal": "On", "episode": 2},
]
STEPS = ["raise", "escalation", "return", "raise"]


def answered(rev: int = 1, **changed: Any) -> AlarmMessage:
    return AlarmMessage.model_validate({**alarm(rev=rev), **changed})


def steps_of(messages: list[AlarmMessage]) -> list[str]:
    """What is told when these come one after the other."""
    reported: Notified | None = None
    found = []
    for message in messages:
        reported, notice = look_at(reported, BED, message)
        found += [] if notice is None else [notice.step]
    return found


def receiver(**changed: Any) -> Selection:
    return Selection(Receiver.model_validate({"name": "night", "urls_file": "urls", **changed}))


def notice(**changed: Any) -> Notice:
    found = look_at(None, changed.pop("address", BED), answered(**changed))[1]
    assert found is not None
    return found


def test_an_alarm_is_told_when_it_is_raised_escalated_and_back() -> None:
    assert steps_of([answered(rev, **each) for rev, each in enumerate(LIFE, 1)]) == STEPS


@given(st.lists(st.integers(0, len(LIFE) - 1), max_size=30))
def test_copies_and_late_ones_are_told_of_no_second_time(places: list[int]) -> None:
    life = [answered(rev, **each) for rev, each in enumerate(LIFE, 1)]
    copies = [
        message for place, message in enumerate(life) for message in (message, *(life[p] for p in places if p <= place))
    ]
    assert steps_of(copies) == STEPS


def test_a_box_that_starts_again_tells_of_the_same_episode_nothing_new() -> None:
    assert steps_of([answered(7), answered(8, boot_id=OTHER_BOOT)]) == ["raise"]


def test_a_box_that_was_installed_anew_and_counts_from_one_is_told_of() -> None:
    first = answered(90, began="2026-11-21T03:00:00.000Z")
    assert steps_of([first, answered(1, boot_id=OTHER_BOOT, began="2026-11-22T04:00:00.000Z")]) == ["raise", "raise"]


def test_what_has_escalated_before_it_was_seen_is_told_once_as_that() -> None:
    assert steps_of([answered(5, escalated=True), answered(6, escalated=True)]) == ["escalation"]


@pytest.mark.parametrize(
    ("requested", "changed", "is_told"),
    [
        ({}, {}, True),
        ({}, {"priority": "Lo"}, False),
        ({"priority": "Lo"}, {"priority": "Lo"}, True),
        ({"kinds": ["Tec"]}, {}, False),
        ({"of": ["escalation"]}, {}, False),
        ({"of": ["escalation"]}, {"escalated": True}, True),
        ({}, {"mode": "Test"}, False),
        ({"test": True}, {"mode": "Test"}, True),
        ({"beds": ["edge-7/bed1"]}, {}, True),
        ({"beds": ["edge-8/bed1"]}, {}, False),
        ({"hours": "20:00-07:00"}, {}, False),
    ],
)
def test_a_receiver_gets_what_it_asks_for(requested: dict[str, Any], changed: dict[str, Any], is_told: bool) -> None:
    assert receiver(**requested).takes(notice(**changed), 0.0, 12 * 60) is is_told


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("20:00-07:00", [1200, 1439, 0, 419], [420, 720, 1199]),
        ("07:00-20:00", [420, 1199], [0, 419, 1200]),
        ("", [0, 1439], []),
    ],
)
def test_hours_hold_their_begin_and_not_their_end_also_across_midnight(
    hours: str, inside: list[int], outside: list[int]
) -> None:
    assert [is_within(hours, minute) for minute in inside + outside] == [True] * len(inside) + [False] * len(outside)


@pytest.mark.parametrize(
    ("beds", "is_in"),
    [((), True), (("bed1",), True), (("ward-b/edge-7/bed1",), True), (("bed",), False), (("bed11", "7/bed1"), False)],
)
def test_a_bed_is_named_by_the_last_parts_of_its_topic(beds: tuple[str, ...], is_in: bool) -> None:
    assert is_among(BED, beds) is is_in


def test_a_box_itself_is_told_to_those_who_name_no_beds() -> None:
    box = Address("ward-b", "edge-7", "")
    assert (is_among(box, ()), is_among(box, ("bed1",))) == (True, False)


def test_too_many_are_held_back_and_counted_and_an_hour_later_there_is_room() -> None:
    phone = receiver(per_hour=3)
    beds = [notice(address=Address("ward-b", "edge-7", f"bed{number}")) for number in range(10)]
    assert [phone.takes(each, 1.0, 0) for each in beds] == [True] * 3 + [False] * 7
    assert phone.held == 7
    assert phone.takes(notice(), 3601.0, 0)


def test_an_alarm_that_comes_again_and_again_is_told_once_in_a_while() -> None:
    phone = receiver(repeat_s=300)
    found = [phone.takes(notice(episode=number), 60.0 * number, 0) for number in range(1, 7)]
    assert found == [True, False, False, False, False, True]
    assert phone.takes(notice(escalated=True), 361.0, 0)  # that is another thing


def test_what_is_raised_with_high_priority_is_told_beyond_the_limit_but_its_returns_are_not() -> None:
    phone = receiver(per_hour=2)
    assert [phone.takes(notice(episode=number, priority="Hi"), number, 0) for number in range(1, 6)] == [True] * 5
    reported = look_at(None, BED, answered(1, signal="Ack", priority="Hi"))[0]
    back = look_at(reported, BED, answered(2, priority="Hi"))[1]
    assert back is not None
    assert not phone.takes(back, 6.0, 0)


def test_a_message_has_names_of_the_topic_alone_and_says_that_it_is_no_alarm_channel() -> None:
    who = {"by": "Mrs. Miller's nurse", "at": alarm()["ts"], "why": "Mr. Meier coughs", "until": alarm()["valid_until"]}
    title, body = text_of(notice(escalated=True, acknowledged=who, inactivated=who, mode="Test"), "Ward B", 4)
    assert title == "TEST Nobody has answered: bed1: Wheezing"
    assert body.startswith("Ward B, ward-b/edge-7: medium priority, since ")
    assert body.endswith(". 4 more were held back. No alarm channel: look at the board.")
    assert "M" not in (title + body).replace("TEST", "")
