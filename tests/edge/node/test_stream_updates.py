"""What a stream tells of a sound that lasts, and that its own settings change what it tells, alone."""

from __future__ import annotations

from typing import Any

import pytest

from edge.node.clock import read_clock
from tests.edge.conftest import SCHEMAS
from tests.edge.streaming import RATE_HZ, Published, Script, clock_s, configured, samples_of, sound, spoken

LONG = sound(9.0, (1.0, 8.0))


def test_a_sound_of_seven_seconds_is_told_of_every_other_second_and_its_revs_are_in_order() -> None:
    events = spoken(LONG, update_s=2)
    assert [(body["type"], body["rev"]) for body in events] == [
        ("onset", 1),
        ("update", 2),
        ("update", 3),
        ("update", 4),
        ("end", 5),
    ]
    assert len({body["id"] for body in events}) == 1
    assert [body["sample"]["until"] / RATE_HZ for body in events[1:4]] == [3.0, 5.0, 7.0]
    assert [body["sample"]["end"] for body in events] == [None] * 4 + [8 * RATE_HZ]
    onset_s = clock_s(events[0]["time"]["onset"])
    until_s = [clock_s(body["time"]["until"]) - onset_s for body in events[1:4]]
    assert until_s == pytest.approx([2.0, 4.0, 6.0], abs=0.0011)


def test_by_default_a_sound_is_told_of_again_after_five_seconds_and_a_short_one_is_not() -> None:
    assert [body["type"] for body in spoken(LONG)] == ["onset", "update", "end"]
    assert [body["type"] for body in spoken(sound(6.0, (1.0, 5.5)))] == ["onset", "end"]


def test_every_message_of_a_sound_obeys_the_schema_once_it_is_sent() -> None:
    for body in spoken(LONG, update_s=2):
        sent = {**body, "seq": 1, "time": {**body["time"], "published": body["time"]["onset"]}}
        SCHEMAS["laennec.event/1"].validate(sent)
        assert body["time"]["clock"]["synced"] is read_clock().is_synchronised


def test_two_sounds_at_once_keep_their_own_revs() -> None:
    events = spoken(sound(9.0, (1.0, 4.0), (5.0, 8.0)), update_s=2)
    assert [(body["type"], body["rev"]) for body in events] == [("onset", 1), ("update", 2), ("end", 3)] * 2
    assert len({body["id"] for body in events}) == 2


def ends(**settings: Any) -> list[tuple[float, float]]:
    """Begin and end of what is told of a short and a long sound, the long one with a pause of .2 s, seconds."""
    recorded = sound(4.0, (0.4, 0.8), (1.2, 2.0), (2.2, 3.0))
    reported = samples_of(spoken(recorded, **settings))
    return [(onset / RATE_HZ, (end or 0) / RATE_HZ) for kind, onset, end in reported if kind == "end"]


@pytest.mark.parametrize(
    ("tracking", "expected"),
    [
        ({}, [(0.4, 0.8), (1.2, 2.0), (2.2, 3.0)]),
        ({"wheeze": {"minimum_s": 0.5}}, [(1.2, 2.0), (2.2, 3.0)]),
        ({"wheeze": {"minimum_s": 1.0}}, []),
        ({"wheeze": {"quiet_s": 0.3}}, [(0.4, 0.8), (1.2, 3.0)]),
        ({"wheeze": {"keep": 0.02}}, [(0.4, 3.96)]),  # silence is scored .02, above .01; the last frame is not whole
        ({"fine_crackle": {"minimum_s": 1.0, "quiet_s": 1.0}}, [(0.4, 0.8), (1.2, 2.0), (2.2, 3.0)]),
    ],
)
def test_each_number_of_a_class_changes_what_a_stream_tells(
    tracking: dict[str, Any], expected: list[tuple[float, float]]
) -> None:
    assert ends(tracking=tracking) == expected


def test_the_numbers_of_one_stream_are_not_those_of_another() -> None:
    both = [Published(), Published()]
    streams = [
        configured(Script(), expected_text, tracking=tracking)
        for expected_text, tracking in zip(both, ({"wheeze": {"minimum_s": 1.0}}, {}), strict=True)
    ]
    for stream in streams:
        stream.feed(sound(3.0, (1.0, 1.6)))
        stream.close()
    assert [[body["type"] for body in expected_text.events()] for expected_text in both] == [[], ["onset", "end"]]
