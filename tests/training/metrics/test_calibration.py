"""Reliability and its expected calibration error."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.evaluation.made import PERFECT, clip
from training.metrics.intervals import adventitious_reliability, confidence_reliability, reliability
from training.metrics.predictions import ask
from training.tasks import TASKS


def test_the_error_by_hand() -> None:
    # three answers of .95, two right: |.95 - 2/3| * 3/4; one of .15, wrong: .15 * 1/4
    found = reliability([0.95, 0.95, 0.95, 0.15], [1, 1, 0, 0])
    assert found.counts.tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 3]
    assert found.error == pytest.approx((0.95 - 2 / 3) * 0.75 + 0.15 * 0.25)


def test_who_states_the_true_share_has_no_error() -> None:
    assert reliability(np.full(10, 0.3), [1] * 3 + [0] * 7).error == pytest.approx(0.0)


def test_certainty_belongs_to_the_last_bin() -> None:
    assert reliability([1.0, 0.0], [1, 0]).counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_without_answers_there_is_no_error() -> None:
    assert np.isnan(reliability([], []).error)


def test_confidence_is_of_the_decided_label_and_the_other_of_not_normal() -> None:
    answered = ask(PERFECT, TASKS["1-1"], [clip("Normal"), clip("Adventitious")])
    assert confidence_reliability(answered).counts[-1] == 2
    assert adventitious_reliability(answered).counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_too_high_and_too_low_do_not_cancel() -> None:
    assert reliability([0.2, 0.8], [1, 0]).error == pytest.approx(0.8)
