"""Official scores of patients that validate, as rows to print and to write; computed by `training.metrics.official`.

A row keeps the answers of each patient apart, so that intervals, and differences between runs, are over patients. Not
for the tables of `make evaluate` (`training.evaluation.split_scores`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics.estimates import Metric
from training.metrics.intervals import Weights
from training.metrics.official import confusions, official_score
from training.tasks import TASKS, Clip, Task, translation

RULE = "duration only"
SHOWN = ("sensitivity", "specificity", "score")
_COLUMNS = (("SE", "sensitivity"), ("SP", "specificity"), ("AS", "average"), ("HS", "harmonic"), ("Score", "score"))


def row_of(task: Task, clips: Sequence[Clip], labels: NDArray[np.int64], decided: NDArray[np.int64]) -> dict[str, Any]:
    """Scores with intervals, the confusion matrix, and that of each patient.

    Args:
        task: whose scores.
        clips: n of them.
        labels: (n,) annotated, in the order of `task.labels`.
        decided: (n,) the same of the answers.
    """
    each = confusions(task, labels, decided, [clip.recording.patient for clip in clips])
    return row_from(task, {patient: matrix.tolist() for patient, matrix in each.items()})


def row_from(task: Task, by_patient: Mapping[str, Any]) -> dict[str, Any]:
    """The same from the (L, L) confusion matrix of each patient."""
    total = np.sum([by_patient[patient] for patient in by_patient], axis=0)
    row = asdict(official_score(task, total)) | {"confusion": total.tolist(), "by_patient": by_patient}
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


def with_coarser(own: Task, by_patient: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Confusion matrices by task and patient: of a task, and of those whose answers follow from its, as 1-1 from 1-2.

    Args:
        own: what was answered.
        by_patient: (L, L) of each patient, in the order of its labels.
    """
    of_same_clips = [t for t in TASKS.values() if t.dataset == own.dataset and t.map.keys() == own.map.keys()]
    found = {}
    for task in sorted(of_same_clips, key=lambda task: task is not own):
        if (means := translation(own, task)) is not None:
            counts = means.astype(np.int64)
            each = {patient: counts.T @ np.array(matrix, np.int64) @ counts for patient, matrix in by_patient.items()}
            found[task.name] = {patient: matrix.tolist() for patient, matrix in each.items()}
    return found


def score_lines(rows: Mapping[str, Any]) -> list[str]:
    """The table, a line for each row."""
    lines = [f"{'':15s}" + "".join(f"{name:>8s}" for name, _ in _COLUMNS)]
    for name, row in rows.items():
        cells = (row[key] for _, key in _COLUMNS)
        lines.append(f"{name:15s}" + "".join(f"{'-' if cell is None else f'{cell:.4f}':>8s}" for cell in cells))
    return lines
