"""PSDS against cases worked by hand, and against psds_eval 0.5.3 on scores drawn at random."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.metrics.psds import LOCATE, NOTICE, THRESHOLDS, Scenario, Tally, count, match, psds, runs

SECOND = np.array([[1.0, 2.0]])


def test_runs_are_the_stretches_that_are_true() -> None:
    assert runs(np.array([1, 1, 0, 1, 0, 0, 1], np.bool_)).tolist() == [[0, 2], [3, 4], [6, 7]]
    assert len(runs(np.zeros(3, np.bool_))) == 0


def test_a_detection_must_lie_on_the_event_and_cover_it() -> None:
    assert match(SECOND, np.array([[1.0, 1.8]]), LOCATE)[0] == 1  # all of it on the event, .8 of the event covered
    assert match(SECOND, np.array([[1.0, 1.6]]), LOCATE)[0] == 0  # .6 covered: a wrong place, but no false alarm
    assert len(match(SECOND, np.array([[1.0, 1.6]]), LOCATE)[1]) == 0
    hits, stray = match(SECOND, np.array([[0.0, 2.0]]), LOCATE)  # half of it on the event
    assert (hits, stray.tolist()) == (0, [[0.0, 2.0]])


def test_an_event_found_in_pieces_is_found() -> None:
    assert match(SECOND, np.array([[1.0, 1.4], [1.5, 1.9]]), LOCATE)[0] == 1


def test_an_event_without_length_is_not_found_by_nothing() -> None:
    assert match(np.array([[1.0, 1.0]]), np.zeros((0, 2)), LOCATE)[0] == 0


def _tally(level: list[float], scenario: Scenario = LOCATE) -> Tally:
    return count([SECOND], [np.array(level, np.float32)], 0.5, scenario)


def test_what_is_found_at_some_threshold_without_false_alarms_scores_1() -> None:
    assert psds(_tally([0.0, 0.0, 0.9, 0.9, 0.0, 0.0]), LOCATE) == 1.0


def test_what_is_found_only_at_the_price_of_false_alarms_scores_less() -> None:
    # 3 s: one false alarm below threshold .6 is 1200 an hour, far beyond the 100 that are integrated
    assert psds(_tally([0.6, 0.0, 0.3, 0.3, 0.0, 0.0]), LOCATE) == 0.0
    assert psds(_tally([0.3, 0.0, 0.6, 0.6, 0.0, 0.0]), LOCATE) == 1.0


def test_the_curve_is_integrated_from_the_rate_at_which_it_rises() -> None:
    # one false alarm in 2.5 minutes is 24 an hour: nothing is found below, everything above
    level = np.zeros(300, np.float32)
    level[2:4], level[100] = 0.3, 0.6
    found = psds(count([SECOND], [level], 0.5, LOCATE), LOCATE)
    assert found == pytest.approx((100 - 24) / 100)


def test_confusing_classes_costs_only_where_it_is_asked() -> None:
    other = np.array([[3.0, 4.0]])
    levels = [np.array([0, 0, 0.9, 0.9, 0, 0, 0.9, 0.9], np.float32), np.array([0] * 6 + [0.9] * 2, np.float32)]
    tally = count([SECOND, other], levels, 0.5, NOTICE)
    assert tally.confused.max(axis=0).tolist() == [[0, 1], [0, 0]]


def test_without_events_of_a_class_there_is_no_score() -> None:
    assert psds(count([np.zeros((0, 2))], [np.ones(4, np.float32)], 0.5, LOCATE), LOCATE) is None


def test_tallies_add_and_come_back() -> None:
    tally = _tally([0.0, 0.2, 0.9, 0.9, 0.0, 0.0])
    twice = tally.like(2 * tally.flat())
    assert twice.hours == 2 * tally.hours
    np.testing.assert_array_equal(twice.hits, 2 * tally.hits)
    assert psds(twice, LOCATE) == psds(tally, LOCATE)


def _drawn(seed: int) -> list[tuple[list[NDArray[np.float64]], list[NDArray[np.float32]]]]:
    """Twelve recordings of 20 s with two classes of events that are heard badly, frames of 50 ms."""
    rng = np.random.default_rng(seed)
    recordings = []
    for _ in range(12):
        truth, levels = [], []
        for _ in range(2):
            starts = 4.0 * np.arange(4)[rng.random(4) < 0.6] + rng.uniform(0, 1)
            truth.append(np.stack([starts, starts + rng.uniform(0.5, 2.5)], axis=1))
        for g in range(2):
            level = rng.normal(-3, 2, 400)
            for spans, loudness in ((truth[g], 3.0), (truth[1 - g], 1.5)):
                for start, end in spans:
                    level[int(start * 20) : int(end * 20)] += loudness
            smooth = np.convolve(level, np.ones(7) / 7, "same")
            levels.append((1 / (1 + np.exp(-smooth))).astype(np.float32))
        recordings.append((truth, levels))
    return recordings


@pytest.mark.golden
@pytest.mark.parametrize(
    ("seed", "expected"),
    [
        (0, (0.2616379310344828, 0.6334151198041221, 0.37540413707396525)),
        (1, (0.19444444444444442, 0.6151335829623402, 0.345597511041295)),
    ],
)
def test_scores_are_those_of_psds_eval(seed: int, expected: tuple[float, ...]) -> None:
    scenarios = (LOCATE, NOTICE, Scenario("both costs", 0.5, 0.5, 0.2, 1.0, 0.5, 400.0))
    for scenario, value in zip(scenarios, expected, strict=True):
        tallies = [count(truth, levels, 0.05, scenario) for truth, levels in _drawn(seed)]
        total = tallies[0].like(np.sum([t.flat() for t in tallies], axis=0))
        assert psds(total, scenario) == pytest.approx(value, abs=1e-12)
    assert len(THRESHOLDS) == 50
