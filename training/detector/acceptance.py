"""What a training is worth, and the numbers that go into the artefact: from patients the networks were not trained on.

Each fold's recordings were heard by the network that was trained without them. Calibration, smoothing, durations,
thresholds, budgets, answers to the tasks and offsets for a fold come from the other folds alone when they are judged
(`validation`, `intervals`; `training.detector.thresholds`), and from all folds when they are shipped. Of a shift, they
come from the folds without its patients. Not for training (`fit`) and not for test sets (`training.evaluation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge import __version__
from training.datasets import Recording, hashed_names
from training.detector.ages import INFANTS, by_age, infant_step, infants_with, with_step
from training.detector.answers import (
    RECORD_LABELS,
    RecordAnswer,
    TaskAnswers,
    answer,
    best_offsets,
    decide,
    record_statistics,
)
from training.detector.beside import beside
from training.detector.budget import nested_points
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector, parameter_count
from training.detector.sets import main_sets
from training.detector.thresholds import SEARCH, Chosen, RecordingLogits, choose, judged, nested, streaming_metrics
from training.detector.training_data import TrainingData
from training.detector.ward_limits import ward_limits
from training.metrics.estimates import Estimate, bounds, of_counts, values
from training.metrics.official import confusions, official_score
from training.metrics.streaming import ScoredRecording
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
    patients: tuple[str, ...] = ()
    """Of each, where intervals are wanted."""


def assess(
    recipe: Recipe,
    training_data: TrainingData,
    heard: Sequence[RecordingLogits],
    clips: Sequence[AnsweredClip],
    shifted: Mapping[str, Sequence[RecordingLogits]] | None = None,
) -> dict[str, Any]:
    """Everything that result.json holds but the data's fingerprint.

    Args:
        recipe: of the run.
        training_data: for how much was trained on.
        heard: every real recording, by the network of its fold.
        clips: every event of the main sets (`training.detector.sets`), on which everything is chosen.
        shifted: by shift, the held-out recordings as the network of the shift heard them.
    """
    main = main_sets(h.recording for h in heard)
    others = [h for h in heard if h.recording.is_real_chest and h.recording.dataset not in main]
    heard = [h for h in heard if h.recording.is_negative or h.recording.dataset in main]
    print("choosing how scores become events", flush=True)
    shipped = choose(heard, recipe, SEARCH)
    outer = nested(heard, recipe, SEARCH)
    detection = shipped.detection
    pairs = judged(heard, outer)
    found = streaming_metrics(pairs, detection.rate_hz, detection.frame_s)
    print("choosing thresholds for budgets of false alarms", flush=True)
    limits = ward_limits(shipped.scored, [h.fold for h in heard], recipe.frame_s)
    views = {fold: _seen(heard, fold, chosen) for fold, chosen in outer.items()}
    answers, official = answer_tasks(shipped.scored, [h.fold for h in heard], clips, views)
    estimates = [*(metric.estimate() for metric in found), *official]
    chest = [r for r in training_data.recordings if r.is_real_chest]
    return ({"sets": beside(others, outer)} if others else {}) | {
        "calibration": asdict(shipped.calibration),
        "groups": [asdict(group) for group in detection.groups],
        "thresholds": detection.thresholds,
        "budgets": [point.to_fields() for point in nested_points(shipped, outer, heard)],
        "burden_limits": limits,
        "tasks": answers.to_fields(),
        "validation": values(estimates),
        "intervals": bounds(estimates),
        "ages": by_age(pairs, detection),
        **_infants(shipped),
        "shift": {name: _shift(several, heard, recipe) for name, several in (shifted or {}).items()},
        "parameters": parameter_count(Detector(recipe.network)),
        "date": date.today().isoformat(),
        "version": __version__,
        "patients": len({r.patient for r in chest}),
        "recordings": len(chest),
        "trained_on": hashed_names(chest),
    }


def _infants(shipped: Chosen) -> dict[str, Any]:
    """Thresholds of infants, and what they cost and find beside those of everybody; nothing where there are too few."""
    step = infant_step(shipped.scored, shipped.detection)
    if step is None:
        return {}
    own = with_step(shipped.detection, step)
    infants = {
        "to_years": INFANTS.to_years,
        "step": step,
        "thresholds": own.thresholds,
        "own": infants_with(shipped.scored, own),
        "everybody": infants_with(shipped.scored, shipped.detection),
    }
    return {"infants": infants}


def _shift(several: Sequence[RecordingLogits], heard: Sequence[RecordingLogits], recipe: Recipe) -> dict[str, Any]:
    """What the network of a shift is worth on those it never heard; all that is chosen comes from the others."""
    apart = {h.recording.patient for h in several}
    chosen = choose([h for h in heard if h.recording.patient not in apart], recipe, SEARCH)
    detection = chosen.detection
    found = streaming_metrics(chosen.judge(several), detection.rate_hz, detection.frame_s)
    estimates = [metric.estimate() for metric in found]
    chest = [h.recording for h in several if h.recording.is_real_chest]
    return {
        "patients": len({r.patient for r in chest}),
        "recordings": len(chest),
        "validation": values(estimates),
        "intervals": bounds(estimates),
    }


def _seen(heard: Sequence[RecordingLogits], fold: int, chosen: Chosen) -> list[ScoredRecording]:
    """All recordings as the choice for one fold sees them: its own calibration never met that fold."""
    inner = iter(chosen.scored)
    return [chosen.calibration.score(h) if h.fold == fold else next(inner) for h in heard]


def answer_tasks(
    scored: Sequence[ScoredRecording],
    folds: Sequence[int],
    clips: Sequence[AnsweredClip],
    views: Mapping[int, Sequence[ScoredRecording]] | None = None,
) -> tuple[TaskAnswers, list[Estimate]]:
    """What answers the official tasks, and the scores of that, nested.

    Args:
        scored: every real recording with calibrated scores, for what ships.
        folds: fold of each.
        clips: every event.
        views: for each fold the same recordings with scores that no number of that fold calibrated; default `scored`.
    """
    kept = [i for i, s in enumerate(scored) if s.recording.is_real_chest and s.recording.record_label in RECORD_LABELS]
    chest, record_folds = [scored[index] for index in kept], np.array([folds[index] for index in kept], np.int64)
    statistics, labels = _statistics(chest)
    patients = tuple(s.recording.patient for s in chest)
    said = _cross_fitted(statistics, labels, record_folds)
    asked = [*event_tasks(clips), *_record_tasks(said, labels, record_folds, patients)]
    decided = [cross_fitted_decisions(one) for one in asked[:2]] + [np.zeros_like(labels) for _ in asked[2:]]
    for fold in np.unique(record_folds):
        view = [(views or {}).get(int(fold), scored)[index] for index in kept]
        for row, one in zip(decided[2:], _record_decisions(view, record_folds, int(fold)), strict=True):
            row[record_folds == fold] = one
    estimates = [line for one, rows in zip(asked, decided, strict=True) for line in _task_estimates(one, rows)]
    offsets = {
        one.task.name: tuple(best_offsets(one.task, one.log_probabilities, one.truth, one.patients).tolist())
        for one in asked
    }
    return TaskAnswers(offsets, RecordAnswer.fit(statistics, labels)), estimates


def _statistics(chest: Sequence[ScoredRecording]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    labels = np.array([RECORD_LABELS.index(s.recording.record_label) for s in chest], np.int64)
    return np.stack([record_statistics(s.scores) for s in chest]), labels


def _cross_fitted(
    statistics: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n, L) answers to each fold by the regressions fitted on the others; on all, where those lack a label."""
    said = np.zeros((len(labels), len(RECORD_LABELS)))
    for fold in np.unique(folds):
        others = folds != fold
        if len(np.unique(labels[others])) < len(np.unique(labels)):
            others[:] = True
        said[folds == fold] = RecordAnswer.fit(statistics[others], labels[others]).log_probabilities(
            statistics[folds == fold]
        )
    return said


def _record_decisions(
    view: Sequence[ScoredRecording], folds: NDArray[np.int64], fold: int
) -> Iterator[NDArray[np.int64]]:
    """Decisions of tasks 2-1 and 2-2 on one fold; regressions and offsets come from the others alone."""
    statistics, labels = _statistics(view)
    inner = folds != fold
    fitted = RecordAnswer.fit(statistics[inner], labels[inner]).log_probabilities(statistics[~inner])
    said = _cross_fitted(statistics[inner], labels[inner], folds[inner])
    patients = tuple(s.recording.patient for s, is_inner in zip(view, inner, strict=True) if is_inner)
    for one in _record_tasks(said, labels[inner], folds[inner], patients):
        yield decide(answer(one.task, fitted), best_offsets(one.task, one.log_probabilities, one.truth, one.patients))


def event_tasks(clips: Sequence[AnsweredClip]) -> list[TaskClips]:
    """Tasks 1-1 and 1-2, with the detector's answers."""
    asked = []
    for name in ("1-1", "1-2"):
        task = TASKS[name]
        kept = [c for c in clips if c.published in task.map]
        truth = np.array([task.labels.index(task.map[c.published]) for c in kept], np.int64)
        said = answer(task, np.stack([c.log_probabilities for c in kept]).astype(np.float64))
        patients = tuple(c.recording.patient for c in kept)
        asked.append(TaskClips(task, said, truth, np.array([c.fold for c in kept], np.int64), patients))
    return asked


def _record_tasks(
    said: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64], patients: tuple[str, ...] = ()
) -> Iterator[TaskClips]:
    for name in ("2-1", "2-2"):
        task = TASKS[name]
        truth = np.array([task.labels.index(task.map[RECORD_LABELS[label]]) for label in labels], np.int64)
        yield TaskClips(task, answer(task, said), truth, folds, patients)


def cross_fitted_decisions(asked: TaskClips) -> NDArray[np.int64]:
    """(n,) decided labels when the offset of each fold is chosen on the others."""
    decided = np.zeros_like(asked.truth)
    for fold in np.unique(asked.folds):
        others = asked.folds != fold
        patients = tuple(p for p, is_other in zip(asked.patients, others, strict=False) if is_other)
        offsets = best_offsets(asked.task, asked.log_probabilities[others], asked.truth[others], patients)
        decided[~others] = decide(asked.log_probabilities[~others], offsets)
    return decided


def _task_estimates(asked: TaskClips, decided: NDArray[np.int64]) -> list[Estimate]:
    """SE, SP, Score and the recall of what the task ignores, each with its interval."""
    task = asked.task
    each = np.array([*confusions(task, asked.truth, decided, asked.patients).values()], np.float64)

    def part(attribute: str) -> Callable[[NDArray[np.float64]], float | None]:
        return lambda total: getattr(official_score(task, total), attribute)

    def recall(column: int) -> Callable[[NDArray[np.float64]], float | None]:
        return lambda total: official_score(task, total).recall[column]

    named = {"SE": part("sensitivity"), "SP": part("specificity"), "Score": part("score")}
    named |= {f"recall of {label}": recall(task.labels.index(label)) for label in task.ignored}
    examples = f"{len(decided)} {task.unit}s"
    return [of_counts(f"task {task.name} {name}", each, of, examples).estimate() for name, of in named.items()]
