"""What a training is worth is said by networks and numbers that never met the patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training.detector.acceptance
import training.detector.budget
import training.detector.thresholds
from tests.training.detector.edge import RECIPE
from training.datasets import CLASSES, SPRSOUND_LABELS, Annotation, Recording
from training.datasets.targets import COLUMNS, WIDTH, frame_targets
from training.detector.acceptance import AnsweredClip, answer_tasks, assess, event_tasks
from training.detector.thresholds import RecordingLogits, calibrate, cross_calibrated
from training.detector.training_data import TrainingData
from training.metrics.estimates import Estimate
from training.metrics.streaming import ScoredRecording
from training.tasks import CLIP_LABELS, TASKS


def _scores_of(fold: int, patient: str) -> RecordingLogits:
    rng = np.random.default_rng(fold)
    targets = (rng.random((400, WIDTH)) < 0.4).astype(np.float32)
    logits = ((1 + 2 * fold) * (targets - 0.3) + rng.normal(0, 1, targets.shape)).astype(np.float32)
    return RecordingLogits(Recording(Path(f"{patient}.wav"), patient, "Normal", ()), logits, targets, fold)


def test_scores_of_a_fold_are_calibrated_on_the_others() -> None:
    scored_sounds = [_scores_of(0, "a"), _scores_of(1, "b"), _scores_of(2, "c")]
    for one, scored in zip(scored_sounds, cross_calibrated(scored_sounds), strict=True):
        others = calibrate([other for other in scored_sounds if other.fold != one.fold])
        np.testing.assert_array_equal(scored.scores, others.score(one).scores)
        assert not np.array_equal(scored.scores, calibrate(scored_sounds).score(one).scores)


def _clip(name: str, answered: dict[str, float], fold: int = 0) -> AnsweredClip:
    """One event, and the log-probabilities of what it was called; -9 elsewhere."""
    recording = Recording(Path("one.flac"), "p", "CAS", (Annotation(0, 1, SPRSOUND_LABELS[name], name),))
    return AnsweredClip(recording, 0, np.array([answered.get(label, -9.0) for label in CLIP_LABELS], np.float32), fold)


def test_clips_are_asked_what_was_published_and_answered_by_the_sum_of_the_parts() -> None:
    clips = [
        _clip("Normal", {"Normal": 0.0}, 0),
        _clip("Wheeze & Crackle", {"Wheeze+Crackle": np.log(0.5), "Wheeze": np.log(0.25), "Normal": np.log(0.25)}, 2),
    ]
    first, second = event_tasks(clips)
    assert (first.task.name, second.task.name) == ("1-1", "1-2")
    assert (first.truth.tolist(), first.folds.tolist()) == ([0, 1], [0, 2])
    np.testing.assert_allclose(np.exp(first.log_probabilities[1]), [0.25, 0.75], atol=1e-3)
    assert second.truth.tolist() == [0, CLIP_LABELS.index("Wheeze+Crackle")]
    assert second.log_probabilities[1].argmax() == CLIP_LABELS.index("Wheeze+Crackle")


def _margins(normal: float, wheeze: float, fold: int) -> list[AnsweredClip]:
    """Ten normal clips and ten wheezes with so much more for Normal than for the wheeze, in log-probability."""
    return [
        _clip(name, {"Normal": 0.0, "Wheeze": -margin}, fold)
        for name, margin in (("Normal", normal), ("Wheeze", wheeze))
        for _ in range(10)
    ]


def test_the_score_that_is_reported_has_its_offsets_from_the_other_folds() -> None:
    # Fold 0 is parted by an offset of Normal between -3 and -2, fold 1 by one between 2 and 3
    clips = [*_margins(3.0, 2.0, 0), *_margins(-2.0, -3.0, 1)]
    scores = _named(answer_tasks(*_records(), clips)[1])
    # With the offset of the other, all of fold 0 is Normal and all of fold 1 is a wheeze
    assert (scores["task 1-1 SE"], scores["task 1-1 SP"]) == (0.5, 0.5)
    assert scores["task 1-1 Score"] == 0.5


def _named(estimates: Sequence[Estimate]) -> dict[str, float]:
    return {one.name: one.value for one in estimates if one.value is not None}


SOUNDS = {"Normal": (), "CAS": ("wheeze",), "DAS": ("fine_crackle",), "CAS & DAS": ("wheeze", "fine_crackle")}


def _record(label: str, number: int, fold: int) -> ScoredRecording:
    """A recording of 4 s; its sounds are there from the second to the third, if it is not of poor quality."""
    name = {"CAS": "Wheeze", "DAS": "Fine Crackle", "CAS & DAS": "Wheeze+Crackle"}.get(label, "Normal")
    events = () if label == "Poor Quality" else (Annotation(0.96, 1.92, SOUNDS[label], name),)
    recording = Recording(Path(f"{label}{number}.flac"), f"{label}{number}", label, events, dataset="sprsound")
    scores = np.full((125, len(CLASSES)), 0.01, np.float32)
    scores[30:60, CLASSES.index("breath")] = 0.1 if label == "Poor Quality" else 0.9
    for sound in SOUNDS.get(label, ()):
        scores[30:60, CLASSES.index(sound)] = 0.9
    scores += np.random.default_rng([number, fold]).uniform(0, 0.01, scores.shape).astype(np.float32)
    return ScoredRecording(recording, scores, frame_targets(recording, 125, RECIPE.frame_s))


def _records(each: int = 20) -> tuple[list[ScoredRecording], list[int]]:
    """So many recordings of each label, in two folds."""
    kinds = (*SOUNDS, "Poor Quality")
    pairs = [(_record(label, n, n % 2), n % 2) for label in kinds for n in range(each)]
    cough = ScoredRecording(
        Recording(Path("cough.flac"), "c", "cough", (), is_negative=True), pairs[0][0].scores, np.zeros(0)
    )
    return [*(scored for scored, _ in pairs), cough], [*(fold for _, fold in pairs), 0]


def test_recordings_that_are_told_apart_easily_are_named_right() -> None:
    answers, estimates = answer_tasks(*_records(), [*_margins(3.0, -3.0, 0), *_margins(3.0, -3.0, 1)])
    scores = _named(estimates)
    for task in ("1-1", "2-1", "2-2"):
        assert scores[f"task {task} SE"] == 1.0
        assert scores[f"task {task} SP"] >= 0.95  # offsets come from other recordings, so one in twenty may fall
        assert scores[f"task {task} Score"] > 0.97
    assert scores["task 2-1 recall of Poor Quality"] == scores["task 2-2 recall of Poor Quality"] == 1.0
    assert "task 1-1 recall of Poor Quality" not in scores
    assert set(answers.offsets) == {"1-1", "1-2", "2-1", "2-2"}
    assert [len(answers.offsets[name]) for name in ("1-1", "1-2", "2-1", "2-2")] == [2, 7, 3, 5]
    assert len(answers.record.weights) == len(TASKS["2-2"].labels)


def test_the_score_of_recordings_that_is_reported_has_its_answers_from_the_other_folds() -> None:
    scored, _ = _records()
    folds = [int(n % 20 < 6) for n in range(len(scored) - 1)] + [0]  # 14 recordings of each label, and 6
    wheeze, crackle = CLASSES.index("wheeze"), CLASSES.index("fine_crackle")
    for one, fold in zip(scored, folds, strict=True):
        if fold == 1 and one.recording.record_label in ("CAS", "DAS"):  # there a wheeze sounds like a crackle
            one.scores[:, [wheeze, crackle]] = one.scores[:, [crackle, wheeze]]
    _, estimates = answer_tasks(scored, folds, [*_margins(3.0, -3.0, 0), *_margins(3.0, -3.0, 1)])
    found = _named(estimates)
    # What the other fold learnt takes every CAS for a DAS and every DAS for a CAS; only CAS & DAS is named right
    assert found["task 2-2 SE"] <= 1 / 3


def _heard_well(label: str, number: int) -> RecordingLogits:
    """Logits of 3 where there is a sound and -3 where there is none, but for two frames here and there."""
    recording = _record(label, number, 0).recording
    targets = frame_targets(recording, 125, RECIPE.frame_s)
    logits = np.where(targets > 0.5, 3.0, -3.0).astype(np.float32)
    logits[[10 + number, 100 - number]] *= -1
    logits[:, COLUMNS.which_continuous.start :] = 0.0
    return RecordingLogits(recording, logits, targets, number % 2)


def test_a_detector_that_is_nearly_always_right_is_judged_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {"threshold": (0.3, 0.5), "step_frames": (4, 6), "keep": (0.65,), "confirm_frames": (4,)}
    monkeypatch.setattr(training.detector.acceptance, "SEARCH", few)
    monkeypatch.setattr(training.detector.thresholds, "SEARCH", few)
    monkeypatch.setattr(training.detector.budget, "CAP", 1.0)  # of so few patients nothing could be promised
    scored_sounds = [_heard_well(label, n) for label in (*SOUNDS, "Poor Quality") for n in range(4)]
    cough = Recording(Path("cough.flac"), "c", "cough", (), is_negative=True)
    scored_sounds.append(
        RecordingLogits(cough, np.full((125, WIDTH), -3.0, np.float32), np.zeros((125, WIDTH), np.float32), 0)
    )
    recordings = (*(h.recording for h in scored_sounds), Recording(Path("7"), "s", "CAS", (), is_synthetic=True))
    clips = [*_margins(3.0, -3.0, 0), *_margins(3.0, -3.0, 1)]
    young = [replace(h, fold=90) for h in scored_sounds if h.recording.patient.endswith("3")]
    result = assess(RECIPE, TrainingData(recordings, tmp_path), scored_sounds, clips, {"youngest": young})
    assert (result["patients"], result["recordings"], len(result["trained_on"])) == (20, 20, 40)
    assert [group["name"] for group in result["groups"]] == ["continuous", "discontinuous"]
    # 0.5 finds as much as 0.3; two frames of noise are no event with either step, so the first of equals is taken
    assert [group["step_frames"] for group in result["groups"]] == [4, 4]
    assert set(result["thresholds"].values()) == {0.5}
    found = result["validation"]
    assert [found[f"{kind} F1 {g}"] for kind in ("event", "segment") for g in ("continuous", "discontinuous")] == [
        1.0
    ] * 4
    assert found["false alarms per hour Normal"] == found["false alarms per hour cough"] == 0.0
    assert found["record AUC"] == found["task 1-1 Score"] == 1.0
    assert [point["budget_per_hour"] for point in result["budgets"]] == [2.0, 5.0, 10.0, 20.0]
    assert [point["sensitivity"] for point in result["budgets"]] == [1.0] * 4
    assert len(result["calibration"]["scale"]) == 3
    assert set(result["tasks"]["offsets"]) == {"1-1", "1-2", "2-1", "2-2"}
    assert result["intervals"]["record AUC"] == [1.0, 1.0]
    assert set(result["intervals"]) <= set(found)
    # .5 s of sound in each annotated second and a little elsewhere: what is expected is near what is there
    assert found["burden expected / annotated continuous"] == pytest.approx(1.0, abs=0.1)
    shift = result["shift"]["youngest"]
    assert (shift["patients"], shift["recordings"]) == (5, 5)
    assert shift["validation"]["record AUC"] == 1.0
