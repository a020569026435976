"""The run folder that a fine-tuning writes: the run that it began with, with another last layer and other numbers.

`python -m export` takes it as any finished training. What was measured with the last layer before (budgets of false
alarms, limits of the burden) is left out; `fine_tuned` in result.json says on whom it was taught and what that gains,
and the card says that the other numbers are those of before. Not for teaching it (`training.fine_tune`).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from edge import __version__
from edge.errors import ConfigError
from training.datasets import Recording, hashed_names
from training.datasets.targets import COLUMNS
from training.detector.cross_validation import FINAL_NAME
from training.detector.hyperparameters import Recipe
from training.detector.last_layer import Row
from training.detector.model import Scorer
from training.detector.networks import load_network
from training.detector.shipped import LIGHT, result_of
from training.left_out import Chosen
from training.loop import checkpoint
from training.loop.run_folder import RunFolder
from training.metrics.streaming import MEMBERS

RELEASED = Path(__file__).parent / "released" / "default"
_OF_BEFORE = ("budgets", "burden_limits", "models")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training, and the network of all patients that ships alone."""

    folder: Path
    result: Mapping[str, Any]
    scorer: Scorer


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What was learnt of a device."""

    device: str
    recordings: tuple[Recording, ...]
    rows: Mapping[str, Row]
    """By group, what is added to its calibrated logit."""
    chosen: Chosen
    """For the scores with these rows."""
    gains: Mapping[str, Mapping[str, float]]


def open_run(folder: Path) -> Run:
    """The network of a finished training that ships alone, with its calibration.

    Raises:
        ConfigError: if there is none.
    """
    try:
        result = json.loads((folder / "result.json").read_text())
        recipe = Recipe.from_json((folder / "recipe.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--checkpoint {folder}: expected a finished training ({error}); run `make train`") from None
    result = result_of(result, LIGHT)  # of one network alone, where there are several
    numbers = (torch.tensor(result["calibration"][name]) for name in ("scale", "bias"))
    return Run(folder, result, Scorer(load_network(recipe, folder / FINAL_NAME), *numbers).eval())


def write_run(out: Path, run: Run, learnt: FineTuned) -> None:
    """Write the folder.

    Raises:
        OSError: if it cannot be written.
    """
    shutil.copytree(run.folder / FINAL_NAME, out / FINAL_NAME)
    shutil.copy(run.folder / "recipe.json", out)
    calibration = {name: list(values) for name, values in run.result["calibration"].items()}
    _write_rows(RunFolder(out / FINAL_NAME), learnt.rows, calibration["scale"])
    thresholds = dict(run.result["thresholds"])
    for group, ((scale, bias), threshold) in learnt.chosen.items():
        column = getattr(COLUMNS, group)
        calibration["scale"][column] = round(scale * calibration["scale"][column], 6)
        calibration["bias"][column] = round(scale * calibration["bias"][column] + bias, 6)
        thresholds |= dict.fromkeys(MEMBERS[group], threshold)
    patients = {recording.patient for recording in learnt.recordings}
    before = run.result.get("fine_tuned", run.result)["trained_on"]
    result = {key: value for key, value in run.result.items() if key not in _OF_BEFORE} | {
        "calibration": calibration,
        "thresholds": thresholds,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "version": __version__,
        "trained_on": sorted({*run.result["trained_on"], *hashed_names(list(learnt.recordings))}),
        "fine_tuned": {
            "device": learnt.device,
            "groups": sorted(learnt.rows),
            "recordings": len(learnt.recordings),
            "patients": len(patients),
            "gains": {name: dict(gain) for name, gain in learnt.gains.items()},
            "trained_on": before,
        },
    }
    RunFolder(out).finish(result)


def _write_rows(network: RunFolder, rows: Mapping[str, Row], scale: list[float]) -> None:
    """Add the rows to the last layer, whose logits are multiplied by `scale` before anything is added to them."""
    parts = checkpoint.load(network.best)
    weight, bias = (parts["network"][f"detector.head.{name}"] for name in ("weight", "bias"))
    for group, row in rows.items():
        column = getattr(COLUMNS, group)
        weight[column] += torch.from_numpy(row.weight / scale[column]).to(weight)[:, None, None]
        bias[column] += row.bias / scale[column]
    checkpoint.save(network.best, parts)
