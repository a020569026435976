"""From scores to events: what counts as one sound, and that no cut and no gap changes it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.tracker import GroupSpec, Tracker, raised
from edge.types import Event, Scores

CLASSES = ("wheeze", "rhonchus", "fine_crackle", "breath")
HOP = 256
GROUPS = (
    GroupSpec("continuous", ("wheeze", "rhonchus"), median_frames=5, keep=0.5, confirm_frames=4, quiet_frames=3),
    GroupSpec("discontinuous", ("fine_crackle",), median_frames=1, keep=1.0, confirm_frames=1, quiet_frames=1),
)
THRESHOLDS = {"wheeze": 0.5, "rhonchus": 0.6, "fine_crackle": 0.4}


def _tracker() -> Tracker:
    return Tracker(GROUPS, CLASSES, THRESHOLDS, HOP)


def _scores(wheeze: list[float], start: int = 0, lost: tuple[int, ...] = ()) -> Scores:
    values = np.zeros((len(wheeze), len(CLASSES)), np.float32)
    values[:, 0] = wheeze
    return Scores(start, values, np.array([i not in lost for i in range(len(wheeze))], np.bool_))


def _spans(events: list[Event]) -> list[tuple[str, int, int]]:
    return [(e.label, e.onset // HOP, (e.end or 0) // HOP) for e in events if e.kind == "end"]


def _run(*pieces: Scores) -> list[Event]:
    tracker = _tracker()
    return [e for piece in pieces for e in tracker.push(piece)] + tracker.flush()


def test_a_sound_opens_where_the_score_reaches_the_threshold_and_ends_where_it_was_last_heard() -> None:
    events = _run(_scores([0.0] * 10 + [0.8] * 12 + [0.0] * 10))
    assert [e.kind for e in events] == ["onset", "end"]
    assert _spans(events) == [("wheeze", 10, 22)]
    assert events[1].peak == np.float32(0.8)
    assert events[1].threshold == 0.5
    assert events[1].end_reason == "quiet"


def test_one_frame_of_noise_is_smoothed_away() -> None:
    assert _run(_scores([0.0] * 10 + [1.0] * 2 + [0.0] * 10)) == []


def test_what_is_too_short_to_be_confirmed_is_dropped() -> None:
    assert _run(_scores([0.0] * 10 + [0.9] * 3 + [0.0] * 10)) == []


def test_a_short_pause_does_not_split_a_sound_and_a_long_one_does() -> None:
    short = _run(_scores([0.9] * 10 + [0.0] * 5 + [0.9] * 10 + [0.0] * 9))  # the median leaves 5 quiet frames: >= 3
    assert len(_spans(short)) == 2
    bridged = _run(_scores([0.9] * 10 + [0.3] * 20 + [0.9] * 10 + [0.0] * 9))  # 0.3 is above half of 0.5
    assert len(_spans(bridged)) == 1


def test_the_label_is_the_class_with_the_greatest_sum() -> None:
    scores = _scores([0.2] * 20)
    scores.values[:, 1] = 0.7
    assert {e.label for e in _run(scores)} == {"rhonchus"}


def test_the_threshold_is_that_of_the_strongest_class() -> None:
    scores = _scores([0.0] * 20)
    scores.values[:, 1] = 0.55  # enough for a wheeze, not for a rhonchus
    assert _run(scores) == []


def test_no_event_touches_a_frame_that_was_not_heard() -> None:
    events = _run(_scores([0.9] * 30, lost=(12,)))
    assert _spans(events) == [("wheeze", 0, 12), ("wheeze", 13, 30)]
    assert [e.end_reason for e in events if e.kind == "end"] == ["gap", "stream_end"]


def test_a_jump_in_the_index_closes_what_is_open() -> None:
    events = _run(_scores([0.9] * 10), _scores([0.9] * 10, start=500))
    assert _spans(events) == [("wheeze", 0, 10), ("wheeze", 500, 510)]


def test_indices_beyond_32_bits_are_kept() -> None:
    start = 2**32 - 3
    events = _run(_scores([0.9] * 20, start=start))
    assert events[-1].onset == start * HOP
    assert events[-1].end == (start + 20) * HOP


def _random_scores(draw_values: list[float], lost: frozenset[int]) -> Scores:
    values = np.zeros((len(draw_values), len(CLASSES)), np.float32)
    values[:, 0] = draw_values
    values[:, 1] = np.roll(draw_values, 3) * 0.5
    values[:, 2] = np.roll(draw_values, 11)
    return Scores(0, values, np.array([i not in lost for i in range(len(draw_values))], np.bool_))


LEVELS = st.lists(st.sampled_from([0.0, 0.3, 0.45, 0.55, 0.9]), min_size=1, max_size=120)


@given(
    levels=LEVELS, lost=st.frozensets(st.integers(0, 119), max_size=6), cuts=st.lists(st.integers(0, 120), max_size=8)
)
def test_events_any_cut_equals_one_piece(levels: list[float], lost: frozenset[int], cuts: list[int]) -> None:
    scores = _random_scores(levels, lost)
    edges = [0, *sorted(min(c, len(levels)) for c in cuts), len(levels)]
    pieces = [Scores(a, scores.values[a:b], scores.valid[a:b]) for a, b in pairwise(edges)]
    assert _run(*pieces) == _run(scores)


@given(levels=LEVELS, lost=st.frozensets(st.integers(0, 119), max_size=6))
def test_an_end_follows_every_onset_and_nothing_unheard_lies_between(levels: list[float], lost: frozenset[int]) -> None:
    open_events: dict[tuple[str, int], Event] = {}
    for event in _run(_random_scores(levels, lost)):
        if event.kind == "onset":
            open_events[event.label, event.onset] = event
            continue
        open_events.pop((event.label, event.onset))
        assert event.end is not None
        span: NDArray[np.int64] = np.arange(event.onset // HOP, event.end // HOP)
        assert len(span)
        assert not lost & set(span.tolist())
        assert 0 < event.mean <= event.peak
    assert not open_events


@given(levels=LEVELS, lost=st.frozensets(st.integers(0, 119), min_size=1, max_size=12))
def test_with_the_same_scores_a_gap_only_takes_events_away(levels: list[float], lost: frozenset[int]) -> None:
    whole = [event for event in _run(_random_scores(levels, frozenset())) if event.kind == "end"]
    for event in _run(_random_scores(levels, lost)):
        if event.kind == "end" and event.label in GROUPS[0].classes:
            assert event.end is not None
            assert any(
                event.onset < other.end and other.onset < event.end
                for other in whole
                if other.end is not None and other.label in GROUPS[0].classes
            )


def test_what_is_no_event_when_all_is_heard_is_none_between_two_gaps() -> None:
    levels = [0.0] * 6 + [0.9, 0.9, 0.0, 0.9, 0.9] + [0.0] * 6
    assert _run(_scores(levels)) == []
    assert _run(_scores(levels, lost=(4, 5, 11, 12))) == []


def _cautious(wheeze: list[float], caution: list[float]) -> list[Event]:
    tracker = _tracker()
    return tracker.push(_scores(wheeze), np.array(caution)) + tracker.flush()


def test_caution_is_asked_of_the_frame_that_opens_and_of_no_other() -> None:
    level = raised(THRESHOLDS["wheeze"], 0.3)
    assert _spans(_cautious([level] * 30, [0.5] * 10 + [0.1] * 20)) == [("wheeze", 10, 30)]
    assert _spans(_cautious([level] * 30, [0.1] * 10 + [0.5] * 20)) == [("wheeze", 0, 30)]


def test_a_sound_that_began_with_caution_lasts_as_any_other() -> None:
    wheeze = [0.9] * 30 + [0.3] * 30 + [0.9] * 30  # 0.3 is above half of 0.5
    for caution in (0.0, 0.5, 2.0):
        assert _spans(_cautious(wheeze, [caution] * 90)) == [("wheeze", 0, 90)]


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=60),
    st.lists(st.floats(0, 3), min_size=60, max_size=60),
)
def test_caution_never_adds_an_event(wheeze: list[float], caution: list[float]) -> None:
    asked = _spans(_cautious(wheeze, caution[: len(wheeze)]))
    for label, first, stop in asked:
        assert any(a <= first and stop <= b for _, a, b in _spans(_run(_scores(wheeze)))), (label, first, stop)
    assert len(asked) <= len(_spans(_run(_scores(wheeze))))
