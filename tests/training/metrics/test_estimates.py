"""Streaming metrics by hand: annotated time, means, minutes, false alarms where nobody annotated, burden, pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.types import Event
from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import annotated, frame_targets
from training.metrics.burden import burden, burden_metrics
from training.metrics.estimates import (
    Heard,
    Metric,
    alarm_metrics,
    by_patient,
    frame_metrics,
    mean_score,
    minutes,
    record_metrics,
)
from training.metrics.streaming import ScoredRecording

FRAME_S, RATE_HZ = 0.1, 1000
WHEEZE = CLASSES.index("wheeze")


def _scored(patient: str, label: str, wheeze: list[float], *events: Annotation, number: int = 0) -> ScoredRecording:
    """A score of the wheeze for each frame of .1 s."""
    recording = Recording(Path(f"{patient}-{number:02}.wav"), patient, label, events)
    scores = np.zeros((len(wheeze), len(CLASSES)), np.float32)
    scores[:, WHEEZE] = wheeze
    return ScoredRecording(recording, scores, frame_targets(recording, len(wheeze), FRAME_S))


def _scores_of(*scored: ScoredRecording) -> list[list[Heard]]:
    return by_patient([(one, ()) for one in scored])


def _named(metrics: list[Metric]) -> dict[str, float | None]:
    return {metric.name: metric.estimate().value for metric in metrics}


def test_annotated_time_is_where_phases_cover_more_than_half_of_a_frame() -> None:
    one = _scored("a", "CAS", [0.0] * 5, Annotation(0.1, 0.26, ("wheeze",)), Annotation(0.3, 0.34, ()))
    assert annotated(one.targets).tolist() == [False, True, True, False, False]


def test_average_precision_in_annotated_time_leaves_out_what_nobody_annotated() -> None:
    # The highest score lies where nobody annotated: over all time the wheeze is second, in annotated time first
    one = _scored("a", "CAS", [0.9, 0.8, 0.1, 0.0], Annotation(0.1, 0.2, ("wheeze",)), Annotation(0.2, 0.3, ()))
    other = _scored("b", "Normal", [0.0, 0.2], Annotation(0.0, 0.2, ()))
    found = _named(frame_metrics(_scores_of(one, other)))
    assert found["frame AP continuous"] == pytest.approx(0.5)
    assert found["frame AP continuous, annotated time"] == pytest.approx(1.0)
    assert "frame AP discontinuous, annotated time" not in found


def test_the_mean_parts_what_the_highest_frames_do_not() -> None:
    steady = _scored("a", "CAS", [0.5] * 40)
    bump = _scored("b", "Normal", [0.9] * 2 + [0.0] * 38)
    found = _named(record_metrics(_scores_of(steady, bump), FRAME_S))
    assert (found["record AUC"], found["record AUC of the mean"]) == (0.0, 1.0)
    assert mean_score([bump]) == pytest.approx(0.045)
    assert mean_score([steady, bump]) == pytest.approx(0.2725)


def test_minutes_are_of_one_patient_and_one_truth_in_order_and_half_a_minute_still_counts() -> None:
    several = [_scored("a", "CAS", [0.1] * 250, number=n) for n in (2, 0, 1, 3, 4)]  # 25 s each
    several += [_scored("a", "Normal", [0.0] * 290), _scored("b", "CAS", [0.1] * 310)]
    found = minutes(_scores_of(*several), FRAME_S)
    assert [[s.recording.path.name for s in one] for one in found] == [
        ["a-00.wav", "a-01.wav", "a-02.wav"],
        ["a-03.wav", "a-04.wav"],
        ["b-00.wav"],
    ]


def _event(onset_s: float, end_s: float) -> Event:
    return Event("end", "wheeze", round(onset_s * RATE_HZ), round(end_s * RATE_HZ), 0.9, 0.8, 0.5, "quiet")


def test_false_alarms_are_parted_by_where_most_of_them_lies_and_add_to_the_whole() -> None:
    normal = _scored("a", "Normal", [0.0] * 36000, Annotation(10.0, 12.0, ()))
    cough = ScoredRecording(
        Recording(Path("c.wav"), "c", "cough", (), is_negative=True), normal.scores, np.zeros((36000, 8), np.float32)
    )
    events = [_event(10.5, 11.5), _event(11.5, 12.4), _event(11.4, 12.7), _event(20, 21)]
    found = _named(alarm_metrics([(normal, events), (cough, events[:1])], RATE_HZ, FRAME_S))
    assert found["false alarms per hour Normal"] == 4.0
    assert found["false alarms per hour Normal, annotated time"] == 2.0
    assert found["false alarms per hour Normal, not annotated"] == 2.0
    assert found["false alarms per hour cough"] == 1.0
    assert "false alarms per hour cough, annotated time" not in found


def test_burden_is_expected_seconds_against_annotated_ones() -> None:
    # 6 s each. Half a second is expected in each second of the first, a second in ten of the second: 3 s and .6 s
    sick = _scored("a", "CAS", [0.5] * 60, Annotation(0.0, 2.0, ("wheeze",)), Annotation(2.0, 3.0, ()))
    well = _scored("b", "Normal", [0.1] * 60)
    found = _named(burden_metrics(_scores_of(sick, well), FRAME_S))
    # |3 - 2| + |.6 - 0| s in .2 minutes; 3.6 s for 2
    assert found["burden error continuous, s per min"] == pytest.approx(1.6 / 0.2)
    assert found["burden expected / annotated continuous"] == pytest.approx(1.8)
    # In the three annotated seconds: 1.5 s for 2 in .05 minutes
    assert found["burden error continuous, s per min, annotated time"] == pytest.approx(0.5 / 0.05)
    assert found["burden expected / annotated continuous, annotated time"] == pytest.approx(0.75)
    assert found["burden expected / annotated discontinuous"] is None


def test_the_curve_of_burden_has_the_recordings_in_bins_by_what_is_expected() -> None:
    several = [_scored(f"p{i}", "Normal", [0.01 * i] * 10) for i in range(20)]
    expected, found = burden(_scores_of(*several), "continuous", "all time", FRAME_S).curve()
    # Two recordings to a bin: .005, .025, ... of a minute's 60 s
    np.testing.assert_allclose(expected, 60 * (0.005 + 0.02 * np.arange(10)), atol=1e-4)
    assert not found.any()


def test_a_difference_is_paired_by_patient() -> None:
    hits = np.array([0.0, 1.0, 0.0, 1.0, 1.0, 0.0])
    one = Metric("share", 6, lambda w: float(w @ hits / w.sum()), "")
    better = Metric("share", 6, lambda w: float(w @ (hits + 0.1) / w.sum()), "")
    apart = better.less(one)
    assert apart.value == pytest.approx(0.1)
    assert apart.bounds is not None
    assert (apart.bounds.low, apart.bounds.high) == (pytest.approx(0.1), pytest.approx(0.1))
    wide = one.estimate().bounds
    assert wide is not None
    assert wide.high - wide.low > 0.4
