"""Official scores of validation patients as rows to print and write; computed by `training.metrics.official`.

A row keeps the answers of each patient apart, so that intervals, and differences between runs, are over patients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.clips.batches import ClipSet
from training.metrics.bootstrap import Weights
from training.metrics.duration import TASKS_WITH_CUE, fit_duration
from training.metrics.estimates import Metric
from training.metrics.official import official_score
from training.tasks import Clip, Task

_COLUMNS = (("SE", "sensitivity"), ("SP", "specificity"), ("AS", "average"), ("HS", "harmonic"), ("Score", "score"))
RULE = "duration only"
SHOWN = ("sensitivity", "specificity", "score")


def scores_of(validation: ClipSet, probabilities: NDArray[np.float32], training: ClipSet) -> dict[str, Any]:
    """Row by name: the model, and the duration-only rule beside it where a clip's length is a cue."""
    task, clips = validation.task, validation.clips
    rows = {"model": row_of(task, clips, validation.labels, probabilities.argmax(1))}
    rule = fit_duration(task, training.clips) if task.name in TASKS_WITH_CUE else None
    if rule is not None:
        rows[RULE] = row_of(task, clips, validation.labels, rule.predict(task, clips).argmax(1))
    return rows


def row_of(task: Task, clips: Sequence[Clip], labels: NDArray[np.int64], decided: NDArray[np.int64]) -> dict[str, Any]:
    """Scores with intervals, the confusion matrix, and that of each patient.

    Args:
        task: whose scores.
        clips: n of them.
        labels: (n,) annotated, in the order of `task.labels`.
        decided: (n,) the same of the answers.
    """
    patients = sorted({clip.recording.patient for clip in clips})
    place = {patient: index for index, patient in enumerate(patients)}
    each = np.zeros((len(patients), len(task.labels), len(task.labels)), np.int64)
    owner = np.array([place[clip.recording.patient] for clip in clips], np.int64)
    np.add.at(each, (owner, labels, decided), 1)
    by_patient = dict(zip(patients, each.tolist(), strict=True))
    row = asdict(official_score(task, each.sum(0))) | {"confusion": each.sum(0).tolist(), "by_patient": by_patient}
    found = {name: metric.estimate().bounds for name, metric in metrics_of(task, by_patient).items()}
    return row | {"bounds": {name: [bounds.low, bounds.high] for name, bounds in found.items() if bounds}}


def metrics_of(task: Task, by_patient: Mapping[str, Any]) -> dict[str, Metric]:
    """SE, SP and Score by name, as functions of how often each patient counts.

    Args:
        task: whose scores.
        by_patient: (L, L) confusion matrix of each patient, as a row keeps them.
    """
    each = np.array([by_patient[patient] for patient in sorted(by_patient)], np.int64)

    def metric(part: str) -> Metric:
        def of(weights: Weights) -> float | None:
            value: float | None = getattr(official_score(task, np.tensordot(weights, each, 1)), part)
            return value

        return Metric(part, len(each), of, f"{each.sum()} clips of {len(each)} patients")

    return {part: metric(part) for part in SHOWN}


def score_lines(rows: dict[str, Any]) -> list[str]:
    """The table, a line for each row."""
    lines = [f"{'':15s}" + "".join(f"{name:>8s}" for name, _ in _COLUMNS)]
    for name, row in rows.items():
        cells = (row[key] for _, key in _COLUMNS)
        lines.append(f"{name:15s}" + "".join(f"{'-' if cell is None else f'{cell:.4f}':>8s}" for cell in cells))
    return lines
