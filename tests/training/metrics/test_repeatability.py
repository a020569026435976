"""Events that come again and new ones, counted by hand."""

from __future__ import annotations

import pytest

from edge.types import Event
from training.metrics.estimates import RARE
from training.metrics.repeatability import HeardAgain, compared, repeatability_metrics


def _event(label: str, onset: int, end: int) -> Event:
    return Event("end", label, onset, end, 0.9, 0.9, 0.5, "quiet")


FIRST = [_event("wheeze", 100, 200), _event("fine_crackle", 300, 400)]


@pytest.mark.parametrize(
    ("again", "later", "kept_and_new"),
    [
        (FIRST, 0, (2, 0)),
        ([], 0, (0, 0)),
        ([_event("rhonchus", 199, 500)], 0, (1, 0)),  # of one group: the same sound under another name
        ([_event("coarse_crackle", 150, 250)], 0, (0, 1)),  # of another group
        ([_event("wheeze", 200, 300)], 0, (0, 1)),  # touches
        ([_event("wheeze", 100, 120), _event("wheeze", 150, 180)], 0, (1, 0)),  # in two pieces
        ([_event("wheeze", 40, 60)], 50, (1, 0)),  # 90 to 110 of the whole recording
        ([_event("wheeze", 155, 170)], 50, (0, 1)),
    ],
)
def test_an_event_comes_again_if_one_of_its_group_overlaps_it(
    again: list[Event], later: int, kept_and_new: tuple[int, int]
) -> None:
    assert compared(FIRST, again, later) == kept_and_new


def test_what_is_kept_is_of_all_recordings_and_what_is_new_of_normal_ones() -> None:
    scored = [
        HeardAgain("begun later", "a", True, 0.5, 16, 0, 0, 4),
        HeardAgain("begun later", "a", False, 0.1, 16, 32, 30, 7),
        HeardAgain("begun later", "b", False, 0.1, 16, 8, 2, 0),
        HeardAgain("lost", "a", True, 0.5, 1, 0, 0, 0),
        HeardAgain("lost", "b", False, 0.1, 1, 2, 1, 1),
    ]
    found = {metric.name: metric.estimate() for metric in repeatability_metrics(scored)}
    assert {name: one.value for name, one in found.items()} == {
        "events kept, begun later": 32 / 40,
        "new events per hour Normal, begun later": 4 / 8,
        "events kept, lost": 1 / 2,
        "new events per hour Normal, lost": 0.0,
    }
    stored, none = found["events kept, begun later"].bounds, found["new events per hour Normal, lost"].bounds
    assert stored is not None
    assert (stored.low, stored.high) == (2 / 8, 30 / 32)  # patient b twice, patient a twice
    assert none is not None
    assert none.high == pytest.approx(RARE / 0.5)  # none in half an hour of sound


def test_without_normal_recordings_no_rate_is_told() -> None:
    scored = [HeardAgain("lost", "b", False, 0.1, 1, 2, 1, 1)]
    assert [metric.name for metric in repeatability_metrics(scored)] == ["events kept, lost"]
