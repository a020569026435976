"""From scores to events: what counts as one sound, and that no cut and no gap changes it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.class_rules import AFTER_BRIDGE_LOG_ODDS, AFTER_GAP_LOG_ODDS, CAREFUL_FRAMES, raised
from edge.detector.tracker import Tracker
from edge.model.specs import GroupSpec
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


# One group without smoothing, so that scores are levels: it opens at 0.5, lasts above 0.5 x 0.5 = 0.25.
PLAIN = GroupSpec("continuous", ("wheeze", "rhonchus"), median_frames=1, keep=0.5, confirm_frames=3, quiet_frames=3)


def _plain(median_frames: int = 1, confirm_frames: int = 3, threshold: float = 0.5) -> Tracker:
    spec = replace(PLAIN, median_frames=median_frames, confirm_frames=confirm_frames)
    return Tracker((spec,), CLASSES, {"wheeze": threshold, "rhonchus": threshold}, HOP)


def _ends(tracker: Tracker, *pieces: Scores) -> list[Event]:
    events = [e for piece in pieces for e in tracker.push(piece)] + tracker.flush()
    return [e for e in events if e.kind == "end"]


def test_an_event_is_confirmed_by_exactly_as_many_frames_as_asked() -> None:
    tracker = _plain(confirm_frames=3)
    kinds = [[e.kind for e in tracker.push(_scores([0.75], start=frame))] for frame in range(5)]
    assert kinds == [[], [], ["onset"], [], []]  # frames 0, 1 and 2 are three
    (onset,) = (e for e in _plain().push(_scores([0.5, 0.75, 1.0])) if e.kind == "onset")
    assert (onset.onset, onset.end, onset.end_reason) == (0, None, "")
    assert (onset.peak, onset.mean) == (1.0, 0.75)  # 2.25 over 3 frames


def test_a_pause_below_the_bar_belongs_to_the_sound_until_it_is_as_long_as_asked() -> None:
    loud = [0.75] * 4
    assert _spans(_ends(_plain(), _scores([*loud, 0.0, 0.0, *loud]))) == [("wheeze", 0, 10)]
    assert _spans(_ends(_plain(), _scores([*loud, 0.0, 0.0, 0.0, *loud]))) == [("wheeze", 0, 4), ("wheeze", 7, 11)]
    tracker = _plain()
    tracker.push(_scores(loud))
    kinds = [[e.kind for e in tracker.push(_scores([0.0], start=frame))] for frame in (4, 5, 6, 7)]
    assert kinds == [[], [], ["end"], []]  # the third frame of quiet ends it


def test_two_pauses_count_apart_and_the_mean_counts_each_of_them_once() -> None:
    (event,) = _ends(_plain(), _scores([1.0] * 3 + [0.125] * 2 + [1.0] + [0.125] * 2 + [1.0]))
    assert (event.end, event.mean) == (9 * HOP, 5.5 / 9)  # 5 frames of 1 and 4 of 0.125
    assert event.peak == 1.0


def test_the_pause_that_ends_a_sound_is_not_in_its_mean() -> None:
    (event,) = _ends(_plain(), _scores([0.0] * 2 + [0.5, 0.75, 1.0] + [0.125] * 3))
    assert (event.onset, event.end, event.mean) == (2 * HOP, 5 * HOP, 0.75)


def test_the_threshold_itself_opens_an_event_and_the_bar_itself_keeps_it() -> None:
    assert _spans(_ends(_plain(), _scores([0.5] * 3 + [0.25] * 5 + [0.2] * 3))) == [("wheeze", 0, 8)]
    assert _ends(_plain(), _scores([0.499] * 9)) == []


def test_at_the_ends_of_a_stream_the_median_is_of_what_there_is() -> None:
    # Medians of frames 0-2, 0-3, 0-3 and 1-3: 0.75, 0.875, 0.875, 1
    (event,) = _ends(_plain(median_frames=5), _scores([0.5, 0.75, 1.0, 1.0]))
    assert (event.peak, event.mean) == (1.0, 0.875)


def test_before_a_gap_the_median_counts_what_was_lost_as_quiet() -> None:
    # Medians of 0-2 and 0-3 as they came: 0.5, 0.75; then of {0, .5, .5, 1, 1} and {0, 0, .5, 1, 1}: 0.5, 0.5
    (event,) = _ends(_plain(median_frames=5), _scores([0.5, 0.5, 1.0, 1.0, 0.0], lost=(4,)))
    assert (event.peak, event.mean, event.end_reason) == (0.75, 2.25 / 4, "gap")


def test_behind_a_gap_the_median_counts_what_was_lost_as_quiet_for_half_its_length() -> None:
    # {0, 0, 1, 1, .5}, {0, 1, 1, .5, .5}, {1, 1, .5, .5, 1}, {1, .5, .5, 1}, {.5, .5, 1}: 0.5, 0.5, 1, 0.75, 0.5
    tracker = _plain(median_frames=5, threshold=0.3)  # behind a gap 0.49
    (event,) = _ends(tracker, _scores([0.0, 1.0, 1.0, 0.5, 0.5, 1.0], lost=(0,)))
    assert (event.onset, event.mean) == (1 * HOP, 3.25 / 5)


def test_scores_before_a_gap_smooth_nothing_behind_it() -> None:
    # Behind the gap {0, 0, .25, .25, .25} and so on: never 0.5, whatever was loud before
    events = _ends(_plain(median_frames=5), _scores([1.0] * 5 + [0.0] + [0.25] * 8, lost=(5,)))
    assert _spans(events) == [("wheeze", 0, 5)]


def test_a_jump_in_the_index_is_a_gap_like_any_other() -> None:
    tracker = _plain(median_frames=5, threshold=0.3)  # behind a gap 0.49
    jump = _ends(tracker, _scores([0.5, 0.5, 1.0, 1.0]), _scores([1.0, 1.0, 0.5, 0.5, 1.0], start=9))
    assert [(e.onset // HOP, e.mean, e.end_reason) for e in jump] == [(0, 2.25 / 4, "gap"), (9, 3.25 / 5, "stream_end")]


def test_the_label_is_the_class_with_the_greatest_sum() -> None:
    tracker, scores = _plain(), _scores([0.0, 0.0, 1.0])
    scores.values[:, 1] = [0.75, 0.75, 0.0]  # rhonchus 1.5, wheeze 1.0, though the wheeze comes last and is louder
    assert {e.label for e in tracker.push(scores)} == {"rhonchus"}
    tracker, scores = _plain(), _scores([1.0, 0.0, 0.0])
    scores.values[:, 1] = [0.0, 0.75, 0.75]  # the same with the wheeze first
    assert {e.label for e in tracker.push(scores)} == {"rhonchus"}


def test_scores_from_before_the_event_do_not_name_it() -> None:
    tracker, scores = _plain(median_frames=3), _scores([0.0] * 10 + [0.75] * 5)
    scores.values[:10, 1] = 0.45  # a rhonchus that never reaches 0.5
    assert _spans(_ends(tracker, scores)) == [("wheeze", 10, 15)]


def test_the_label_stays_once_it_was_said() -> None:
    scores = _scores([0.75] * 3 + [0.0] * 9)
    scores.values[3:, 1] = 1.0
    events = _plain().push(scores)
    assert [(e.kind, e.label) for e in events] == [("onset", "wheeze")]
    assert _spans(_ends(_plain(), scores)) == [("wheeze", 0, 12)]


def test_after_a_reset_the_tracker_is_as_new() -> None:
    loud = [0.5, 0.5, 1.0, 1.0]
    tracker = _plain(median_frames=5)
    tracker.push(_scores([1.0] * 9 + [0.0], lost=(9,)))
    tracker.push(_scores([1.0] * 9, start=10))  # one is open, behind a gap
    tracker.reset()
    assert tracker.flush() == []
    for start in (0, 10**6):
        tracker.reset()
        (event,) = _ends(tracker, _scores(loud, start=start))
        assert (event.onset, event.peak, event.mean, event.end_reason) == (start * HOP, 1.0, 0.75, "stream_end")
        tracker.push(_scores([1.0], start=start + 100))


def test_a_threshold_is_raised_by_log_odds() -> None:
    assert raised(0.42, 0.5) == pytest.approx(0.5442, abs=5e-5)  # logit .42 = -.3228; + .5 = .1772; sigmoid .5442


def test_the_threshold_is_that_of_the_strongest_class() -> None:
    scores = _scores([0.0] * 20)
    scores.values[:, 1] = 0.55  # enough for a wheeze, not for a rhonchus
    assert _run(scores) == []


def test_no_event_touches_a_frame_that_was_not_heard() -> None:
    events = _run(_scores([0.9] * 30, lost=(12,)))
    assert _spans(events) == [("wheeze", 0, 12), ("wheeze", 13, 30)]
    assert [e.end_reason for e in events if e.kind == "end"] == ["gap", "stream_end"]


@pytest.mark.parametrize("start", [11, 12, 500])
def test_a_jump_in_the_index_closes_what_is_open(start: int) -> None:
    events = _run(_scores([0.9] * 10), _scores([0.9] * 10, start=start))
    assert _spans(events) == [("wheeze", 0, 10), ("wheeze", start, start + 10)]


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


def _behind_a_gap(wheeze: list[float]) -> list[tuple[str, int, int]]:
    """Events of scores that begin with the second frame behind a gap, which is frame 10."""
    return _spans(_run(_scores([0.0] * 9, start=0), _scores([0.0, *wheeze], start=10)))


def _behind_a_bridge(wheeze: list[float], *bridged: int) -> list[tuple[str, int, int]]:
    tracker, marks = _tracker(), np.isin(np.arange(len(wheeze)), bridged)
    return _spans(tracker.push(_scores(wheeze), marks) + tracker.flush())


def test_for_a_second_behind_a_gap_an_event_needs_more_to_open() -> None:
    level = raised(THRESHOLDS["wheeze"], AFTER_GAP_LOG_ODDS)
    count = 2 * CAREFUL_FRAMES
    assert _behind_a_gap([level + 1e-3] * count) == [("wheeze", 11, 11 + count)]
    assert _behind_a_gap([level - 1e-3] * count) == [("wheeze", 10 + CAREFUL_FRAMES, 11 + count)]
    assert _spans(_run(_scores([level - 1e-3] * count))) == [("wheeze", 0, count)]


def test_for_a_second_behind_concealed_sound_an_event_needs_a_little_more_to_open() -> None:
    level, count = raised(THRESHOLDS["wheeze"], AFTER_BRIDGE_LOG_ODDS), 2 * CAREFUL_FRAMES
    assert _behind_a_bridge([level + 1e-3] * count, 0) == [("wheeze", 0, count)]
    assert _behind_a_bridge([level - 1e-3] * count, 0) == [("wheeze", CAREFUL_FRAMES + 1, count)]
    assert _behind_a_bridge([level - 1e-3] * count, 3, 5) == [("wheeze", 0, count)]  # open before, it goes on
    assert _behind_a_bridge([level - 1e-3] * count, 0, 5) == [("wheeze", CAREFUL_FRAMES + 6, count)]


def test_a_reset_forgets_what_was_concealed() -> None:
    level, tracker = raised(THRESHOLDS["wheeze"], AFTER_BRIDGE_LOG_ODDS) - 1e-3, _tracker()
    tracker.push(_scores([0.0] * 4), np.ones(4, np.bool_))
    tracker.reset()
    assert _spans(tracker.push(_scores([level] * 10, start=4)) + tracker.flush()) == [("wheeze", 4, 14)]


def test_a_sound_that_began_behind_a_gap_lasts_as_any_other() -> None:
    assert _behind_a_gap([0.9] * 10 + [0.3] * 10 + [0.9] * 10) == [("wheeze", 11, 41)]  # 0.3 is above half of 0.5
