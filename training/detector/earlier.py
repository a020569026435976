"""What earlier runs add to a training: soft targets where nobody annotated, and teachers of another kind.

The network of a fold says what sounds in recordings whose patients it never heard; with several runs the mean of
theirs is taken, and each fold is taught by their networks of the same fold. Those probabilities then also reach
the training of the other folds, whose patients it did hear: by way of what it says of somebody else's unannotated time,
at half weight, and by no other. Not for the loss of teachers (`training.detector.loss.soften`).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets import hashed_names
from training.detector.hyperparameters import Recipe
from training.detector.inference import stream_logits
from training.detector.model import Detector
from training.detector.networks import load_network
from training.detector.training_data import TrainingData
from training.detector.truth import SOUNDS, Believed


class EarlierRun(NamedTuple):
    """One earlier run on the same recordings, in the same folds."""

    recipe: Recipe
    networks: list[Detector]
    """Its networks of the folds, in evaluation mode."""


class Earlier(NamedTuple):
    """What a recipe takes from earlier runs; both are empty where it names none."""

    runs: list[EarlierRun]
    believed: dict[int, Believed]
    """By number of the recording."""

    def of_fold(self, fold: int) -> list[Detector]:
        """The networks that never heard the patients of this fold."""
        return [run.networks[fold] for run in self.runs]

    def networks(self) -> list[Detector]:
        """All networks of all folds."""
        return [network for run in self.runs for network in run.networks]

    def beside(self, recipe: Recipe) -> list[EarlierRun]:
        """The last runs whose networks score held-out patients beside a fold's own, together as many as ship.

        None that waits for more sound: what ships will not hear it.
        """
        waits = recipe.network.lookahead
        return [run for run in self.runs[::-1] if run.recipe.network.lookahead <= waits][: recipe.finals - 1]


def read_earlier(recipe: Recipe, training_data: TrainingData) -> Earlier:
    """What the recipe's earlier runs say, computed once and kept beside the frames.

    Raises:
        ConfigError: if one is no finished run, or of other recordings: nobody would know whom a network never heard.
    """
    folders = recipe.earlier_runs
    runs = [_read_run(folder, recipe, training_data) for folder in folders]
    if not runs:
        return Earlier([], {})
    if len({run.recipe.frame_s for run in runs}) > 1:
        raise ConfigError(f"recipe: earlier = {recipe.earlier}: expected runs with score frames of one length")
    said = [_probabilities(run, folder, training_data) for run, folder in zip(runs, folders, strict=True)]
    believed = {
        number: Believed(np.mean([one[number] for one in said], axis=0), runs[0].recipe.frame_s) for number in said[0]
    }
    return Earlier(runs, believed)


def _read_run(folder: Path, recipe: Recipe, training_data: TrainingData) -> EarlierRun:
    try:
        before = Recipe.from_json((folder / "recipe.json").read_text())
        trained_on = json.loads((folder / "result.json").read_text())["trained_on"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"recipe: earlier = {folder}: expected a finished training ({error})") from None
    chest = [r for r in training_data.recordings if r.is_real_chest]
    if hashed_names(chest) != trained_on:
        raise ConfigError(f"recipe: earlier = {folder}: trained on other recordings; leave it out")
    if training_data.fold_of(before) != training_data.fold_of(recipe):
        raise ConfigError(f"recipe: earlier = {folder}: its folds hold other patients; give folds = {before.folds}")
    return EarlierRun(before, [load_network(before, folder / f"fold-{fold}") for fold in range(before.folds)])


def _probabilities(run: EarlierRun, folder: Path, training_data: TrainingData) -> dict[int, NDArray[np.float32]]:
    before = run.recipe
    weights = b"".join((folder / f"fold-{fold}" / "best.pt").read_bytes() for fold in range(before.folds))
    stored = training_data.cache / f"earlier-{hashlib.sha256(weights).hexdigest()[:20]}.npz"
    fold_of = training_data.fold_of(before)
    numbers = [i for i, r in enumerate(training_data.recordings) if r.is_real_chest]
    if not stored.exists():
        frames = training_data.frames(before)
        of_fold = {i: run.networks[fold_of[training_data.recordings[i].patient]] for i in numbers}
        draft = stored.with_suffix(".part.npz")
        np.savez(draft, allow_pickle=False, **{str(i): _probability(of_fold[i], frames[i]) for i in numbers})
        draft.rename(stored)
    with np.load(stored) as said_before:
        return {i: said_before[str(i)] for i in numbers}


def _probability(network: Detector, frames: NDArray[np.float16]) -> NDArray[np.float32]:
    logits = stream_logits(network, frames)[:, SOUNDS]
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
