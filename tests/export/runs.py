"""A finished run of a small network that was never trained, with the numbers of the released one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.export.networks import RECIPE
from training.detector.cross_validation import Job, final_name
from training.detector.networks import PROBE
from training.detector.student import Student
from training.detector.training_data import TrainingData
from training.loop import checkpoint as stored
from training.loop.run_folder import RunFolder

RELEASED = Path(__file__).parents[2] / "training" / "released" / "default"


def make_run(folder: Path, finals: int = 1, **result: Any) -> Path:
    """Write it, with so many final networks and `fold-0`; `result` is added to the numbers."""
    torch.manual_seed(3)  # its two best labels of every clip lie .2 apart, which no rounding to fp16 turns over
    recipe = replace(RECIPE, finals=finals)
    for name in (*map(final_name, range(finals)), "fold-0"):
        retained = RunFolder(folder / name)
        retained.claim(Job(recipe, TrainingData((), folder), folder).identity())
        student = Student(recipe)
        stored.save(retained.best, {"network": student.state_dict(), "epoch": recipe.loop.epochs, "validation": []})
        stored.save(retained.path / PROBE, student.detector.clip_head.state_dict())
    (folder / "recipe.json").write_text(recipe.to_json())
    numbers = json.loads((RELEASED / "result.json").read_text())
    (folder / "result.json").write_text(json.dumps({**numbers, **result}))
    return folder
