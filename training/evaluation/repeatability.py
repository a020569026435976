"""`python -m training.evaluation.repeatability`: is the answer to the same sound the same?

Recordings are heard as they are, begun a little later, and with the losses of four links; what is counted is in
`training.metrics.repeatability`. An artefact is heard through the edge's own path. A training is judged on the patients
of its folds, each by the network that never met them, with the calibration, thresholds and durations that ship. Not for
whether an event is right (`python -m training.evaluation`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import torch

from edge.errors import ConfigError, LaennecError
from edge.features import FrontEnd
from edge.model.specs import GroupSpec
from edge.types import Event
from training.datasets import Recording, hashed_names, read_datasets
from training.datasets.files import read_sound
from training.datasets.records import draw
from training.detector.hyperparameters import Recipe
from training.detector.inference import heard_frames, stream_logits
from training.detector.model import STRIDE, Detector, class_scores
from training.detector.networks import load_network
from training.detector.training_data import TrainingData, read_recordings
from training.evaluation.artefact import Artefact
from training.evaluation.changed_sound import Samples, Valid, changes
from training.metrics.estimates import Estimate, bounds, values
from training.metrics.repeatability import HeardAgain, compared, repeatability_metrics
from training.metrics.streaming import Detection, is_annotated_chest
from training.terminal import count, print_any_name

RECORDINGS = 120  # Normal ones, and as many adventitious ones
SEED = 0  # of the draw of recordings
Hear = Callable[[Samples, Valid], list[Event]]
"""A whole sound, with what was lost of it, to the events that ended in it."""


def of_model(path: Path, data: Path, limit: int = RECORDINGS) -> list[Estimate]:
    """Judge an artefact, or a finished training on the patients of its folds.

    Args:
        path: an artefact (`.onnx`) or the folder of a run.
        data: folder of the recordings.
        limit: how many Normal recordings are heard, and how many adventitious ones.

    Raises:
        LaennecError: for a model or recordings that cannot be read.
    """
    pairs = _of_run(path, data, limit) if path.is_dir() else _of_artefact(path, data, limit)
    heard = [row for recording, hear, rate_hz in pairs for row in hear_again(recording, hear, rate_hz)]
    return [metric.estimate() for metric in repeatability_metrics(heard)]


def card_fields(estimates: Sequence[Estimate]) -> dict[str, Any]:
    """Numbers and their intervals by name, as the card holds others."""
    return {"validation": values(estimates), "intervals": bounds(estimates)}


def hear_again(recording: Recording, hear: Hear, rate_hz: int) -> list[HeardAgain]:
    """One recording as it is, and with every change; a row for each kind of change.

    Args:
        recording: to be heard.
        hear: whose answers are compared.
        rate_hz: that it hears, Hz.
    """
    samples = read_sound(recording.path, rate_hz)
    first = hear(samples, np.ones(len(samples), np.bool_))
    hours, is_normal = len(samples) / rate_hz / 3600, recording.record_label == "Normal"
    rows: dict[str, HeardAgain] = {}
    for changed in changes(samples, rate_hz, np.random.default_rng(crc32(recording.path.name.encode()))):
        kept, new = compared(first, hear(changed.samples, changed.valid), changed.later)
        nothing = HeardAgain(changed.change, recording.patient, is_normal, hours, 0, 0, 0, 0)
        row = rows.get(changed.change, nothing)
        rows[changed.change] = replace(
            row, times=row.times + 1, found=row.found + len(first), kept=row.kept + kept, new=row.new + new
        )
    return list(rows.values())


def by_network(detector: Detector, recipe: Recipe, result: dict[str, Any]) -> Hear:
    """A network in torch with the numbers of its run.

    Args:
        detector: in evaluation mode.
        recipe: of the run.
        result: what its `result.json` holds.
    """
    front_end, calibration = FrontEnd(recipe.features), result["calibration"]
    scale, bias = torch.tensor(calibration["scale"]), torch.tensor(calibration["bias"])
    groups = tuple(GroupSpec(**{**group, "classes": tuple(group["classes"])}) for group in result["groups"])
    features = recipe.features
    detection = Detection(groups, result["thresholds"], features.hop_samples * STRIDE, features.rate_hz)

    def hear(samples: Samples, valid: Valid) -> list[Event]:
        frames = heard_frames(samples, valid, front_end)
        scores = class_scores(torch.from_numpy(stream_logits(detector, frames.values, frames.valid)), scale, bias)
        whole = len(scores) * STRIDE
        measurable, bridged = (part[:whole].reshape(-1, STRIDE) for part in (frames.valid, frames.bridged))
        return detection.events(scores.numpy(), np.asarray(measurable.all(axis=1)), np.asarray(bridged.any(axis=1)))

    return hear


def _of_artefact(path: Path, data: Path, limit: int) -> Iterator[tuple[Recording, Hear, int]]:
    artefact = Artefact(path)
    for recording in _some(read_datasets(data), limit):
        yield recording, artefact.hear, artefact.detection.rate_hz


def _of_run(folder: Path, data: Path, limit: int) -> Iterator[tuple[Recording, Hear, int]]:
    try:
        result = json.loads((folder / "result.json").read_text())
        recipe = Recipe.from_json((folder / "recipe.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"MODEL={folder}: expected a finished training ({error}); run `make train`") from error
    training_data = TrainingData(read_recordings(data, recipe), folder / "cache")
    if hashed_names([r for r in training_data.recordings if r.is_real_chest]) != result["trained_on"]:
        raise ConfigError(f"DATA={data}: other chest recordings than {folder} was trained on; give its DATA")
    some, folds = _some(training_data.recordings, limit), training_data.fold_of(recipe)
    for fold in range(recipe.folds):
        hear = by_network(load_network(recipe, folder / f"fold-{fold}"), recipe, result)
        for recording in [r for r in some if folds[r.patient] == fold]:
            yield recording, hear, recipe.features.rate_hz


def _some(recordings: Sequence[Recording], limit: int) -> list[Recording]:
    """Of Normal and of adventitious chest recordings so many each, always the same ones."""
    rng = np.random.default_rng(SEED)
    chest = [r for r in recordings if is_annotated_chest(r) and not r.is_synthetic]
    kinds = [[r for r in chest if (r.record_label == "Normal") is is_normal] for is_normal in (True, False)]
    return [r for kind in kinds for r in draw(kind, limit, 1, rng)]


def main(arguments: list[str] | None = None) -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation.repeatability", description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="an artefact (.onnx), or a run's folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/DATA.md")
    parser.add_argument("--recordings", type=count, default=RECORDINGS, help="Normal ones, and as many others")
    parser.add_argument("--out", type=Path, default=None, help="file for the numbers, JSON")
    given = parser.parse_args(arguments)
    print_any_name()
    try:
        estimates = of_model(given.model, given.data, given.recordings)
    except LaennecError as error:
        print(f"repeatability: {error}", file=sys.stderr)
        return 2
    for one in estimates:
        between = f" [{one.bounds.low:.3f}, {one.bounds.high:.3f}]" if one.bounds else ""
        value = "-" if one.value is None else f"{one.value:.3f}"
        print(f"{one.name:55s} {value}{between}  ({one.examples})")
    if given.out:
        given.out.write_text(json.dumps(card_fields(estimates), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
