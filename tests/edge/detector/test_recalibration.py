"""Recalibrated scores are probabilities again: the group moves, the shares of its classes stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.class_rules import EventOptions
from edge.detector.pipeline import Pipeline
from edge.detector.recalibration import Recalibration
from edge.types import Scores
from tests.edge.adapting import adaptation
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import sound

CLASSES = ("wheeze", "rhonchus", "fine_crackle", "breath")
CONTINUOUS = LoudnessModel.groups[0].__class__("continuous", ("wheeze", "rhonchus"), 3, 0.7, 3, 3)
SHARE = st.floats(0, 0.5, width=32)


def test_log_odds_are_scaled_and_moved() -> None:
    again = Recalibration([CONTINUOUS], CLASSES, {"continuous": (2.0, np.log(3.0))})
    (row,) = again.values(np.array([[0.6, 0.15, 0.3, 0.9]], np.float32))
    odds = 3 * (0.75 / 0.25) ** 2
    assert row[:2].sum() == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert row[0] / row[1] == pytest.approx(4.0, rel=1e-5)
    assert row[2:].tolist() == pytest.approx([0.3, 0.9])


@given(SHARE, SHARE, st.floats(0.01, 10), st.floats(-10, 10))
def test_what_comes_out_is_a_probability_and_the_order_of_scores_stays(
    a: float, b: float, scale: float, bias: float
) -> None:
    again = Recalibration([CONTINUOUS], CLASSES, {"continuous": (scale, bias)})
    values = np.array([[a, b, 0, 0], [a / 2, b / 2, 0, 0]], np.float32)
    more, less = again.values(values)[:, :2].sum(axis=1)
    assert 0 <= less <= more + 1e-6 <= 1 + 2e-6


def test_without_a_calibration_scores_are_the_same_object() -> None:
    scores = Scores(0, np.full((3, 4), 0.5, np.float32), np.ones(3, np.bool_))
    assert Recalibration([CONTINUOUS], CLASSES, {}).apply(scores) is scores


def test_a_stream_takes_calibration_and_thresholds_of_its_adaptation_and_the_operators_before_them() -> None:
    recorded = sound(2.0, (0.4, 1.2))  # scored 0.9 while it is loud

    def labels(calibration: dict[str, tuple[float, float]], adapted: dict[str, float], own: dict[str, float]) -> int:
        given = adaptation(calibration=calibration, thresholds=adapted)
        pipeline = Pipeline(LoudnessModel(), EventOptions(own), adaptation=given)  # type: ignore[arg-type]
        return len(pipeline.push(recorded) + pipeline.flush())

    assert labels({}, {}, {}) == 2
    assert labels({}, {"wheeze": 0.95}, {}) == 0
    assert labels({}, {"wheeze": 0.95}, {"wheeze": 0.8}) == 2
    assert labels({"continuous": (1.0, -3.0)}, {}, {}) == 0
