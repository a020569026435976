"""Run folders and evaluations as the programs write them, small."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.training.evaluation.made import Told
from tests.training.evaluation.made import recording as heard
from training.datasets import Annotation
from training.detector.budget import Point
from training.detector.hyperparameters import Recipe
from training.evaluation.report import Report, StreamTable, as_json
from training.evaluation.split_scores import Split, judge, trained_on
from training.loop import Identity, RunFolder
from training.metrics.estimates import Estimate
from training.metrics.intervals import Interval
from training.metrics.official import official_score
from training.metrics.predictions import Provenance
from training.tasks import TASKS

VALIDATION = {
    "frame AP wheeze": 0.3061,
    "event F1 continuous": 0.4012,
    "event F1 discontinuous": 0.3844,
    "record AUC": 0.9104,
    "false alarms per hour Normal": 57.2103,
    "task 1-1 SE": 0.9013,
    "task 1-1 SP": 0.8826,
    "task 1-1 Score": 0.8918,
    "task 2-2 SE": 0.4412,
    "task 2-2 SP": 0.8123,
    "task 2-2 Score": 0.5984,
    "task 2-2 recall of Poor Quality": 0.1299,
}
STREAMS = (
    Estimate("record AUC", 0.9231, Interval(0.8812, 0.9555, 0), "20 adventitious, 30 normal"),
    Estimate("PSDS 1", None, None, "no examples"),
)
POINT = Point(10.0, {"wheeze": 0.71, "fine_crackle": 0.83}, {"Normal": 9.46, "cough": 1.06}, 0.4873, 0.3141, 0.3926)


def edge_result() -> dict[str, Any]:
    """result.json of the edge recipe, as far as it is read."""
    return {
        "budgets": [POINT.to_fields()],
        "validation": VALIDATION,
        "intervals": {"record AUC": [0.8904, 0.9311], "task 1-1 Score": [0.8612, 0.9204]},
        "parameters": 322151,
        "date": "2026-11-21",
        "patients": 251,
        "recordings": 1949,
        "training_data": "0" * 64,
    }


def make_edge_run(folder: Path, is_finished: bool = True) -> Path:
    """A run of the edge recipe with the folders of two of its networks."""
    folder.mkdir(parents=True)
    recipe = Recipe()
    (folder / "recipe.json").write_text(recipe.to_json())
    for network in ("fold-0", "final"):
        RunFolder(folder / network).claim(Identity(json.loads(recipe.to_json()), {}, "records", "code"))
    if is_finished:
        (folder / "result.json").write_text(json.dumps(edge_result(), indent=1))
    return folder


def make_clip_run(folder: Path, name: str = "ngo2022", task: str = "1-2", monitor: str = "score") -> Path:
    """A run of a classifier, finished."""
    recipe = {"name": name, "method": "classify", "seed": 3, "task": task, "loop": {"epochs": 30, "monitor": monitor}}
    RunFolder(folder).claim(Identity(recipe, {}, "records", "code"))
    scores = {"model": _row(task, 7), "duration only": _row(task, 11)}
    result = {"task": task, "epoch": 21, "epochs": 30, "parameters": 123456, "training_clips": 80}
    result |= {"validation_clips": 20, "validation_patients": 5, "validation": scores}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def make_hear_run(folder: Path) -> Path:
    """A run of hear with its detector, finished."""
    identity = Identity({"name": "hear", "method": "masked", "seed": 0, "loop": {"epochs": 4}}, {}, "records", "code")
    RunFolder(folder).claim(identity)
    RunFolder(folder / "detector").claim(identity)
    result = {"validation": {task: _row(task, 5) | {"strength": 0.1} for task in ("1-1", "2-1")}}
    (folder / "result.json").write_text(json.dumps(result))
    return folder


def make_comparison(folder: Path, recipe: str, seeds: int = 3) -> Path:
    """What a comparison of a recipe leaves, with one of its runs."""
    make_clip_run(folder / "whole-0", recipe)
    sizes = {"weights": 43177, "multiply_adds": 33.4e6, "seconds": 444.0}
    scores = {"sensitivity": [0.643, 0.5, 0.7], "specificity": [0.944], "score": [0.779, 0.74, 0.82]}
    rule = {"sensitivity": [0.3], "specificity": [0.8], "score": [0.52, 0.5, 0.54]}
    rows = [
        {"task": "1-2", "variant": "whole", "seeds": seeds, **sizes, **scores},
        {"task": "1-2", "variant": "without focusing", "seeds": seeds, **sizes, **scores, "score": [0.111]},
        {"task": "1-2", "variant": "duration only", **rule},
    ]
    (folder / "comparison.json").write_text(json.dumps({"recipe": recipe, "epochs": 12, "rows": rows}))
    table = "Held out: patients that validate, task 1-2\n\n| variant | score |\n|---|---|\n| whole | 0.779 |\n"
    (folder / "ablation.md").write_text(table + table.replace("1-2", "1-1"))
    return folder


def _row(task: str, seed: int) -> dict[str, Any]:
    size = len(TASKS[task].labels)
    confusion = np.random.default_rng(seed).integers(1, 20, (size, size))
    return asdict(official_score(TASKS[task], confusion)) | {"confusion": confusion.tolist()}


def make_evaluation(folder: Path, model: str = "told", path: Path = Path("runs/default")) -> dict[str, Any]:
    """What `make evaluate` writes of a model on task 1-1: test sets and recordings of its training."""
    events = (Annotation(0.0, 2.0, (), "Normal"), Annotation(2.5, 3.0, ("wheeze",), "Wheeze"))
    recordings = [
        replace(heard(f"{split}{i}", "CAS", *events, split=split))
        for split in ("inter", "intra", "train")
        for i in "abc"
    ]
    known: Provenance = trained_on([r for r in recordings if r.split == "train"])
    judged = judge(Told({}, model), TASKS["1-1"], recordings, known)
    folder.mkdir(parents=True)
    paths = frozenset(r.path for r in recordings)
    streams = StreamTable(
        "sprsound", Split("train", paths, 3, "THESE RECORDINGS WERE IN THE TRAINING DATA (3 of 3)"), STREAMS
    )
    text = as_json(Report(model, path, Path("folder"), (judged,), {}, (streams,), {}))
    (folder / "results.json").write_text(text)
    fields: dict[str, Any] = json.loads(text)
    return fields
