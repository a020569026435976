"""A row of the last layer moves to what labels say, and stays where it is without them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from training.detector.last_layer import cross_entropy, fit_row


def _frames() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hidden values of which the second says the answer, logits that say nothing, answers."""
    rng = np.random.default_rng(0)
    hidden = np.abs(rng.standard_normal((4000, 3))).astype(np.float32)
    yes = rng.random(4000) < 1 / (1 + np.exp(-3 * (hidden[:, 1] - 1)))
    return hidden, np.zeros(4000), yes


def test_a_row_finds_the_hidden_value_that_says_it() -> None:
    hidden, logits, yes = _frames()
    row = fit_row(hidden, logits, yes, penalty=1e-6)
    assert row.weight[1] == pytest.approx(3, abs=0.3)
    assert np.abs(row.weight[[0, 2]]).max() < 0.3
    assert row.bias == pytest.approx(-3, abs=0.4)


def test_without_a_penalty_it_is_sklearns_logistic_regression() -> None:
    hidden, logits, yes = _frames()
    row, fit = fit_row(hidden, logits, yes, penalty=0.0), LogisticRegression(C=1e9).fit(hidden, yes)
    np.testing.assert_allclose(row.weight, fit.coef_[0], atol=0.02)


def test_a_strict_penalty_leaves_all_but_the_offset() -> None:
    hidden, logits, yes = _frames()
    row = fit_row(hidden, logits, yes, penalty=1e6)
    assert np.abs(row.weight).max() < 1e-5
    assert row.bias == pytest.approx(np.log(yes.mean() / (1 - yes.mean())), abs=0.01)


def test_what_the_logits_say_already_is_not_learnt_again() -> None:
    hidden, _, yes = _frames()
    row = fit_row(hidden, 3.0 * (hidden[:, 1].astype(np.float64) - 1), yes, penalty=0.001)
    assert np.abs(row.weight).max() < 0.15


def test_a_sure_and_wrong_answer_costs_its_log_odds() -> None:
    assert cross_entropy(np.array([20.0, -20.0]), np.array([False, True])) == pytest.approx(20.0)
