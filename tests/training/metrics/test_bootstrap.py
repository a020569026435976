"""Intervals: what is drawn are patients, and sums of patients are all that is needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from training.metrics.intervals import DRAWS, interval, of_counts, pair_wins, patient_weights


def test_every_draw_has_as_many_patients_as_there_are() -> None:
    weights = patient_weights(7)
    assert weights.shape == (DRAWS, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert abs(weights.mean() - 1) < 1e-12


def test_the_same_seed_draws_the_same_patients() -> None:
    np.testing.assert_array_equal(patient_weights(5), patient_weights(5))
    assert (patient_weights(5) != patient_weights(5, seed=1)).any()


def test_a_weighted_sum_is_what_a_list_of_drawn_patients_gives() -> None:
    counts = np.arange(12).reshape(4, 3)
    drawn = np.random.default_rng(0).multinomial(4, np.full(4, 0.25), DRAWS)
    by_list = [counts[np.repeat(np.arange(4), weights)].sum(axis=0)[1] for weights in drawn]
    found = of_counts(counts, lambda total: float(total[1]))
    assert found is not None
    assert (found.low, found.high) == tuple(np.percentile(by_list, [2.5, 97.5]))


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    # 400 patients, half of whom are right: standard error sqrt(.25 / 400) = .025, so 95 % lie within .049
    counts = np.array([[i % 2, 1] for i in range(400)])
    found = of_counts(counts, lambda total: total[0] / total[1])
    assert found is not None
    assert found.low == pytest.approx(0.451, abs=0.008)
    assert found.high == pytest.approx(0.549, abs=0.008)


def test_many_clips_of_one_patient_do_not_narrow_the_interval() -> None:
    few = of_counts([[i % 2, 1] for i in range(10)], lambda t: t[0] / t[1])
    many = of_counts([[100 * (i % 2), 100] for i in range(10)], lambda t: t[0] / t[1])
    assert few == many


def test_one_patient_has_no_interval() -> None:
    assert of_counts([[3, 4]], lambda total: total[0] / total[1]) is None


def test_draws_without_examples_are_left_out_and_counted() -> None:
    # one patient of three has what the metric needs; it is missed in (2/3)^3 = 30 % of the draws
    found = of_counts([[1.0], [0.0], [0.0]], lambda total: 1.0 if total[0] else None)
    assert found is not None
    assert (found.low, found.high) == (1.0, 1.0)
    assert 0.25 < found.undefined / DRAWS < 0.35


def test_a_number_that_most_draws_cannot_give_has_no_interval() -> None:
    assert interval(5, lambda weights: 1.0 if weights[0] >= 2 else None) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=40), st.data())
def test_the_area_of_a_draw_is_that_of_the_repeated_clips(
    rows: list[tuple[bool, int, int]], drawn: st.DataObject
) -> None:
    truth, scores, patients = (np.array(column) for column in zip(*rows, strict=True))
    pairs = pair_wins(truth, scores, patients)
    count = len(pairs.positives)
    weights = np.array(drawn.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    times = weights[np.unique(patients, return_inverse=True)[1]]
    repeated, values = np.repeat(truth, times), np.repeat(scores, times)
    expected = roc_auc_score(repeated, values) if len(set(repeated.tolist())) == 2 else None
    assert pairs.auc(weights) == (None if expected is None else pytest.approx(expected))
