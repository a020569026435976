"""Streaming metrics and their intervals."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.training.evaluation.made import DETECTION, recording, scores_of
from training.datasets import Annotation, Recording
from training.evaluation.delays import StreamedRecording
from training.evaluation.patientwise import streaming_estimates
from training.metrics.estimates import Estimate, binned_average_precision, histograms

WHEEZE = Annotation(2.0, 3.0, ("wheeze",), "Wheeze")
CRACKLE = Annotation(5.0, 6.0, ("fine_crackle",), "Fine Crackle")


def _named(several: list[StreamedRecording]) -> dict[str, Estimate]:
    return {e.name: e for e in streaming_estimates(several, DETECTION)}


def _perfect() -> list[StreamedRecording]:
    sick = [
        scores_of(recording(p, "CAS & DAS", WHEEZE, CRACKLE), [("wheeze", 2, 3), ("fine_crackle", 5, 6)])
        for p in "abcd"
    ]
    return sick + [scores_of(recording(p, "Normal"), [], length_s=36.0) for p in "efgh"]


@cache
def _named_perfect() -> dict[str, Estimate]:
    return _named(_perfect())


def test_a_perfect_detector_is_perfect_in_every_number() -> None:
    found = _named_perfect()
    for name in (
        "event F1 mean",
        "segment F1 mean",
        "PSDS 1",
        "PSDS 2",
        "record AUC",
        "record sensitivity",
        "record specificity",
        "frame AP wheeze",
        "frame AP discontinuous",
    ):
        assert found[name].value == 1.0, name
    assert found["detection delay median, s"].value == 1.0
    assert found["false alarms per hour Normal"].value == 0.0


def test_no_alarm_in_some_minutes_does_not_promise_none_ever() -> None:
    found = _named_perfect()["false alarms per hour Normal"]
    assert found.bounds is not None
    assert found.bounds.high == pytest.approx(3.0 / (4 * 36 / 3600), rel=0.01)  # 3 events may have been missed by luck
    assert "0 alarms in 0.04 h" in found.examples


def test_a_deaf_detector_finds_nothing_and_alarms_never() -> None:
    found = _named([scores_of(one.scored.recording, []) for one in _perfect()])
    assert found["event F1 mean"].value == 0.0
    assert found["record sensitivity"].value == 0.0
    assert found["record specificity"].value == 1.0
    assert found["record AUC"].value == 0.5
    assert found["detection delay median, s"].value is None
    assert "8 missed" in found["detection delay median, s"].examples


def test_only_normal_recordings_leave_no_f1_and_say_so() -> None:
    found = _named([scores_of(recording(p, "Normal"), []) for p in "ab"])
    assert found["event F1 mean"].value is None
    assert found["record AUC"].value is None
    assert found["PSDS 1"].value is None
    assert found["record specificity"].value == 1.0


def test_recordings_of_poor_quality_are_in_no_number() -> None:
    poor = scores_of(recording("z", "Poor Quality"), [("wheeze", 1, 2)])
    assert _named([*_perfect(), poor]) == _named_perfect()


def test_negatives_are_told_by_kind() -> None:
    loud = [Recording(Path(f"{i}.wav"), f"cough-{i}", "cough", (), is_negative=True) for i in range(3)]
    found = _named([scores_of(r, [("wheeze", 1, 2)], length_s=36.0) for r in loud])
    assert list(found) == ["false alarms per hour cough"]
    assert found["false alarms per hour cough"].value == pytest.approx(100.0)


def test_an_interval_holds_the_value_and_is_wider_with_fewer_patients() -> None:
    several = [scores_of(recording(f"p{i}", "CAS", WHEEZE), [("wheeze", 2, 3)] if i % 3 else []) for i in range(60)]
    few, many = (_named(part)["event F1 continuous"] for part in (several[:9], several))
    assert few.value == pytest.approx(many.value)
    for one in (few, many):
        assert one.bounds is not None
        assert one.value is not None
        assert one.bounds.low < one.value < one.bounds.high
    assert few.bounds.high - few.bounds.low > many.bounds.high - many.bounds.low  # type: ignore[union-attr]


def test_average_precision_from_histograms_is_nearly_exact() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20000) < 0.05
    level = (rng.normal(size=20000) + 1.5 * truth).astype(np.float32)
    total = histograms(level, truth, rng.integers(0, 9, 20000), 9).sum(axis=0)
    assert total.sum() == 20000
    assert binned_average_precision(total) == pytest.approx(average_precision_score(truth, level), abs=2e-3)
