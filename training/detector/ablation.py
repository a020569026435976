"""`python -m training.detector.ablation --data DATA --out runs/ablation`: what each part of the recipe adds, a table.

Every variant is trained with the same short schedule and three seeds without the patients of one fold, and judged on
them; the spread over seeds stands beside the mean. Clips are answered by the linear probe, or by what a clip loss
taught. A short schedule favours what learns fast. Not for choosing thresholds: only the two Scores need one,
and those are at their best offset for every variant alike.
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from edge.errors import LaennecError
from training.datasets import fingerprint
from training.detector.acceptance import AnsweredClip, best_score, event_tasks
from training.detector.augment import AugmentSpec
from training.detector.cross_validation import Job, score_fold, train_networks
from training.detector.hyperparameters import LossSpec, Recipe
from training.detector.thresholds import calibrate
from training.detector.training_data import TrainingData, read_recordings
from training.loop.checkpoint import whole_file
from training.metrics.streaming import ScoredRecording, frame_metrics, record_metrics, record_score

FOLD = 0
SEEDS = (0, 1, 2)
EPOCHS = 8
NOTHING = ("Normal", "Poor Quality")  # labels of recordings without an adventitious sound to be found
WINDOWS = 16  # half of what the recipe has in a batch, beside as many clips
PLAIN: dict[str, Any] = {"gain_db": 0.0, "colour_db": 0.0, "low_pass": 0.0, "noise": 0.0, "band_mask": 0.0, "gap": 0.0}
ALONE: dict[str, Any] = {"negative": 0.0, "disturb": 0.0, "clip_negative": 0.0}


def variants(base: Recipe) -> dict[str, Recipe]:
    """Recipes by the name of what is changed; `base` first."""
    augment = base.augment

    def changed(augment: AugmentSpec) -> Recipe:
        return replace(base, augment=augment)

    with_clips = replace(base, clips=WINDOWS)
    return {
        "base": base,
        "without negatives": changed(replace(augment, **ALONE)),
        "without other microphones": changed(replace(augment, **PLAIN)),
        "without mixed windows": changed(replace(augment, mix=0.0)),
        "with a teacher": replace(base, teachers=1),
        "with a clip loss": with_clips,
        "with a clip loss and mixup": replace(with_clips, augment=replace(augment, clip_mixup=0.5)),
        "with a clip loss and QLung margins": replace(
            with_clips, losses=replace(base.losses, margin=0.4), network=replace(base.network, angular=True)
        ),
        "with a clip loss and Patch-Mix": replace(with_clips, losses=replace(base.losses, patch_mix=0.5)),
    }


@dataclass(frozen=True, slots=True)
class Row:
    """One variant over the seeds."""

    name: str
    values: dict[str, list[float]]
    """By metric, one for each seed."""

    def cells(self) -> list[str]:
        """Mean and standard deviation of each metric."""
        return [f"{np.mean(v):.3f} ± {np.std(v, ddof=1) if len(v) > 1 else 0.0:.3f}" for v in self.values.values()]


def measure(job: Job) -> dict[str, float]:
    """Numbers of one trained variant on the patients of the fold."""
    logits, clips = score_fold(job, FOLD)
    calibration = calibrate(logits)
    chest = [s for s in map(calibration.score, logits) if s.is_annotated_chest]
    frames = frame_metrics(chest)
    metrics = {f"frame AP {group}": frames[f"frame AP {group}"] for group in ("continuous", "discontinuous")}
    metrics |= record_metrics(chest)
    metrics["AUC against other sounds"] = _apart(map(calibration.score, logits))
    return {name: float(value) for name, value in (metrics | _of_clips(clips)).items()}


def _apart(scored: Iterable[ScoredRecording]) -> float:
    """ROC AUC of adventitious recordings against coughs, cries, hearts and voices: what negatives are there for."""
    judged = [s for s in scored if s.recording.is_negative or s.recording.record_label not in NOTHING]
    truth = [not s.recording.is_negative for s in judged]
    return float(roc_auc_score(truth, [record_score(s.scores) for s in judged]))


def _of_clips(clips: list[AnsweredClip]) -> dict[str, float]:
    first, second = event_tasks(clips)
    margin = np.logaddexp.reduce(first.log_probabilities[:, 1:], 1) - first.log_probabilities[:, 0]
    auc = float(roc_auc_score(first.truth > 0, margin))
    return {"1-1 AUC": auc, "1-1 Score": best_score(first), "1-2 Score": best_score(second)}


def table(rows: list[Row]) -> str:
    """Markdown, one row for each variant."""
    names = list(rows[0].values)
    lines = ["| variant | " + " | ".join(names) + " |", "|" + "---|" * (len(names) + 1)]
    lines += [f"| {row.name} | " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def run(data: Path, folder: Path, epochs: int, seeds: tuple[int, ...]) -> list[Row]:
    """Train and judge every variant; what is finished is not done again."""
    base = Recipe()
    loop = base.loop.model_copy(update={"epochs": epochs, "batch": WINDOWS})
    base = replace(base, loop=loop, teachers=0, losses=LossSpec())
    recordings = read_recordings(data, base)
    records = fingerprint(list(recordings))
    jobs: dict[tuple[str, int], Job] = {}
    for seed in seeds:
        for name, recipe in variants(base).items():
            run_folder = folder / f"{name.replace(' ', '-')}-{seed}"
            jobs[name, seed] = Job(
                replace(recipe, seed=seed), TrainingData(recordings, folder / "cache"), run_folder, records
            )
    train_networks(list(jobs.values()), FOLD)
    rows = []
    for name in variants(base):
        measured = [_measured(jobs[name, seed]) for seed in seeds]
        rows.append(Row(name, {metric: [m[metric] for m in measured] for metric in measured[0]}))
    return rows


def _measured(job: Job) -> dict[str, float]:
    path = job.folder / "measured.json"
    if not path.exists():
        with whole_file(path) as draft:
            draft.write_text(json.dumps(measure(job)))
    found: dict[str, float] = json.loads(path.read_text())
    return found


def main() -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.detector.ablation", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with sprsound/train and negatives")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="folder of the runs and the table")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of each training")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many")
    asked = parser.parse_args()
    try:
        text = table(run(asked.data, asked.out, asked.epochs, tuple(range(asked.seeds))))
        with whole_file(asked.out / "ablation.md") as draft:
            draft.write_text(text)
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
