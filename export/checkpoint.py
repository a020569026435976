"""A finished training as the export needs it: its recipe, its numbers, and its networks. Trains nothing.

A run folder of `training.detector.cross_validation`, or the released one in `training/released`, which `release` makes
of it: the same without what only a training needs (optimizer, curves, teachers) and without what names the machine that
trained it. Weights are read with `weights_only=True`: tensors, never objects.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import torch

from edge import __version__
from edge.errors import ConfigError
from edge.model.alarm_limits import BurdenLimits
from edge.model.specs import AgeThresholds
from edge.model.training_domain import TrainingDomain
from export.artefacts import Metadata
from export.card import card_fields
from training.datasets import CLASSES, Recording, hashed_names
from training.detector.cross_validation import FINAL_NAME
from training.detector.hyperparameters import Recipe
from training.detector.model import Scorer
from training.detector.networks import PROBE, joined, load_network
from training.detector.shipped import DEFAULT, chunk_of, result_of, shipped_networks
from training.detector.training_data import read_recordings

OF_RUN = ("schema", "recipe", "specs", "records", "code", "git", "versions", "begun")  # of run.json; not the command


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The run folder of one finished training."""

    folder: Path
    recipe: Recipe
    result: dict[str, Any]
    """What `result.json` holds."""

    @classmethod
    def open(cls, path: Path) -> Checkpoint:
        """Read a run folder.

        Args:
            path: the folder, or the final network in it: `final`, or its `best.pt`.

        Raises:
            ConfigError: if this is no run folder, or its training is not finished.
        """
        folder = path.parent if path.is_file() else path
        folder = folder.parent if folder.name == FINAL_NAME else folder
        try:
            result: dict[str, Any] = json.loads((folder / "result.json").read_text())
            recipe = Recipe.from_json((folder / "recipe.json").read_text())
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"CHECKPOINT={path}: expected a finished training with result.json and recipe.json ({error}); run "
                "`make train`, or give training/released/default"
            ) from error
        return cls(folder, recipe, result)

    @property
    def models(self) -> dict[str, tuple[str, ...]]:
        """The networks of each model that it ships, by name: `default`, and `light` where there are several."""
        return shipped_networks(self.recipe, self.result)

    def scorer(self, name: str = DEFAULT) -> Scorer:
        """A model, or one network of the folds, with its calibration, in evaluation mode.

        Args:
            name: `default`, `light`, or the folder of a network.

        Raises:
            ConfigError: if a network of it is missing, damaged or of another recipe.
        """
        networks = [load_network(self.recipe, self.folder / one) for one in self.models.get(name, (name,))]
        calibration = result_of(self.result, name)["calibration"]
        numbers = (torch.tensor(calibration["scale"]), torch.tensor(calibration["bias"]))
        scorer: Scorer = Scorer(joined(networks), *numbers).eval()
        return scorer

    @property
    def folds(self) -> list[int]:
        """Folds whose network is there: those that can be validated."""
        return [fold for fold in range(self.recipe.folds) if (self.folder / f"fold-{fold}" / "best.pt").exists()]

    def metadata(self, name: str = DEFAULT) -> Metadata:
        """What every artefact of a model carries."""
        result, model = result_of(self.result, name), (name, len(self.models[name]))
        return Metadata(
            self.recipe.features,
            chunk_of(self.recipe, name),
            CLASSES,
            result["groups"],
            result["thresholds"],
            result["calibration"],
            result["training_data"],
            card_fields(
                result, self.recipe, result.get("version", __version__), date.fromisoformat(result["date"]), model
            ),
            result["tasks"],
            result["trained_on"],
            TrainingDomain.from_json(json.dumps(result["known"])) if result.get("known") else None,
            _ages(result),
            BurdenLimits.from_json(json.dumps(limits)) if (limits := result.get("burden_limits")) else None,
        )

    def recordings(self, data: Path) -> tuple[Recording, ...]:
        """What it was trained on.

        Raises:
            ConfigError: if these are other recordings; then nobody knows who is in which fold.
        """
        recordings: tuple[Recording, ...] = read_recordings(data, self.recipe)
        before = self.result.get("fine_tuned", self.result)["trained_on"]  # recordings of a device lie elsewhere
        if hashed_names([r for r in recordings if r.is_real_chest]) != before:
            raise ConfigError(
                f"DATA={data}: other chest recordings than {self.folder} was trained on; calibration and validation "
                "need the same patients in the same folds. Give its DATA, or train on these"
            )
        return recordings


def _ages(result: Mapping[str, Any]) -> tuple[AgeThresholds, ...]:
    """Infants have thresholds of their own, where the training had enough of them to choose some."""
    infants = result.get("infants")
    return (AgeThresholds(0.0, infants["to_years"], infants["thresholds"]),) if infants else ()


def release(run: Path, target: Path) -> None:
    """Copy what a clean clone needs of a run: recipe, result, shipped and cross-validation networks. Not for devices.

    Args:
        run: folder of a finished training.
        target: folder to write, new or to be replaced.

    Raises:
        ConfigError: if the run is not finished.
    """
    checkpoint = Checkpoint.open(run)
    names = [*checkpoint.models[DEFAULT], *(f"fold-{fold}" for fold in checkpoint.folds)]
    for name in names:
        checkpoint.scorer(name)  # whole, and of this recipe
    draft = target.with_name(f"{target.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    for name in names:
        (draft / name).mkdir(parents=True)
        record = json.loads((checkpoint.folder / name / "run.json").read_text())
        (draft / name / "run.json").write_text(
            json.dumps({key: record[key] for key in OF_RUN if key in record}, indent=1)
        )
        for file in ("best.pt", PROBE):
            if (checkpoint.folder / name / file).exists():
                shutil.copyfile(checkpoint.folder / name / file, draft / name / file)
    for file in ("recipe.json", "result.json"):
        shutil.copyfile(checkpoint.folder / file, draft / file)
    if target.exists():
        if not (target / "recipe.json").exists():
            raise ConfigError(f"{target}: exists and is no released training; give another folder")
        shutil.rmtree(target)
    draft.rename(target)
