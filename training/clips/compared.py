"""What the finished runs of a comparison say: Scores by task, and each run's size and time, for `comparison.json`.

Not for training them, nor for the table of differences (`training.clips.comparison`). Reads `result.json` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge.errors import ConfigError
from training.clips.cost import answer_of
from training.clips.experiment import RULE, SHOWN, metrics_of
from training.clips.schema import parse_recipe
from training.clips.supervised import RESULT
from training.clips.trained import translation
from training.metrics.comparison import mean_of
from training.metrics.estimates import Metric
from training.tasks import TASKS, Task

COMPARISON = "comparison.json"
WHOLE = "whole"  # the recipe with all of its parts
Results = Sequence[Mapping[str, Any]]
"""`result.json` of a variant, one for each seed."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One recipe, trained with every seed."""

    name: str
    tree: Mapping[str, Any]
    """Its recipe."""
    results: Results

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """SE, SP and Score by task and name: means over the seeds."""
        tables = [_by_patient(result) for result in self.results]
        return {
            task: _means([metrics_of(TASKS[task], table[task]) for table in tables])
            for task in (tables[0] if tables else ())
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each task: Scores with intervals, weights, multiply-adds of an answer, seconds of a training."""
        answer = answer_of(parse_recipe(self.tree, self.name))
        taken = [result["seconds"] for result in self.results if "seconds" in result]
        said = {"variant": self.name, "seeds": len(self.results), **asdict(answer)}
        said["seconds"] = sum(taken) / len(taken) if taken else None
        return [{"task": task, **said, **_estimates(found)} for task, found in self.metrics().items()]


def read_results(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """What finished runs say.

    Raises:
        ConfigError: if one was finished before answers were kept by patient.
    """
    found = []
    for folder in folders:
        result = json.loads((folder / RESULT).read_text())
        if not all(_by_patient(result).values()):
            raise ConfigError(f"{folder / RESULT}: has no answers by patient; remove the folder and train again")
        found.append(result)
    return found


def as_fields(variants: Sequence[Variant]) -> dict[str, Any]:
    """Everything about some variants of one recipe, the whole one first, and the duration rule on the same patients."""
    whole = variants[0]
    rows = [row for variant in variants for row in variant.rows()]
    rule = whole.results[0]["validation"].get(RULE)
    if rule is not None:
        own = TASKS[whole.results[0]["task"]]
        for task, table in with_coarser(own, rule["by_patient"]).items():
            rows.append({"task": task, "variant": RULE, **_estimates(metrics_of(TASKS[task], table))})
    return {"recipe": whole.tree["name"], "epochs": whole.tree["loop"]["epochs"], "rows": rows}


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


def _by_patient(result: Mapping[str, Any]) -> dict[str, Any]:
    """Confusion matrices by task and patient; empty for a task without them."""
    if "task" in result:
        return with_coarser(TASKS[result["task"]], result["validation"]["model"].get("by_patient", {}))
    return {task: row.get("by_patient", {}) for task, row in result["validation"].items()}


def _means(each: Sequence[Mapping[str, Metric]]) -> dict[str, Metric]:
    return {part: mean_of([metrics[part] for metrics in each]) for part in SHOWN}


def _estimates(metrics: Mapping[str, Metric]) -> dict[str, list[float | None]]:
    """Value, low and high by name."""
    found = {part: metric.estimate() for part, metric in metrics.items()}
    return {
        part: [one.value, *((one.bounds.low, one.bounds.high) if one.bounds else ())] for part, one in found.items()
    }
