"""Thresholds for a budget of false alarms: kept on Normal and on negatives, and no higher than they must be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.model.specs import GroupSpec
from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import WIDTH
from training.detector.budget import (
    BUDGETS,
    CAP,
    OF_NEGATIVES,
    Point,
    bound_per_hour,
    budget_thresholds,
    measure,
)
from training.metrics.streaming import Detection, ScoredRecording, false_alarms

DETECTION = Detection(
    (GroupSpec("continuous", ("wheeze",), 1, 0.5, 2, 1), GroupSpec("discontinuous", ("fine_crackle",), 1, 0.5, 2, 1)),
    {"wheeze": 0.3, "fine_crackle": 0.3},
    2000,  # 0.25 s a frame, eight times that of the detector: an hour of ward is searched in seconds
    8000,
)
FRAMES = 144  # 36 s


def _scored(label: str, height: float, number: int, negative: bool = False) -> ScoredRecording:
    scores = np.full((FRAMES, len(CLASSES)), 0.01, np.float32)
    scores[25:33, CLASSES.index("wheeze")] = height
    events = (Annotation(6.4, 8.32, ("wheeze",), "Wheeze"),) if label == "CAS" else ()
    recording = Recording(Path(f"{label}{number}"), f"p{number}", label, events, is_negative=negative)
    return ScoredRecording(recording, scores, np.zeros((FRAMES, WIDTH), np.float32))


@pytest.fixture(scope="module")
def ward() -> list[ScoredRecording]:
    """Two hours of Normal with bumps of rising height, an hour of cough with lower ones, adventitious ones above."""
    normal = [_scored("Normal", 0.30 + 0.003 * i, i) for i in range(200)]
    cough = [_scored("cough", 0.30 + 0.003 * i, 200 + i, negative=True) for i in range(100)]
    return normal + cough + [_scored("CAS", 0.3 + 0.0138 * i, 400 + i) for i in range(50)]


def _points(ward: list[ScoredRecording]) -> list[Point]:
    """What is chosen for a ward, measured on that ward."""
    found = []
    for budget, thresholds in budget_thresholds(ward, DETECTION).items():
        detection = replace(DETECTION, thresholds=thresholds)
        found.append(measure([(s, detection.events(s.scores)) for s in ward], detection, budget))
    return found


@pytest.fixture(scope="module")
def found(ward: list[ScoredRecording]) -> list[Point]:
    """What was chosen for that ward."""
    return _points(ward)


def test_every_budget_is_kept_on_normal_and_on_negatives(ward: list[ScoredRecording], found: list[Point]) -> None:
    assert [point.budget_per_hour for point in found] == list(BUDGETS)
    for point in found:
        detection = Detection(DETECTION.groups, point.thresholds, DETECTION.hop_samples, DETECTION.rate_hz)
        rates = false_alarms([(s, detection.events(s.scores)) for s in ward], DETECTION.frame_s)
        assert rates["false alarms per hour Normal"] <= point.budget_per_hour
        assert rates["false alarms per hour cough"] <= OF_NEGATIVES * point.budget_per_hour


def test_a_smaller_budget_finds_less_and_costs_higher_thresholds(found: list[Point]) -> None:
    sensitivity = [point.sensitivity for point in found]
    assert sensitivity == sorted(sensitivity)
    assert sensitivity[0] < sensitivity[-1] < 1
    assert found[0].thresholds["wheeze"] > found[-1].thresholds["wheeze"] > 0.3


def test_thresholds_that_keep_every_budget_are_left_where_they_are(ward: list[ScoredRecording]) -> None:
    quiet = [s for s in ward if s.recording.record_label == "CAS"] + _silent()
    assert budget_thresholds(quiet, DETECTION) == dict.fromkeys(BUDGETS, DETECTION.thresholds)


def _silent() -> list[ScoredRecording]:
    """Two hours of Normal of as many patients as are needed to promise two alarms an hour, without a sound."""
    return [_scored("Normal", 0.05, i) for i in range(200)]


def test_a_kind_of_negative_alone_can_make_thresholds_higher() -> None:
    ward = [*_silent(), *(_scored("cough", 0.30 + 0.03 * i, 200 + i, negative=True) for i in range(20))]
    found = _points(ward)
    assert found
    for point in found:
        assert point.false_alarms["cough"] <= OF_NEGATIVES * point.budget_per_hour
        assert point.thresholds["wheeze"] > DETECTION.thresholds["wheeze"]


def test_negatives_are_allowed_more_alarms_than_normal() -> None:
    coughs = [_scored("cough", 0.9 if i < 3 else 0.05, 200 + i, negative=True) for i in range(100)]
    smallest = _points([*_silent(), *coughs])[0]
    assert (smallest.budget_per_hour, smallest.false_alarms["cough"]) == (2.0, 3.0)
    assert smallest.thresholds == DETECTION.thresholds


def test_sensitivity_is_of_adventitious_recordings_alone() -> None:
    ward = [*_silent(), _scored("CAS", 0.9, 1), _scored("CAS", 0.05, 2)]
    assert _points(ward)[0].sensitivity == 0.5


def _with_one_alarm(number: int) -> tuple[ScoredRecording, list[str]]:
    """36 s of a patient with one alarm: 100 an hour."""
    return _scored("Normal", 0.9, number), ["alarm"]


def test_the_bound_counts_one_more_patient_at_the_cap() -> None:
    quiet = [(_scored("Normal", 0.05, i), []) for i in range(9)]
    # Ten patients, one with 100 an hour: (100 + 300) / 11
    assert bound_per_hour([*quiet, _with_one_alarm(9)], DETECTION.frame_s) == pytest.approx(400 / 11)
    assert bound_per_hour([], DETECTION.frame_s) == CAP


def test_a_patient_counts_once_however_long_and_at_most_with_the_cap() -> None:
    loud = [(_scored("Normal", 0.9, 0), ["alarm"] * 50)]
    quiet = [(_scored("Normal", 0.05, 1), [])] * 20
    assert bound_per_hour([*loud, *quiet], DETECTION.frame_s) == pytest.approx(2 * CAP / 3)


def test_of_too_few_patients_no_budget_is_promised_however_quiet_they_are() -> None:
    seven = _silent()[:7]  # as many infants as there are: 300 / 8 = 37.5 an hour
    assert budget_thresholds([*seven, _scored("CAS", 0.9, 300)], DETECTION) == {}
