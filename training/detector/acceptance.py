"""What a training is worth, and the numbers that go into the artefact: from patients the networks were not trained on.

Each fold's recordings were scored by the network that was trained without them. Calibration, answers to the tasks,
offsets and thresholds for a fold come from the other folds when they are judged (`validation`), and from all folds when
they are shipped. Not for training (`fit`) and not for test sets (`training.evaluation`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.datasets import Recording, hashed_names
from training.detector.answers import (
    RECORD_LABELS,
    RecordAnswer,
    TaskAnswers,
    answer,
    best_offsets,
    confusion,
    decide,
    record_statistics,
)
from training.detector.budget import points
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector, parameter_count
from training.detector.thresholds import (
    SEARCH,
    Calibration,
    Choice,
    RecordingLogits,
    ThresholdScorer,
    calibrate,
    cross_fitted,
    search,
    to_detection,
)
from training.detector.training_data import TrainingData
from training.metrics.official import official_score
from training.metrics.streaming import ScoredRecording, evaluate
from training.tasks import TASKS, Task


@dataclass(frozen=True, slots=True)
class AnsweredClip:
    """One event with the answer of a network that was not trained on its patient."""

    recording: Recording
    index: int
    """DatasetFolder of the event in its recording's events."""
    log_probabilities: NDArray[np.float32]
    """(L,) of `CLIP_LABELS`."""
    fold: int
    """Which network was asked."""

    @property
    def published(self) -> str:
        """Label as published."""
        return self.recording.events[self.index].name


@dataclass(frozen=True, slots=True)
class TaskClips:
    """One task's clips: what was said, what is true, who was asked."""

    task: Task
    log_probabilities: NDArray[np.float64]
    """(n, L)."""
    truth: NDArray[np.int64]
    folds: NDArray[np.int64]


def assess(
    recipe: Recipe, training_data: TrainingData, logits: list[RecordingLogits], clips: list[AnsweredClip]
) -> dict[str, Any]:
    """Everything that result.json holds but the data's fingerprint.

    Args:
        recipe: of the run.
        training_data: for how much was trained on.
        logits: every real recording.
        clips: every event of the chest recordings.
    """
    folds = [h.fold for h in logits]
    scored = cross_calibrated(logits)
    scorer = ThresholdScorer(scored, folds, recipe)
    print("choosing how scores become events", flush=True)
    choices = search(scorer, SEARCH, {"continuous": Choice(), "discontinuous": Choice()})
    choices = search(scorer, {"threshold": SEARCH["threshold"]}, choices)
    detection = to_detection(choices, recipe)
    metrics = evaluate(scored, [detection.events(s.scores) for s in scored], detection)
    metrics |= {name: round(counts.f1(), 4) for name, counts in cross_fitted(scorer, choices).items()}
    print("choosing thresholds for budgets of false alarms", flush=True)
    budgets = [point.to_fields() for point in points(scored, detection)]
    answers, official = answer_tasks(scored, folds, clips)
    chest = [r for r in training_data.recordings if r.is_real_chest]
    return {
        "calibration": asdict(calibrate(logits)),
        "groups": [asdict(group) for group in detection.groups],
        "thresholds": detection.thresholds,
        "budgets": budgets,
        "tasks": answers.to_fields(),
        "validation": metrics | official,
        "parameters": parameter_count(Detector(recipe.network)),
        "date": date.today().isoformat(),
        "patients": len({r.patient for r in chest}),
        "recordings": len(chest),
        "trained_on": hashed_names(chest),
    }


def answer_tasks(
    scored: Sequence[ScoredRecording], folds: Sequence[int], clips: Sequence[AnsweredClip]
) -> tuple[TaskAnswers, dict[str, float]]:
    """What answers the official tasks, and the scores of that by cross-fitting.

    Args:
        scored: every real recording with calibrated scores.
        folds: fold of each.
        clips: every event.
    """
    chest = [(s, fold) for s, fold in zip(scored, folds, strict=True) if s.recording.is_real_chest]
    statistics = np.stack([record_statistics(s.scores) for s, _ in chest])
    labels = np.array([RECORD_LABELS.index(s.recording.record_label) for s, _ in chest], np.int64)
    record_folds = np.array([fold for _, fold in chest], np.int64)
    said = np.zeros((len(chest), len(RECORD_LABELS)))
    for fold in np.unique(record_folds):
        others = record_folds != fold
        said[~others] = RecordAnswer.fit(statistics[others], labels[others]).log_probabilities(statistics[~others])
    asked = [*event_tasks(clips), *_record_tasks(said, labels, record_folds)]
    metrics: dict[str, float] = {}
    for one in asked:
        metrics |= _cross_fitted_score(one)
    offsets = {one.task.name: tuple(best_offsets(one.task, one.log_probabilities, one.truth).tolist()) for one in asked}
    return TaskAnswers(offsets, RecordAnswer.fit(statistics, labels)), metrics


def event_tasks(clips: Sequence[AnsweredClip]) -> list[TaskClips]:
    """Tasks 1-1 and 1-2, with the detector's answers."""
    asked = []
    for name in ("1-1", "1-2"):
        task = TASKS[name]
        kept = [c for c in clips if c.published in task.map]
        truth = np.array([task.labels.index(task.map[c.published]) for c in kept], np.int64)
        said = answer(task, np.stack([c.log_probabilities for c in kept]).astype(np.float64))
        asked.append(TaskClips(task, said, truth, np.array([c.fold for c in kept], np.int64)))
    return asked


def _record_tasks(
    said: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> Iterator[TaskClips]:
    for name in ("2-1", "2-2"):
        task = TASKS[name]
        truth = np.array([task.labels.index(task.map[RECORD_LABELS[label]]) for label in labels], np.int64)
        yield TaskClips(task, answer(task, said), truth, folds)


def best_score(asked: TaskClips) -> float:
    """Official Score at the best offset for these very clips: for comparing variants, too good as an estimate."""
    offsets = best_offsets(asked.task, asked.log_probabilities, asked.truth)
    decided = decide(asked.log_probabilities, offsets)
    return official_score(asked.task, confusion(asked.task, asked.truth, decided)).score or 0.0


def _cross_fitted_score(asked: TaskClips) -> dict[str, float]:
    """Scores when the offset of each fold is chosen on the others."""
    decided = np.zeros_like(asked.truth)
    for fold in np.unique(asked.folds):
        others = asked.folds != fold
        offsets = best_offsets(asked.task, asked.log_probabilities[others], asked.truth[others])
        decided[~others] = decide(asked.log_probabilities[~others], offsets)
    score = official_score(asked.task, confusion(asked.task, asked.truth, decided))
    named = {"SE": score.sensitivity, "SP": score.specificity, "Score": score.score}
    for label, recall in zip(asked.task.labels, score.recall, strict=True):
        if label in asked.task.ignored:
            named[f"recall of {label}"] = recall
    return {f"task {asked.task.name} {name}": round(value, 4) for name, value in named.items() if value is not None}


def cross_calibrated(logits: list[RecordingLogits]) -> list[ScoredRecording]:
    """Scores of each fold with the calibration fitted on the others."""
    by_fold: dict[int, Calibration] = {
        fold: calibrate([h for h in logits if h.fold != fold]) for fold in {h.fold for h in logits}
    }
    return [by_fold[h.fold].score(h) for h in logits]
