"""The respiratory rate of a bed: right by hand, the same for any cut, and never a number where it is not known."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.types import BreathSound, Fault
from edge.ward.breath_rhythm import _peaks
from edge.ward.respiratory_rate import IRREGULAR, LOST, NO_BREATH, NOT_CLEAR, TOO_SHORT, RateReading, RespiratoryRate
from tests.edge.ward.breathing import FRAME_S, at, part, regular

STARTS = (0, 1, 77, 2**31 - 300, 2**32 - 1, 2**45)


def _readings(*sounds: BreathSound) -> list[RateReading]:
    rate = RespiratoryRate(FRAME_S)
    return [reading for sound in sounds for reading in rate.push(sound)] + rate.flush()


@pytest.mark.parametrize("per_min", [10, 15, 22, 30, 44, 60, 66])
def test_regular_breath_has_its_rate_within_a_tenth_and_no_octave(per_min: float) -> None:
    known = [reading.breaths_per_min for reading in _readings(regular(per_min, 60))[2:]]  # three breaths take 12 s
    assert known[-1] == pytest.approx(per_min, rel=0.1)
    assert all(rate is None or abs(rate - per_min) <= max(2, 0.1 * per_min) for rate in known)


@pytest.mark.parametrize("per_min", [5, 7])
def test_slow_breath_is_known_from_the_longest_window(per_min: float) -> None:
    assert _readings(regular(per_min, 90))[-1].breaths_per_min == pytest.approx(per_min, rel=0.1)


def test_nothing_is_said_of_less_than_eight_seconds() -> None:
    readings = _readings(regular(30, 7.9))
    assert [(reading.breaths_per_min, reading.why) for reading in readings] == [(None, TOO_SHORT)] * 2


def test_a_rate_that_changes_is_followed_within_the_window() -> None:
    readings = _readings(regular(20, 60), regular(40, 60, start=round(60 / FRAME_S)))
    assert readings[10].breaths_per_min == pytest.approx(20, rel=0.1)
    assert readings[-1].breaths_per_min == pytest.approx(40, rel=0.1)
    assert all(each.breaths_per_min is None or 18 <= each.breaths_per_min <= 44 for each in readings)


@pytest.mark.parametrize("per_min", [5, 7, 10, 15, 24, 40, 60])
def test_a_breath_that_stopped_has_no_rate_once_the_next_is_overdue(per_min: float) -> None:
    still = at(np.array([1000.0]), 40.0, start=round(70 / FRAME_S))
    readings = _readings(regular(per_min, 70.0), still)
    late = [each for each in readings if each.stop * FRAME_S > 70 + 2 * 60 / per_min + 1]
    assert late
    assert {(each.breaths_per_min, each.why) for each in late} == {(None, NO_BREATH)}


def test_readings_are_five_seconds_apart_and_say_where_they_end() -> None:
    rate = RespiratoryRate(FRAME_S)
    assert [reading.stop for reading in rate.push(regular(30, 16))] == [156, 312, 468]
    assert [reading.stop for reading in rate.flush()] == [500]


def test_breath_that_is_not_regular_has_no_rate() -> None:
    begins_s = np.cumsum([0.5, 1.2, 4.1, 1.5, 3.2, 1.1, 5.0, 2.2, 1.3, 4.4, 1.8, 3.9])
    readings = _readings(at(begins_s, 30))[2:]  # from 15 s on
    assert {(reading.breaths_per_min, reading.why) for reading in readings} <= {(None, IRREGULAR), (None, NOT_CLEAR)}
    assert readings[-1].why == IRREGULAR


def _uneven(seconds: float, start: int = 0) -> tuple[BreathSound, np.ndarray]:
    """Breath of which some take more than twice as long as others, and its begins."""
    begins_s = 0.5 + np.cumsum(np.random.default_rng(4).uniform(1.0, 2.2, 200))
    return at(begins_s, seconds, start), begins_s


def test_breath_that_is_uneven_is_counted() -> None:
    sound, begins_s = _uneven(90)
    known = [each for each in _readings(sound) if each.breaths_per_min is not None and each.confidence == 0.9]
    assert len(known) >= 10, "no rhythm is that sure of it"
    for each in known:
        stop_s = each.stop * FRAME_S
        inside = begins_s[(begins_s > stop_s - 30) & (begins_s < stop_s - 0.3)]
        assert each.breaths_per_min == pytest.approx(60 / np.diff(inside).mean(), rel=0.1)
        assert each.spread == pytest.approx(np.diff(inside).max() / np.diff(inside).min(), rel=0.25)


def test_breaths_are_not_counted_where_one_may_be_lost_or_most_of_the_sound_is_faulty() -> None:
    sound, _ = _uneven(90)
    lost = sound.usable.copy()
    lost[2600:2700] = False  # 3 s of the last 30 s
    assert _readings(sound)[-1].breaths_per_min is not None
    assert _readings(sound._replace(usable=lost))[-1].breaths_per_min is None
    faulty = _readings(part(sound, 0, len(sound.usable), "rubbing"))[-1]
    assert (faulty.breaths_per_min, faulty.why) == (None, "rubbing")


def test_only_peaks_count_that_rise_and_fall_enough() -> None:
    heights = np.array([0, 1, 0, 0.3, 0.1, 0.9, 0.7, 0.95, 0, 1.0])
    signal = np.interp(np.arange(0, 9, 0.05), np.arange(10), heights)
    assert [round(place * 0.05) for place in _peaks(signal, 0.5)] == [1, 7], "the last one does not fall"
    assert [round(place * 0.05) for place in _peaks(signal, 0.15)] == [1, 3, 5, 7]


def test_what_repeats_and_is_no_breath_has_no_rate() -> None:
    heart = regular(72, 60, loud=0.5)
    assert {(each.breaths_per_min, each.why) for each in _readings(heart)} == {(None, TOO_SHORT), (None, NO_BREATH)}


def test_noise_has_no_rate() -> None:
    rng = np.random.default_rng(3)
    score, level_db = rng.uniform(0, 1, 3000).astype(np.float32), rng.normal(-60, 3, 3000).astype(np.float32)
    noise = BreathSound(0, score, level_db, np.stack([level_db] * 3, axis=1), np.ones(3000, bool))
    assert all(reading.breaths_per_min is None for reading in _readings(noise))


@pytest.mark.parametrize("fault", ["speech", "dead microphone"])
def test_sound_in_which_breath_cannot_be_heard_has_no_rate_and_says_why(fault: Fault) -> None:
    sound = regular(30, 60)
    readings = _readings(part(sound, 0, 938), part(sound, 938, 1876, fault))
    assert readings[5].breaths_per_min == pytest.approx(30, rel=0.1)
    assert (readings[-1].breaths_per_min, readings[-1].why) == (None, fault)
    assert readings[-1].measurable < 0.1


def test_a_fault_in_which_breath_is_heard_all_the_same_is_a_reason_only_where_it_is_not() -> None:
    noise = regular(30, 40)
    np.random.default_rng(0).shuffle(noise.score)
    assert _readings(part(regular(30, 40), 0, 1250, "no contact"))[-1].breaths_per_min == pytest.approx(30, rel=0.1)
    assert _readings(part(noise, 0, 1250, "rubbing"))[-1].why == "rubbing"


def test_lost_sound_is_unknown_whether_it_is_masked_or_does_not_come() -> None:
    sound = regular(30, 90)
    masked = part(sound, 938, 1876)._replace(usable=np.zeros(938, np.bool_))
    lost = _readings(part(sound, 0, 938), part(sound, 1876, 1900))
    assert lost == _readings(part(sound, 0, 938), masked, part(sound, 1876, 1900))
    assert (lost[-1].breaths_per_min, lost[-1].why, lost[-1].measurable) == (None, LOST, pytest.approx(0.026, abs=1e-3))


def test_a_fifth_of_lost_packets_leaves_the_rate() -> None:
    sound = regular(30, 60)
    usable = np.random.default_rng(1).uniform(size=len(sound.usable)) > 0.2
    last = _readings(sound._replace(usable=usable, score=np.where(usable, sound.score, 0)))[-1]
    assert last.breaths_per_min == pytest.approx(30, rel=0.1)
    assert last.measurable == pytest.approx(0.8, abs=0.03)


def test_a_gain_changes_nothing() -> None:
    sound = regular(30, 40)
    louder = _readings(sound._replace(level_db=sound.level_db + np.float32(16)))
    assert [each.why for each in louder] == [each.why for each in _readings(sound)]


def test_after_a_long_loss_no_readings_come_until_there_is_sound() -> None:
    sound = regular(30, 40)
    readings = _readings(sound, regular(30, 40, start=10**9))
    assert len(readings) < 40
    assert readings[-1].breaths_per_min == pytest.approx(30, rel=0.1)


def test_an_index_that_goes_back_is_another_stream() -> None:
    rate = RespiratoryRate(FRAME_S)
    rate.push(regular(30, 60, start=10_000))
    rate.push(regular(30, 6))
    assert [reading.why for reading in rate.flush()] == [TOO_SHORT]


@settings(max_examples=15, deadline=None)
@given(data=st.data(), start=st.sampled_from(STARTS))
def test_any_cut_gives_the_same_readings_across_gaps(data: st.DataObject, start: int) -> None:
    sound = regular(26, 70, start)
    sound.usable[300:360] = False
    whole = _readings(part(sound, 0, 900), part(sound, 1000, 2187))
    cuts = sorted(data.draw(st.lists(st.integers(1, 2186), max_size=30)))
    edges = [0, *cuts, 2187]
    pieces = [(max(a, low), min(b, high)) for low, high in ((0, 900), (1000, 2187)) for a, b in pairwise(edges)]
    assert _readings(*(part(sound, a, b) for a, b in pieces if a < b)) == whole


def test_reset_is_a_new_object() -> None:
    rate = RespiratoryRate(FRAME_S)
    rate.push(regular(50, 40))
    rate.reset()
    assert rate.push(regular(20, 40)) == RespiratoryRate(FRAME_S).push(regular(20, 40))
