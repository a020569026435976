"""The burden of a bed: right by hand, the same for any cut, unknown where too little was measured."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ward.burden import WINDOWS_S, Burden, Reading
from tests.edge.ward.scoring import GROUPS, MINUTE, STEP, burden, constant, in_pieces, offline, random_scores

STARTS = (0, 1, 77, 2**31 - 700, 2**32 - 1, 2**45)


def _s_per_min(reading: Reading, window_s: int, group: str = "continuous") -> float | None:
    return reading.over(window_s).of(group).s_per_min


def test_a_fifth_of_certainty_is_twelve_seconds_in_a_minute() -> None:
    last = burden().push(constant(300, wheeze=0.2, crackle=0.05))[-1]
    assert _s_per_min(last, 60) == pytest.approx(12.0, abs=1e-6)
    assert _s_per_min(last, 300) == pytest.approx(12.0, abs=1e-6)
    assert _s_per_min(last, 300, "discontinuous") == pytest.approx(3.0, abs=1e-6)
    assert last.over(300).of("continuous").expected_s == pytest.approx(60.0, abs=1e-5)
    assert last.over(300).measured_s == 300.0


def test_a_minute_of_sound_leaves_the_shortest_window_first() -> None:
    one = burden()
    readings = one.push(constant(60, wheeze=0.5)) + one.push(constant(300, start=MINUTE))
    assert _s_per_min(readings[14], 60) == pytest.approx(30.0)
    assert _s_per_min(readings[29], 60) == 0.0
    assert _s_per_min(readings[74], 300) == pytest.approx(6.0)
    assert _s_per_min(readings[89], 300) == 0.0


def test_readings_are_four_seconds_apart_and_say_where_they_end() -> None:
    stops = [reading.stop for reading in burden().push(constant(12.5))]
    assert stops == [STEP, 2 * STEP, 3 * STEP]


def test_a_bed_is_unknown_until_half_a_window_was_measured() -> None:
    known = [[window.is_known for window in reading.windows] for reading in burden().push(constant(1900))]
    assert [row.index(True) for row in zip(*known, strict=True)] == [7, 37, 449]
    assert known[-1] == [True, True, True]


def test_unknown_is_no_number() -> None:
    window = burden().push(constant(20))[-1].over(60)
    assert window.coverage == pytest.approx(1 / 3)
    assert [(one.s_per_min, one.low, one.high) for one in window.groups] == [(None, None, None)] * 2


@pytest.mark.parametrize(("measurable", "is_known"), [(940, True), (930, False)])
def test_half_of_a_window_is_the_border(measurable: int, is_known: bool) -> None:
    scores = constant(60, wheeze=0.5)
    scores.valid[measurable:] = False
    window = burden().push(scores)[-1].over(60)
    assert window.is_known is is_known
    assert (window.of("continuous").s_per_min is not None) is is_known


def test_frames_that_are_not_measurable_count_as_elapsed_and_not_as_quiet() -> None:
    scores = constant(60, wheeze=0.5)
    scores.valid[::3] = False
    window = burden().push(scores)[-1].over(60)
    assert window.of("continuous").s_per_min == pytest.approx(30.0)
    assert window.coverage == pytest.approx(2 / 3)


def test_sound_that_the_model_does_not_know_is_counted_apart() -> None:
    one = burden()
    one.push(constant(48, wheeze=0.5), verified=None)
    window = one.push(constant(12, wheeze=0.1, start=1500), verified=False)[-1].over(60)
    assert window.of("continuous").s_per_min == pytest.approx(30.0)
    assert (window.measured_s, window.unverified_s) == (48.0, 12.0)


def test_a_bed_that_sounds_strange_is_unknown() -> None:
    last = burden().push(constant(300, wheeze=0.01), verified=False)[-1]
    assert [window.is_known for window in last.windows] == [False, False, False]
    assert last.over(300).unverified_s == 300.0


@settings(max_examples=30)
@given(
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    valid=st.sampled_from((0.3, 0.6, 1.0)),
    start=st.sampled_from(STARTS),
)
def test_any_cut_gives_the_same_readings(cuts: list[int], valid: float, start: int) -> None:
    scores = random_scores(3000, seed=len(cuts), start=start, valid=valid)
    whole, pieces = burden(), burden()
    assert in_pieces(pieces, scores, cuts) + pieces.flush() == whole.push(scores) + whole.flush()


@settings(max_examples=30)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 3000)), min_size=1, max_size=6),
    start=st.sampled_from(STARTS),
)
def test_every_reading_is_the_plain_sum_over_the_scores(pieces: list[tuple[int, int]], start: int) -> None:
    one, offset, end = burden(), -(-start // STEP) * STEP, sum(a + b for a, b in pieces)
    values, valid = np.zeros((end, 4), np.float32), np.zeros(end, np.bool_)
    at, readings = 0, list[Reading]()
    for number, (away, frames) in enumerate(pieces):
        at += away
        scores = random_scores(frames, number, offset + at, valid=0.9)
        values[at : at + frames], valid[at : at + frames] = scores.values, scores.valid
        readings += one.push(scores)
        at += frames
    for window in ((r, r.over(s)) for r in readings for s in WINDOWS_S):
        for group in window[1].groups:
            expected, coverage = offline(values, valid, group.group, window[0].stop - offset, window[1].window_s)
            assert window[1].coverage == pytest.approx(coverage, abs=1e-9)
            assert group.s_per_min == (pytest.approx(expected, abs=1e-6) if coverage >= 0.5 else None)


@settings(max_examples=5)
@given(start=st.sampled_from(STARTS), away=st.integers(0, 10**10))
def test_an_hour_after_a_jump_of_the_index_nothing_is_left_of_before(start: int, away: int) -> None:
    one = burden()
    one.push(constant(3600, wheeze=0.5, start=start))
    readings = one.push(constant(4, start=start + 60 * MINUTE + away))
    assert len(readings) <= 903
    hours = away / (60 * MINUTE)
    left = readings[-1].over(3600).of("continuous").expected_s
    assert left == pytest.approx(max(1800 * (1 - hours), 0), abs=8)


def test_readings_stop_when_every_window_is_empty() -> None:
    one = burden()
    one.push(constant(60, wheeze=0.5))
    readings = one.push(constant(4, start=STEP * 10**9))
    assert [r.stop // STEP for r in readings[-3:]] == [15 + 900, 15 + 901, 10**9 + 1]
    assert readings[-2].over(3600).measured_s == 0.0
    assert readings[-1].over(3600).measured_s == pytest.approx(4.0)


def test_a_stream_that_gives_nothing_fades_without_being_changed() -> None:
    one = burden()
    known = one.push(constant(600, wheeze=0.5))[-1]
    later = one.at(600 * MINUTE // 60 + 3 * MINUTE)
    assert later is not None
    assert [window.is_known for window in later.windows] == [False, False, False]
    assert later.over(300).coverage == pytest.approx(0.4)
    assert one.at(0) == known
    assert one.push(constant(4, wheeze=0.5, start=10 * MINUTE))[-1].over(300).coverage == 1.0


def test_before_the_first_scores_there_is_no_reading() -> None:
    assert burden().at(10**6) is None
    assert burden().flush() == []


def test_an_index_that_goes_back_is_another_stream() -> None:
    one = burden()
    one.push(constant(600, wheeze=0.9, start=10**6))
    reading = one.push(constant(60, wheeze=0.1))[-1]
    assert _s_per_min(reading, 60) == pytest.approx(6.0)
    assert not reading.over(300).is_known


def test_frames_that_came_twice_count_once() -> None:
    one = burden()
    one.push(constant(60, wheeze=0.5))
    reading = one.push(constant(4.064, wheeze=0.5, start=MINUTE - 2))[-1]
    assert reading.over(3600).measured_s == pytest.approx(64.0)


def test_reset_forgets_everything() -> None:
    one = burden()
    one.push(random_scores(3000, 1))
    one.reset()
    assert one.push(random_scores(3000, 2)) == burden().push(random_scores(3000, 2))


def test_its_memory_does_not_grow_with_hours_of_sound_and_of_silence() -> None:
    one, sizes = burden(), list[int]()
    for scores in (constant(8, wheeze=0.1), constant(7200, wheeze=0.1, start=9000), constant(8, start=10**9)):
        one.push(scores)
        sizes.append(len(pickle.dumps(vars(one))))
    assert max(sizes) < 40_000
    assert max(sizes) - min(sizes) < 20, "the digits of an index"


@pytest.mark.parametrize(("hop_samples", "rate_hz", "step"), [(256, 8000, 125), (320, 8000, 100), (160, 16000, 400)])
def test_a_step_is_four_seconds_for_any_model(hop_samples: int, rate_hz: int, step: int) -> None:
    assert Burden(GROUPS, ("wheeze", "rhonchus", "fine_crackle"), hop_samples, rate_hz).step_frames == step
