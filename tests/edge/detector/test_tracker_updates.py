"""Updates while a sound lasts: when they come, what they say, and that no cut changes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.tracker import Tracker
from edge.model.specs import GroupSpec
from edge.types import Event, Scores

CLASSES = ("wheeze", "rhonchus")
GROUP = GroupSpec("continuous", CLASSES, median_frames=1, keep=0.5, confirm_frames=3, quiet_frames=3)
THRESHOLDS = {"wheeze": 0.5, "rhonchus": 0.5}
EVERY = 4  # score frames


def scores(wheeze: list[float], lost: tuple[int, ...] = (), start: int = 0) -> Scores:
    values = np.zeros((len(wheeze), 2), np.float32)
    values[:, 0] = wheeze
    return Scores(start, values, np.array([t not in lost for t in range(len(wheeze))], np.bool_))


def found(pieces: list[Scores], every: int | None = EVERY) -> list[Event]:
    tracker = Tracker((GROUP,), CLASSES, THRESHOLDS, 1, update_frames=every)
    return [event for piece in pieces for event in tracker.push(piece)] + tracker.flush()


def reported(events: list[Event]) -> list[tuple[str, int | None]]:
    return [(event.kind, event.end) for event in events]


def test_a_sound_of_ten_frames_is_told_of_after_four_and_eight() -> None:
    events = found([scores([0.0] * 5 + [0.8] * 10 + [0.0] * 5)])
    assert reported(events) == [("onset", None), ("update", 9), ("update", 13), ("end", 15)]
    assert {(event.label, event.onset, event.threshold) for event in events} == {("wheeze", 5, 0.5)}
    assert [event.end_reason for event in events] == ["", "", "", "quiet"]


def test_an_update_says_the_highest_and_the_mean_score_so_far() -> None:
    update = found([scores([0.5, 0.5, 0.5, 1.0, 1.0, 0.0, 0.0, 0.0])])[1]
    assert (update.kind, update.peak, update.mean) == ("update", 1.0, 0.625)


def test_without_an_interval_there_are_no_updates() -> None:
    assert reported(found([scores([0.8] * 50)], None)) == [("onset", None), ("end", 50)]


def test_what_is_confirmed_after_an_interval_is_not_updated_for_it() -> None:
    assert reported(found([scores([0.8] * 5)], 2)) == [("onset", None), ("update", 4), ("end", 5)]  # confirmed at 3


def test_in_a_pause_nothing_is_told_and_after_it_once() -> None:
    pause = [0.0, 0.0]  # of frames 3 and 4, in which the first interval ends
    assert reported(found([scores([0.8] * 3 + pause + [0.8] * 3 + [0.0] * 5)])) == [
        ("onset", None),
        ("update", 6),
        ("update", 8),
        ("end", 8),
    ]


def test_a_gap_ends_a_sound_and_what_follows_counts_from_its_own_begin() -> None:
    events = found([scores([0.9] * 6 + [0.0] + [0.95] * 6, lost=(6,))])
    assert reported(events) == [
        ("onset", None),
        ("update", 4),
        ("end", 6),
        ("onset", None),
        ("update", 11),
        ("end", 13),
    ]


@given(
    st.lists(st.sampled_from([0.0, 0.3, 0.9, 0.9, 0.9]), min_size=1, max_size=60),
    st.sets(st.integers(1, 59), max_size=6),
    st.integers(1, 9),
    st.sampled_from([0, 2**31 - 20, 2**32 - 20]),
)
def test_whatever_the_cut_the_same_is_told_and_ends_and_onsets_are_those_without_updates(
    wheeze: list[float], cuts: set[int], every: int, start: int
) -> None:
    whole = scores(wheeze, start=start)
    edges = [0, *sorted(cut for cut in cuts if cut < len(wheeze)), len(wheeze)]
    pieces = [Scores(start + a, whole.values[a:b], whole.valid[a:b]) for a, b in pairwise(edges)]
    events = found([whole], every)
    assert found(pieces, every) == events
    assert [event for event in events if event.kind != "update"] == found([whole], None)
    for before, after in pairwise(events):
        if after.kind == "update":
            assert before.onset == after.onset
            assert before.kind == "onset" or (before.end or 0) < (after.end or 0)
