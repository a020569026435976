"""The share of breathing that wheezes, known by hand; and never a number where it is not known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.model.specs import GroupSpec
from edge.types import Scores
from edge.ward.respiratory_rate import STEP_S, RateReading
from edge.ward.wheeze_rate import LITTLE_BREATH, NO_RATE, NOT_MEASURED, BreathTrend, BreathWindow, WheezeRate

FRAME_S = 0.032
STEP = round(STEP_S / FRAME_S)
PERIOD = 100  # frames to a breath, 3.2 s
CLASSES = ("wheeze", "rhonchus", "fine_crackle", "breath")
GROUPS = (
    GroupSpec("continuous", ("wheeze", "rhonchus"), 1, 0.5, 1, 1),
    GroupSpec("discontinuous", ("fine_crackle",), 1, 0.5, 1, 1),
)


def new() -> WheezeRate:
    return WheezeRate(GROUPS, CLASSES, "breath", FRAME_S)


def breathing(count: int, wheezing: float = 0.5, start: int = 0) -> Scores:
    """Breath in the first half of each 100 frames; every second one wheezes, in this share of its half."""
    at = np.arange(start, start + count)
    values = np.zeros((count, len(CLASSES)), np.float32)
    values[:, 3] = at % PERIOD < PERIOD // 2
    values[:, 0] = (at % (2 * PERIOD) < round(wheezing * PERIOD / 2)) * 0.75
    values[:, 1] = values[:, 0] / 3  # the classes of a group exclude each other: together 1
    return Scores(start, values, np.ones(count, np.bool_))


def rates(stop: int, per_min: float | None = 60 / (PERIOD * FRAME_S), begin: int = 0) -> list[RateReading]:
    steps = range((begin // STEP + 1) * STEP, stop + 1, STEP)
    return [RateReading(at, per_min, 0.9, 1.0, "" if per_min else "irregular") for at in steps]


def output_of(scores: Scores, readings: list[RateReading], verified: bool | None = None) -> BreathTrend:
    rate = new()
    rate.push_rates(readings)
    trend = rate.push(scores, verified)
    assert trend is not None
    return trend


def minute(trend: BreathTrend | None) -> BreathWindow:
    assert trend is not None
    return trend.windows[0]


def test_a_quarter_of_the_breathing_and_half_of_the_breaths_wheeze() -> None:
    count = 24 * STEP
    window = minute(output_of(breathing(count), rates(count)))
    wheezes, crackles = window.groups
    assert wheezes.of_time.share == pytest.approx(0.25, abs=0.02)
    assert wheezes.of_breaths.share == pytest.approx(0.5, abs=0.06)
    for share in (wheezes.of_time, wheezes.of_breaths):
        assert share.low is not None
        assert share.share is not None
        assert share.high is not None
        assert 0 < share.low <= share.share <= share.high <= 1
    assert (crackles.of_time.share, crackles.of_breaths.share) == (0.0, 0.0)
    assert window.breaths == pytest.approx(60 / (PERIOD * FRAME_S), abs=1)
    assert window.breaths_per_min == pytest.approx(60 / (PERIOD * FRAME_S))
    assert window.breathing_s == pytest.approx(30, abs=1)
    assert window.answered == 1.0


def test_sound_between_breaths_is_no_share_of_breathing() -> None:
    scores = breathing(24 * STEP)
    scores.values[:, 0] = 0.9 * (1 - scores.values[:, 3])
    scores.values[:, 1] = 0.0
    assert minute(output_of(scores, rates(24 * STEP))).groups[0].of_time.share == 0.0


@pytest.mark.parametrize(
    ("scores", "readings", "verified", "reasons"),
    [
        (breathing(24 * STEP), rates(24 * STEP, None), None, ("", NO_RATE, NO_RATE)),
        (breathing(24 * STEP), rates(24 * STEP), False, (NOT_MEASURED, NOT_MEASURED, "")),
        (
            replace(breathing(24 * STEP), values=np.zeros((24 * STEP, 4), np.float32)),
            rates(24 * STEP, None),
            None,
            (LITTLE_BREATH, LITTLE_BREATH, LITTLE_BREATH),
        ),
    ],
)
def test_what_is_not_known_is_no_number_and_says_why(
    scores: Scores, readings: list[RateReading], verified: bool | None, reasons: tuple[str, str, str]
) -> None:
    window = minute(output_of(scores, readings, verified))
    found = [*((each.share, each.why) for each in (window.groups[0].of_time, window.groups[0].of_breaths))]
    found.append((window.breaths_per_min, window.why))
    for (number, why), expected in zip(found, reasons, strict=True):
        assert why == expected
        assert (number is None) == bool(expected)


def test_a_night_is_unknown_until_half_of_it_was_heard() -> None:
    rate, hour = new(), 720 * STEP
    known = []
    for number in range(8):
        rate.push_rates(rates((number + 1) * hour, begin=number * hour))
        trend = rate.push(breathing(hour, start=number * hour))
        assert trend is not None
        known.append([window.groups[0].of_time.share is not None for window in trend.windows])
    assert [night for *_, night in known] == [False] * 3 + [True] * 5
    assert all(an_hour for *_, an_hour, _ in known)


def test_a_gap_is_elapsed_and_no_breath_lasts_through_it() -> None:
    rate = new()
    rate.push_rates(rates(6 * STEP))
    rate.push(breathing(6 * STEP))
    rate.push_rates(rates(24 * STEP, begin=18 * STEP))
    window = minute(rate.push(breathing(6 * STEP, start=18 * STEP)))
    assert window.measured_s == pytest.approx(30, abs=0.1)
    assert window.answered == 0.5
    assert minute(rate.at(60 * STEP)).groups[0].of_time.why == NOT_MEASURED, "nothing comes any more"


def test_what_comes_before_the_index_of_now_is_another_stream() -> None:
    rate = new()
    rate.push_rates(rates(24 * STEP))
    rate.push(breathing(24 * STEP, start=2**33))
    trend = rate.push(breathing(24 * STEP))
    assert trend is not None
    assert trend.stop <= 24 * STEP


@pytest.mark.parametrize("begin", [0, 2**31 - 5 * STEP, 2**32 - 5 * STEP])
@pytest.mark.parametrize("seed", range(4))
def test_any_cut_gives_the_same(begin: int, seed: int) -> None:
    begin, rng = begin // (2 * PERIOD) * 2 * PERIOD, np.random.default_rng(seed)
    whole, count = breathing(26 * STEP, start=begin), 26 * STEP
    whole.values[:] *= rng.uniform(0.2, 1, whole.values.shape)
    readings = rates(begin + count, begin=begin)
    expected = new()
    expected.push_rates(readings)
    expected.push(whole)
    cut = new()
    cuts: NDArray[np.int64] = np.cumsum(rng.integers(1, 60, 300))
    cuts = cuts[cuts < count]
    for first, last in zip([0, *cuts], [*cuts, count], strict=True):
        due = [each for each in readings if begin + first < each.stop <= begin + last]
        cut.push_rates(due if rng.random() < 0.5 else [])
        cut.push(Scores(begin + int(first), whole.values[first:last], whole.valid[first:last]))
        cut.push_rates(due)
    stop = begin + 24 * STEP
    assert cut.over(begin, stop) == expected.over(begin, stop)
    assert cut.over(begin, stop) is not None


def test_a_recording_shorter_than_a_minute_has_shares_of_its_own_length() -> None:
    rate, count = new(), 5 * STEP
    rate.push_rates(rates(count))
    rate.push(breathing(count))
    window = rate.over(0, count)
    assert window is not None
    assert window.window_s == 25
    assert window.groups[0].of_time.share == pytest.approx(0.25, abs=0.05)
    assert window.breaths == pytest.approx(8, abs=1)
