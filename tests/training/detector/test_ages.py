"""What is said of each age is of patients of that age, and infants' border is the least that keeps what is allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.model.specs import GroupSpec
from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import WIDTH
from training.detector.ages import ALLOWED, by_age, infant_step, infants_with, with_step
from training.metrics.estimates import Heard
from training.metrics.streaming import Detection, ScoredRecording

DETECTION = Detection(
    (GroupSpec("continuous", ("wheeze",), 1, 0.5, 2, 1), GroupSpec("discontinuous", ("fine_crackle",), 1, 0.5, 2, 1)),
    {"wheeze": 0.5, "fine_crackle": 0.5},
    2000,  # 0.25 s a frame
    8000,
)
FRAMES = 144  # 36 s: one alarm is 100 an hour


def _scored(number: int, age_years: float, label: str, heights: list[float]) -> ScoredRecording:
    scores = np.full((FRAMES, len(CLASSES)), 0.01, np.float32)
    for place, height in enumerate(heights):
        scores[20 + 20 * place : 28 + 20 * place, CLASSES.index("wheeze")] = height
    events = (Annotation(5.0, 7.0, ("wheeze",), "Wheeze"),) if label == "CAS" else ()
    recording = Recording(Path(f"{number}"), f"p{number}", label, events, age_years=age_years)
    return ScoredRecording(recording, scores, np.zeros((FRAMES, WIDTH), np.float32))


WARD = [
    *(_scored(n, 0.5, "Normal", [0.6, 0.7, 0.9]) for n in range(2)),  # three alarms each: 300 an hour
    *(_scored(n, 0.5, "CAS", [0.95]) for n in range(2, 5)),
    _scored(5, 0.9, "CAS", [0.6]),
    *(_scored(n, 6.0, "Normal", []) for n in range(6, 9)),
    *(_scored(n, 6.0, "CAS", [0.6]) for n in range(9, 12)),
    _scored(12, 2.0, "Normal", [0.9]),  # alone of its age: nothing is said
]


def _scores_of(detection: Detection) -> list[Heard]:
    return [(s, detection.events(s.scores)) for s in WARD]


def test_every_age_has_its_own_rates_and_one_patient_is_no_group() -> None:
    found = by_age(_scores_of(DETECTION), DETECTION)
    assert list(found) == ["under 1 year", "3 to 17 years"]
    infants, others = found["under 1 year"], found["3 to 17 years"]
    assert infants["validation"]["false alarms per hour Normal"] == pytest.approx(300)
    assert others["validation"]["false alarms per hour Normal"] == 0
    assert infants["validation"]["sensitivity"] == others["validation"]["sensitivity"] == 1
    assert (infants["patients"], infants["normal_patients"], infants["normal_minutes"]) == (6, 2, 1.2)


def test_infants_have_the_least_border_that_keeps_what_is_allowed() -> None:
    step = infant_step(WARD, DETECTION)
    assert step == 1.0  # logit .5 + 1 = .731: of .6, .7 and .9 one is left, 100 an hour
    own = infants_with(WARD, with_step(DETECTION, step))
    assert own["false_alarms_per_hour"] == ALLOWED
    assert own["sensitivity"] == 0.75
    assert infants_with(WARD, DETECTION)["false_alarms_per_hour"] == 300


def test_without_normal_infants_nothing_is_chosen_for_them() -> None:
    assert infant_step(WARD[2:], DETECTION) is None
