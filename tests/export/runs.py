"""A finished run of a small network that was never trained, with the numbers of the released one."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from tests.export.networks import RECIPE
from training.detector.cross_validation import Job
from training.detector.networks import PROBE
from training.detector.student import Student
from training.detector.training_data import TrainingData
from training.loop import checkpoint as stored
from training.loop.run_folder import RunFolder

RELEASED = Path(__file__).parents[2] / "training" / "released" / "default"


def make_run(folder: Path) -> Path:
    """Write it, with the networks `final` and `fold-0`."""
    torch.manual_seed(3)  # its two best labels of every clip lie .2 apart, which no rounding to fp16 turns over
    for name in ("final", "fold-0"):
        kept = RunFolder(folder / name)
        kept.claim(Job(RECIPE, TrainingData((), folder), folder).identity())
        student = Student(RECIPE)
        stored.save(kept.best, {"network": student.state_dict(), "epoch": RECIPE.loop.epochs, "validation": []})
        stored.save(kept.path / PROBE, student.detector.clip_head.state_dict())
    (folder / "recipe.json").write_text(RECIPE.to_json())
    shutil.copy(RELEASED / "result.json", folder)
    return folder
