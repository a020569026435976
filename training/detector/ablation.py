"""`python -m training.detector.ablation --data DATA --out runs/ablation`: what each part of the recipe adds, a table.

    python -m training.detector.ablation --data DATA --change "unknown: labels.unannotated=0, labels.poor_quality=0"

Every variant is trained with the same short schedule, without the patients that are held out (`--on`), and judged on
them; seed by seed beside the base, with the same patients drawn for both: the table shows the difference and its
interval. Calibration and thresholds of one half of the held-out patients are chosen on the other half. A
short schedule favours what learns fast. Streams alone are judged, no clips.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from edge.errors import ConfigError, LaennecError
from training.datasets import fingerprint
from training.datasets.targets import frame_targets
from training.detector.augment import AugmentSpec
from training.detector.cross_validation import Job, score_fold, train_networks
from training.detector.hyperparameters import SHIFTS, Recipe, changed
from training.detector.sets import main_sets
from training.detector.thresholds import SEARCH, RecordingLogits, halves, judged, nested, streaming_metrics
from training.detector.training_data import FIRST_SHIFT, TrainingData, read_recordings
from training.loop.checkpoint import whole_file
from training.metrics.comparison import mean_of, written
from training.metrics.estimates import Heard, Metric, auc_metric
from training.metrics.streaming import ScoredRecording, record_score
from training.terminal import count

EPOCHS = 8
FOLDS = {"fold-0": 0, **{name: FIRST_SHIFT + index for index, name in enumerate(SHIFTS)}}
SHOWN = (  # of the numbers, those in the table
    "record AUC",
    "record AUC of the mean",
    "frame AP continuous, annotated time",
    "frame AP discontinuous, annotated time",
    "segment F1 continuous",
    "segment F1 discontinuous",
    "event F1 continuous",
    "event F1 discontinuous",
    "false alarms per hour Normal",
)
BASE = "base"
NOTHING = ("Normal", "Poor Quality", "")  # labels of recordings without an adventitious sound to be found
PLAIN: dict[str, Any] = {"gain_db": 0.0, "colour_db": 0.0, "low_pass": 0.0, "noise": 0.0, "band_mask": 0.0, "gap": 0.0}
ALONE: dict[str, Any] = {"negative": 0.0, "disturb": 0.0}


def variants(base: Recipe) -> dict[str, Recipe]:
    """Recipes by the name of what is changed; `base` first."""
    augment = base.augment

    def changed(augment: AugmentSpec) -> Recipe:
        return replace(base, augment=augment)

    return {
        "base": base,
        "without negatives": changed(replace(augment, **ALONE)),
        "without other microphones": changed(replace(augment, **PLAIN)),
        "without mixed stretches": changed(replace(augment, mix=0.0)),
    }


@dataclass(frozen=True, slots=True)
class Query:
    """One trial."""

    data: Path
    out: Path
    on: tuple[str, ...]
    """Who is held out, names of `FOLDS`."""
    variants: Mapping[str, Recipe]
    """What is compared, the base first."""
    seeds: int
    processes: int | None
    """Networks trained side by side; None: one for each core."""


def base_recipe(epochs: int) -> Recipe:
    """The recipe with the schedule of a trial."""
    recipe = Recipe()
    loop = recipe.loop.model_copy(update={"epochs": epochs})
    return replace(recipe, loop=loop)


def given(base: Recipe, changes: Sequence[str]) -> dict[str, Recipe]:
    """Recipes from `NAME: KEY=VALUE, KEY=VALUE`; the base first, which a change named `base` replaces.

    Raises:
        ConfigError: naming what is not understood.
    """
    found = {BASE: base}
    for change in changes:
        name, is_named, keys = change.partition(":")
        pairs = [
            pair.partition("=") for pair in re.split(r",\s*(?=[\w.]+=)", keys) if pair.strip()
        ]  # lists have commas
        if not is_named or not name.strip() or not all(equals for _, equals, _ in pairs):
            raise ConfigError(f"--change {change}: expected NAME: KEY=VALUE, KEY=VALUE")
        values = {key.strip(): yaml.safe_load(value) for key, _, value in pairs}
        found[name.strip()] = changed(base, values, f"--change {name.strip()}")
    return found


def measure(job: Job, fold: int) -> dict[str, Metric]:
    """Numbers of one trained variant on the patients that are held out, by name."""
    heard = _scored(job, fold)
    main = main_sets(job.training_data.recordings)
    several = halves([h for h in heard if h.recording.is_negative or h.recording.dataset in main])
    chosen = nested(several, job.recipe, {"threshold": SEARCH["threshold"]})
    pairs: list[Heard] = [(s, e) for s, e in judged(several, chosen)]
    detection = next(iter(chosen.values())).detection
    found = [*streaming_metrics(pairs, detection.rate_hz, detection.frame_s), *_apart(s for s, _ in pairs)]
    return {metric.name: metric for metric in found}


def _scored(job: Job, fold: int) -> list[RecordingLogits]:
    """What the network says; kept, for it takes longer than what follows."""
    path = job.folder / job.name(fold) / "logits.npz"
    if not path.exists():
        heard, _ = score_fold(job, fold)
        with whole_file(path) as draft, draft.open("wb") as file:
            np.savez(file, *(h.logits for h in heard))
        return heard
    apart = job.training_data.held_out(job.recipe, fold)
    recordings = [r for r in job.training_data.recordings if r.patient in apart]
    with np.load(path) as kept:
        logits = [kept[f"arr_{i}"] for i in range(len(recordings))]
    targets = [frame_targets(r, len(said), job.recipe.frame_s) for r, said in zip(recordings, logits, strict=True)]
    return [RecordingLogits(*row, fold) for row in zip(recordings, logits, targets, strict=True)]


def _apart(scored: Iterable[ScoredRecording]) -> list[Metric]:
    """Adventitious recordings against coughs, cries, hearts and voices: what negatives are there for."""
    kept = [s for s in scored if s.recording.is_negative or s.recording.record_label not in NOTHING]
    if not any(s.recording.is_negative for s in kept):
        return []
    truth = [not s.recording.is_negative for s in kept]
    suspect, patients = [record_score(s.scores) for s in kept], [s.recording.patient for s in kept]
    return [auc_metric("AUC against other sounds", truth, suspect, patients, "recordings")]


def run(asked: Query) -> dict[str, dict[str, dict[str, Metric]]]:
    """Train and judge every variant; what is trained is not trained again.

    Returns:
        Metrics, the mean over the seeds, by who is held out, variant and name.
    """
    base = next(iter(asked.variants.values()))
    recordings = read_recordings(asked.data, base)
    material, records = TrainingData(recordings, asked.out / "cache"), fingerprint(list(recordings))
    found: dict[str, dict[str, dict[str, Metric]]] = {}
    for held_out in asked.on:
        fold = FOLDS[held_out]
        jobs = {
            (name, seed): Job(
                replace(recipe, seed=seed),
                material,
                asked.out / f"{name.replace(' ', '-')}-{seed}",
                records,
                answers_tasks=False,
            )
            for seed in range(asked.seeds)
            for name, recipe in asked.variants.items()
        }
        train_networks(list(jobs.values()), fold, asked.processes)
        found[held_out] = {}
        for name in asked.variants:
            seeds = [measure(jobs[name, seed], fold) for seed in range(asked.seeds)]
            found[held_out][name] = {key: mean_of([seed[key] for seed in seeds]) for key in seeds[0]}
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.detector.ablation", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with SPRSound and negatives")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder of the runs and the table")
    parser.add_argument("--change", action="append", default=[], help="NAME: KEY=VALUE, ...; without, every part")
    parser.add_argument("--on", action="append", choices=sorted(FOLDS), help="who is held out; youngest")
    parser.add_argument("--epochs", type=count, default=EPOCHS, help="of each training")
    parser.add_argument("--seeds", type=count, default=1, help="how many")
    parser.add_argument("--processes", type=count, help="networks trained side by side")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    asked = _parser().parse_args(arguments)
    try:
        base = base_recipe(asked.epochs)
        compared = given(base, asked.change) if asked.change else variants(base)
        on = tuple(dict.fromkeys(asked.on or SHIFTS[:1]))
        trial = Query(asked.data, asked.out, on, compared, asked.seeds, asked.processes)
        print(written(run(trial), asked.out, SHOWN))
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
