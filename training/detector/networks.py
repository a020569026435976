"""Trained networks in their run folders. Trains nothing (`training.detector.cross_validation`)."""

from __future__ import annotations

import json
from pathlib import Path

from edge.errors import ConfigError
from training.detector.hyperparameters import Recipe
from training.detector.model import Detector
from training.detector.student import Student
from training.loop import checkpoint
from training.loop.run_folder import RunFolder

PROBE = "probe.pt"  # clip head that was fitted after the training


def load_network(recipe: Recipe, folder: Path) -> Detector:
    """A trained network in evaluation mode.

    Args:
        recipe: that it must have been trained with.
        folder: run folder of the network.

    Raises:
        ConfigError: if it is not there, was trained with another recipe, or not to its end.
    """
    run_folder = RunFolder(folder)
    found = run_folder.identity()
    if found.recipe != json.loads(recipe.to_json()):
        raise ConfigError(f"{run_folder.path}: trained with another recipe; give another --out, or train again")
    parts = checkpoint.load(run_folder.best)
    if parts["epoch"] != recipe.loop.epochs:
        raise ConfigError(
            f"{run_folder.path}: trained {parts['epoch']} of {recipe.loop.epochs} epochs; let `make train` go on"
        )
    detector = best_detector(run_folder, recipe)
    if (run_folder.path / PROBE).exists():
        detector.clip_head.load_state_dict(checkpoint.load(run_folder.path / PROBE))
    return detector


def best_detector(run_folder: RunFolder, recipe: Recipe) -> Detector:
    """The weights that the loop kept, in evaluation mode."""
    student = Student(recipe)
    student.load_state_dict(checkpoint.load(run_folder.best)["network"])
    return student.detector.eval()
