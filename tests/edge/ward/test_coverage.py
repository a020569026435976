"""The coverage of a bed: seconds measured, and the others by their causes, right by hand and the same for any cut."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.types import Scores
from edge.ward.burden import WINDOWS_S
from edge.ward.coverage import MOST_LOST, Cause, Coverage, Covered
from tests.edge.ward.scoring import CLASSES, HOP_SAMPLES, MINUTE, RATE_HZ, STEP, burden, constant, part, random_scores

STARTS = (0, 1, 77, 2**31 - 700, 2**32 - 1, 2**45)
CAUSES: tuple[Cause | None, ...] = (None, "speech", "unknown sound", "rubbing")


def _coverage(reach_samples: int = 0) -> Coverage:
    return Coverage(HOP_SAMPLES, RATE_HZ, reach_samples)


def _scores(seconds: float, start: int = 0, valid: bool = True) -> Scores:
    frames = round(seconds * RATE_HZ / HOP_SAMPLES)
    return Scores(start, np.zeros((frames, len(CLASSES)), np.float32), np.full(frames, valid))


def test_an_hour_of_four_parts_is_told_by_its_causes() -> None:
    one = _coverage()
    one.push(_scores(900))
    one.push(_scores(900, 15 * MINUTE), "speech")
    one.push(_scores(900, 30 * MINUTE, valid=False))
    one.lose(45 * 60 * RATE_HZ, 60 * 60 * RATE_HZ, "overload")
    one.push(_scores(0.0, 60 * MINUTE))
    assert one.over(3600, 60 * MINUTE) == Covered(3600, 900.0, {"overload": 900.0, "masked": 900.0, "speech": 900.0})


def test_what_was_before_the_begin_and_what_comes_after_the_end_was_not_heard() -> None:
    one = _coverage()
    one.push(_scores(60, start=10 * MINUTE))
    assert one.over(300, 12 * MINUTE) == Covered(300, 60.0, {"not begun": 180.0, "no sound": 60.0})
    assert one.over(60, 30 * MINUTE) == Covered(60, 0.0, {"no sound": 60.0})


def test_a_jump_of_the_index_that_nobody_explained_is_a_gap() -> None:
    one = _coverage()
    one.push(_scores(20))
    one.push(_scores(20, start=40 * STEP // 4))
    assert one.over(60, MINUTE) == Covered(60, 40.0, {"gap": 20.0})


def test_frames_that_hear_lost_sound_have_its_cause_and_not_that_of_the_stretch() -> None:
    one = _coverage(reach_samples=3 * HOP_SAMPLES)
    scores = _scores(4)
    scores.valid[7:14] = False
    one.lose(10 * HOP_SAMPLES, 11 * HOP_SAMPLES, "gap")
    one.push(scores, "speech")
    frame_s = HOP_SAMPLES / RATE_HZ
    expected = {"not begun": 56.0, "gap": pytest.approx(7 * frame_s), "speech": pytest.approx(4 - 7 * frame_s)}
    assert one.over(60, STEP).missing_s == expected


def test_a_hole_that_was_bridged_was_measured() -> None:
    one = _coverage()
    one.lose(100, 400, "gap")
    one.push(_scores(60))
    assert one.over(60, MINUTE) == Covered(60, 60.0, {})


def test_after_hours_without_a_score_an_hour_of_lost_sound_is_left() -> None:
    one = _coverage()
    one.push(_scores(600))
    one.lose(600 * RATE_HZ, 6 * 3600 * RATE_HZ, "overload")
    one.push(_scores(60, start=360 * MINUTE))
    assert one.over(3600, 361 * MINUTE) == Covered(3600, 60.0, {"overload": 3540.0})


def test_an_index_that_goes_back_is_another_stream() -> None:
    one = _coverage()
    one.push(_scores(60, start=10 * MINUTE))
    one.push(_scores(12), "mains hum")
    assert one.over(60, 3 * STEP) == Covered(60, 0.0, {"not begun": 48.0, "mains hum": 12.0})


def test_more_lost_stretches_than_are_kept_are_still_not_measured() -> None:
    one, scores = _coverage(), _scores(2 * MOST_LOST * HOP_SAMPLES / RATE_HZ)
    for number in range(2 * MOST_LOST):
        one.lose(number * HOP_SAMPLES, (number + 1) * HOP_SAMPLES, "gap")
    scores.valid[:] = False
    one.push(scores)
    covered = one.over(60, 2000 // STEP * STEP)
    assert covered.measured_s == 0.0
    assert sum(covered.missing_s.values()) == 60.0


@settings(max_examples=40)
@given(
    pieces=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 2000), st.sampled_from(CAUSES)), min_size=1, max_size=6
    ),
    start=st.sampled_from(STARTS),
    valid=st.sampled_from((0.3, 1.0)),
)
def test_seconds_add_up_and_what_is_measured_is_that_of_the_burden(
    pieces: list[tuple[int, int, Cause | None]], start: int, valid: float
) -> None:
    coverage, bed, at = _coverage(), burden(), start
    for number, (away, frames, cause) in enumerate(pieces):
        scores = random_scores(frames, number, at + away, valid)
        coverage.push(scores, cause)
        bed.push(scores, verified=None if cause is None else False)
        at += away + frames
    reading = bed.at(at + STEP)
    assert reading is not None
    for window_s in WINDOWS_S:
        covered = coverage.over(window_s, reading.stop)
        assert covered.measured_s == pytest.approx(reading.over(window_s).measured_s, abs=1e-9)
        assert covered.measured_s + sum(covered.missing_s.values()) == pytest.approx(window_s, abs=1e-9)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 3000), max_size=8), start=st.sampled_from(STARTS))
def test_any_cut_of_the_scores_gives_the_same(cuts: list[int], start: int) -> None:
    scores, found = random_scores(3000, 1, start, 0.6), list[list[Covered]]()
    for edges in ([0, 3000], sorted([0, *cuts, 3000])):
        one = _coverage(reach_samples=2000)
        one.lose((start + 700) * HOP_SAMPLES, (start + 900) * HOP_SAMPLES, "overload")
        for a, b in pairwise(edges):
            one.push(part(scores, a, b))
        found.append([one.over(window_s, start + 3000) for window_s in WINDOWS_S])
    assert found[0] == found[1]


def test_reset_forgets_everything() -> None:
    one, new = _coverage(), _coverage()
    one.push(constant(100))
    one.lose(0, 10**9, "gap")
    one.reset()
    for each in (one, new):
        each.push(random_scores(300, 2, valid=0.5))
    assert one.over(60, 2 * STEP) == new.over(60, 2 * STEP)


def test_its_memory_does_not_grow() -> None:
    one, sizes = _coverage(), list[int]()
    for hours in (1, 30):
        for minute in range(60 * hours - 5, 60 * hours):
            one.lose(minute * 60 * RATE_HZ, minute * 60 * RATE_HZ + 10, "gap")
            one.push(_scores(60, start=minute * MINUTE))
        sizes.append(len(pickle.dumps(vars(one))))
    assert abs(sizes[1] - sizes[0]) < 100
    assert sizes[1] < 130_000
