"""Events by change points: extents that no threshold moves, the same for any cut, and none through a gap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.tracker import Tracker
from edge.model.specs import MOST_STEP_FRAMES, GroupSpec
from edge.types import Event, Scores

CLASSES = ("wheeze", "rhonchus", "fine_crackle")
HOP = 256
STEP, CONFIRM, QUIET = 4, 6, 8
GROUPS = (
    GroupSpec("continuous", CLASSES[:2], 1, 0.5, CONFIRM, QUIET, STEP),
    GroupSpec("discontinuous", CLASSES[2:], 1, 1.0, CONFIRM, 1, STEP),
)


def _scores(wheeze: list[float], start: int = 0, lost: frozenset[int] = frozenset(), crackle: float = 0.0) -> Scores:
    values = np.zeros((len(wheeze), len(CLASSES)), np.float32)
    values[:, 0], values[:, 2] = wheeze, crackle
    return Scores(start, values, np.array([i not in lost for i in range(len(wheeze))], np.bool_))


def _run(*pieces: Scores, threshold: float = 0.5, update_frames: int | None = None) -> list[Event]:
    tracker = Tracker(GROUPS, CLASSES, dict.fromkeys(CLASSES, threshold), HOP, update_frames=update_frames)
    return [event for piece in pieces for event in tracker.push(piece)] + tracker.flush()


def _spans(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.onset // HOP, (event.end or 0) // HOP) for event in events if event.kind == "end"]


SOUND = [0.1] * 20 + [0.9] * 10 + [0.7] * 10 + [0.1] * 20


@pytest.mark.parametrize("threshold", [0.15, 0.5, 0.79])
def test_no_threshold_moves_the_extent_of_a_sound(threshold: float) -> None:
    events = _run(_scores(SOUND), threshold=threshold)
    assert [event.kind for event in events] == ["onset", "end"]
    assert _spans(events) == [(20, 40)]
    assert events[1].mean == pytest.approx(0.8)
    assert events[1].peak == pytest.approx(0.9)
    assert (events[1].threshold, events[1].end_reason) == (threshold, "quiet")


def test_a_sound_whose_mean_stays_below_the_threshold_is_no_event_whatever_its_highest_score() -> None:
    assert _run(_scores([0.0] * 20 + [0.3] * 10 + [0.95] + [0.3] * 10 + [0.0] * 20), threshold=0.6) == []


def test_what_is_too_short_is_no_event() -> None:
    assert _run(_scores([0.0] * 20 + [0.9] * (CONFIRM - 1) + [0.0] * 20)) == []
    assert _spans(_run(_scores([0.0] * 20 + [0.9] * CONFIRM + [0.0] * 20))) == [(20, 20 + CONFIRM)]


@pytest.mark.parametrize(("level", "spans"), [(0.5, [(20, 46)]), (0.3, [(20, 30), (36, 46)])])
def test_a_pause_belongs_to_a_sound_if_its_mean_is_half_of_that_of_the_sound(
    level: float, spans: list[tuple[int, int]]
) -> None:
    assert _spans(_run(_scores([0.0] * 20 + [0.9] * 10 + [level] * 6 + [0.9] * 10 + [0.0] * 20))) == spans


def test_behind_as_much_quiet_as_asked_a_sound_does_not_go_on() -> None:
    pause = [0.5] * (3 * QUIET)
    assert len(_spans(_run(_scores([0.0] * 20 + [0.9] * 10 + pause + [0.9] * 10 + [0.0] * 20)))) == 2


@pytest.mark.parametrize(
    "levels", [[0.2] * 7 + [0.9], [0.2] * 8 + [0.3] * 7 + [0.5] * 8, [0.5] * 2 + [0.0] * 2 + [0.3] * 5]
)
def test_the_peak_is_the_highest_score_within_the_extent(levels: list[float]) -> None:
    scores = [0.0] * 8 + levels + [0.0] * 16
    ends = [event for event in _run(_scores(scores), threshold=0.1) if event.kind == "end"]
    within = [scores[event.onset // HOP : (event.end or 0) // HOP] for event in ends]
    assert within
    assert [event.peak for event in ends] == [pytest.approx(max(each)) for each in within]


def test_an_onset_is_told_when_the_sound_has_lasted_long_enough_and_not_at_its_end() -> None:
    scores = _scores([0.0] * 20 + [0.9] * 200)
    tracker = Tracker(GROUPS, CLASSES, dict.fromkeys(CLASSES, 0.5), HOP)
    reported = [t for t in range(220) if tracker.push(Scores(t, scores.values[t : t + 1], scores.valid[t : t + 1]))]
    assert reported == [20 + CONFIRM - 1]


@pytest.mark.parametrize("ahead", range(STEP + 1))
def test_frames_that_are_quiet_do_not_make_a_sound_long_enough_before_its_end_is_known(ahead: int) -> None:
    pause = [0.0] * ahead + [0.24] * (STEP - ahead)  # below half of the threshold
    assert _run(_scores([0.0] * 20 + [0.9] * (CONFIRM - 1) + pause + [0.0] * 20)) == []


@pytest.mark.parametrize("faint", [2, 4, 6])
def test_a_faint_rise_shortly_before_a_sound_is_no_part_of_it(faint: int) -> None:
    assert _spans(_run(_scores([0.0] * 20 + [0.05] * faint + [0.9] * 10 + [0.0] * 20))) == [(20 + faint, 30 + faint)]


def test_updates_say_what_was_heard_so_far() -> None:
    events = _run(_scores([0.0] * 20 + [0.9] * 40 + [0.0] * 20), update_frames=10)
    assert [event.kind for event in events] == ["onset", "update", "update", "update", "update", "end"]
    assert [(event.end or 0) // HOP - 20 for event in events[1:]] == [10, 20, 30, 40, 40]


def test_groups_are_found_apart_and_named_after_what_they_have_most_of() -> None:
    values = np.zeros((70, len(CLASSES)), np.float32)
    values[20:40, 0], values[20:40, 1], values[10:30, 2] = 0.3, 0.5, 0.9
    found = _run(Scores(0, values, np.ones(70, np.bool_)))
    ends = {(event.label, event.onset // HOP, (event.end or 0) // HOP) for event in found if event.kind == "end"}
    assert ends == {("rhonchus", 20, 40), ("fine_crackle", 10, 30)}


def test_a_gap_ends_a_sound_and_an_end_of_the_stream_does() -> None:
    events = _run(_scores([0.0] * 20 + [0.9] * 30, lost=frozenset({35})))
    assert _spans(events) == [(20, 35), (36, 50)]
    assert [event.end_reason for event in events if event.kind == "end"] == ["gap", "stream_end"]
    assert _spans(_run(_scores([0.9] * 10), _scores([0.9] * 10, start=11))) == [(0, 10), (11, 21)]


def test_behind_lost_and_concealed_sound_no_more_is_asked() -> None:
    sound = [0.51] * 20 + [0.0] * 20
    assert _spans(_run(_scores([0.0] * 9), _scores(sound, start=10))) == [(10, 30)]
    tracker = Tracker(GROUPS, CLASSES, dict.fromkeys(CLASSES, 0.5), HOP)
    assert _spans(tracker.push(_scores(sound), np.arange(len(sound)) == 1) + tracker.flush()) == [(0, 20)]


def test_indices_beyond_32_bits_are_kept_and_a_reset_forgets_all() -> None:
    start = 2**32 - 3
    assert _spans(_run(_scores(SOUND, start=start))) == [(start + 20, start + 40)]
    tracker = Tracker(GROUPS, CLASSES, dict.fromkeys(CLASSES, 0.5), HOP)
    tracker.push(_scores(SOUND[:33]))
    tracker.reset()
    assert tracker.push(_scores(SOUND)) + tracker.flush() == _run(_scores(SOUND))


@pytest.mark.parametrize("step", [-1, MOST_STEP_FRAMES + 1, 2.5])
def test_a_step_that_cannot_be_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"step_frames: expected 0 to {MOST_STEP_FRAMES}, found {step}"):
        GroupSpec("continuous", ("wheeze",), 1, 0.5, 6, 8, step)


LEVELS = st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.45, 0.55, 0.9]), min_size=1, max_size=40)
LOST = st.frozensets(st.integers(0, 119), max_size=6)


@given(levels=LEVELS, lost=LOST, cuts=st.lists(st.integers(0, 120), max_size=8), bridged=LOST)
def test_events_any_cut_equals_one_piece(
    levels: list[float], lost: frozenset[int], cuts: list[int], bridged: frozenset[int]
) -> None:
    levels = np.repeat(levels, 3).tolist()
    scores = _scores(levels, lost=lost, crackle=0.6)
    marks = np.isin(np.arange(len(levels)), list(bridged))
    edges = [0, *sorted(min(cut, len(levels)) for cut in cuts), len(levels)]
    found = []
    for parts in (edges, [0, len(levels)]):
        tracker = Tracker(GROUPS, CLASSES, dict.fromkeys(CLASSES, 0.5), HOP, update_frames=7)
        pieces = [(Scores(a, scores.values[a:b], scores.valid[a:b]), marks[a:b]) for a, b in pairwise(parts)]
        found.append([event for piece in pieces for event in tracker.push(*piece)] + tracker.flush())
    assert found[0] == found[1]


@given(levels=LEVELS, lost=LOST)
def test_an_end_follows_every_onset_and_nothing_unheard_lies_between(levels: list[float], lost: frozenset[int]) -> None:
    open_events: set[tuple[str, int]] = set()
    for event in _run(_scores(np.repeat(levels, 3).tolist(), lost=lost)):
        if event.kind == "onset":
            open_events.add((event.label, event.onset))
            continue
        open_events.remove((event.label, event.onset))
        assert event.end is not None
        assert event.end > event.onset
        assert not lost & set(range(event.onset // HOP, event.end // HOP))
        assert 0 < event.mean <= event.peak + 1e-12
    assert not open_events
