"""What of a message becomes a row, known by hand."""

from __future__ import annotations

import pytest

from edge.contract import read_record
from edge.server.history.tables import Batch, hour_of
from tests.edge.server.exports.messages import WALL_S, event, transition
from tests.edge.server.history.messages import batch, clip_told, gap, minute

EIGHT_MS = round(WALL_S * 1000)
HOUR_MS = 3_600_000


@pytest.mark.parametrize(("after_s", "hour"), [(0, -1), (10, -1), (29.999, -1), (30, 0), (60, 0), (3600, 0), (3630, 1)])
def test_a_minute_belongs_to_the_hour_in_which_most_of_it_lies(after_s: float, hour: int) -> None:
    assert hour_of(EIGHT_MS + round(after_s * 1000)) == EIGHT_MS + hour * HOUR_MS


def test_a_minute_is_expected_sound_in_what_was_measured() -> None:
    (row,) = batch(minute(0, 30.0, {"speech": 15.0})).minutes
    assert (row["measured_ms"], row["continuous_ms"], row["discontinuous_ms"]) == (45_000, 22_500, 0)
    assert row["lost_ms"] == {"speech": 15_000}


def test_a_burden_that_is_told_with_a_window_that_is_not_known_is_not_known() -> None:
    message = minute(0, 30.0)
    message["windows"][0]["known"] = False
    (row,) = batch(message).minutes
    assert (row["continuous_ms"], row["discontinuous_ms"], row["measured_ms"]) == (None, None, 60_000)


def test_an_event_that_still_sounds_lasts_as_far_as_it_was_heard() -> None:
    (row,) = batch(event("update", 2, 5.0)).events
    assert (row["type"], row["onset_ms"], row["end_ms"]) == ("update", EIGHT_MS, EIGHT_MS + 5000)


def test_of_a_self_test_the_number_alone_is_kept() -> None:
    numbers = {"seq": 5, "seq_start": 2, "seq_before": 0}
    body, made = {**event("onset", 1, None), **numbers, "site": "ward-b", "node": "edge-7"}, Batch()
    made.add(read_record(body), is_self_test=True)
    node = ("ward-b", "edge-7", "")
    assert (made.numbers, made.starts, made.events) == ([(node, 2, 5)], {(node, 2, 0)}, [])
    assert made.places() == {node}


def test_of_what_became_of_a_clip_the_number_alone_is_kept() -> None:
    made = batch(clip_told(3))
    assert ([seq for _, _, seq in made.numbers], made.events, made.gaps, made.alarms) == ([3], [], [], [])


@pytest.mark.parametrize("message", [{}, {"seq_before": None}])
def test_a_start_before_which_nothing_is_known_is_not_kept(message: dict[str, None]) -> None:
    made = batch({**event("onset", 1, None), "seq_start": 1, **message})
    assert ([seq for _, _, seq in made.numbers], made.starts) == ([1], set())


def test_numbers_of_a_node_that_says_no_start_are_not_followed() -> None:
    message = batch(event("onset", 1, None), transition("On", "raised", 3))
    assert message.numbers == []


def test_a_gap_is_its_samples_and_how_much_they_were() -> None:
    (row,) = batch(gap()).gaps
    assert (row["from_sample"], row["to_sample"], row["lost_ms"], row["count"]) == (16_000, 24_000, 1000, 1)
