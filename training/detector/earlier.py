"""What an earlier run adds to a training: soft targets where nobody annotated, and teachers of another kind.

The network of a fold says what sounds in recordings whose patients it never heard. Those probabilities then also reach
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


class Earlier(NamedTuple):
    """An earlier run on the same recordings."""

    recipe: Recipe | None
    """Its recipe; None: there is no earlier run."""
    believed: dict[int, Believed]
    """By number of the recording."""
    networks: list[Detector]
    """Its networks of the folds, in evaluation mode."""


def read_earlier(recipe: Recipe, training_data: TrainingData) -> Earlier:
    """What the recipe's earlier run says, if it names one, computed once and kept beside the frames.

    Raises:
        ConfigError: if it is no finished run, or of other recordings: nobody would know whom a network never heard.
    """
    if not recipe.earlier:
        return Earlier(None, {}, [])
    folder = Path(recipe.earlier)
    try:
        before = Recipe.from_json((folder / "recipe.json").read_text())
        trained_on = json.loads((folder / "result.json").read_text())["trained_on"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"recipe: earlier = {folder}: expected a finished training ({error})") from None
    chest = [r for r in training_data.recordings if r.is_real_chest]
    if hashed_names(chest) != trained_on:
        raise ConfigError(f"recipe: earlier = {folder}: trained on other recordings; give --set earlier= for none")
    if training_data.fold_of(before) != training_data.fold_of(recipe):
        raise ConfigError(f"recipe: earlier = {folder}: its folds hold other patients; give folds = {before.folds}")
    networks = [load_network(before, folder / f"fold-{fold}") for fold in range(before.folds)]
    return Earlier(before, _believed(before, networks, training_data, folder), networks)


def _believed(
    before: Recipe, networks: list[Detector], training_data: TrainingData, folder: Path
) -> dict[int, Believed]:
    weights = b"".join((folder / f"fold-{fold}" / "best.pt").read_bytes() for fold in range(before.folds))
    kept = training_data.cache / f"earlier-{hashlib.sha256(weights).hexdigest()[:20]}.npz"
    fold_of = training_data.fold_of(before)
    numbers = [i for i, r in enumerate(training_data.recordings) if r.is_real_chest]
    if not kept.exists():
        frames = training_data.frames(before)
        said = {
            str(i): _probability(networks[fold_of[training_data.recordings[i].patient]], frames[i]) for i in numbers
        }
        draft = kept.with_suffix(".part.npz")
        np.savez(draft, allow_pickle=False, **said)
        draft.rename(kept)
    with np.load(kept) as said_before:
        return {i: Believed(said_before[str(i)], before.frame_s) for i in numbers}


def _probability(network: Detector, frames: NDArray[np.float16]) -> NDArray[np.float32]:
    logits = stream_logits(network, frames)[:, SOUNDS]
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
