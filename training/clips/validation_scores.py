"""Official scores of validation patients as rows to print and write; computed by `training.metrics.official`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.clips.batches import ClipSet
from training.metrics.duration import fit_duration
from training.metrics.official import official_score

_COLUMNS = (("SE", "sensitivity"), ("SP", "specificity"), ("AS", "average"), ("HS", "harmonic"), ("Score", "score"))


def scores_of(validation: ClipSet, probabilities: NDArray[np.float32], training: ClipSet) -> dict[str, Any]:
    """Row by name: the model, and the duration-only rule beside it where a clip's length is a cue."""
    rows = {"model": _row(validation, probabilities)}
    rule = fit_duration(validation.task, training.clips)
    if rule is not None:
        rows["duration only"] = _row(validation, rule.predict(validation.task, validation.clips))
    return rows


def score_lines(rows: dict[str, Any]) -> list[str]:
    """The table, a line for each row."""
    lines = [f"{'':15s}" + "".join(f"{name:>8s}" for name, _ in _COLUMNS)]
    for name, row in rows.items():
        cells = (row[key] for _, key in _COLUMNS)
        lines.append(f"{name:15s}" + "".join(f"{'-' if cell is None else f'{cell:.4f}':>8s}" for cell in cells))
    return lines


def _row(validation: ClipSet, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    labels = validation.task.labels
    confusion = np.zeros((len(labels),) * 2, np.int64)
    np.add.at(confusion, (validation.labels, probabilities.argmax(1)), 1)
    return asdict(official_score(validation.task, confusion)) | {"confusion": confusion.tolist()}
