"""From recordings to the two sides of one training: patients to learn from, patients to validate on, never a test set.

Not for what is learnt from them (`training.clips.supervised`). The patients of one fold of the training part validate;
which recordings and patients were learnt from is written into the run folder, so that an evaluation can say so.

Official scores of validation patients as rows to print and write; computed by `training.metrics.official`.

A row keeps the answers of each patient apart, so that intervals, and differences between runs, are over patients.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.features import FeatureSpec
from training.clips.batches import ClipSet
from training.clips.cut import ClipPolicy
from training.clips.front_end import ClipFrames, cached_clip_frames, clip_quality
from training.clips.schema import ClassifierRecipe, Validation
from training.datasets import Recording, check_apart, fingerprint, patient_folds, read_datasets
from training.loop.checkpoint import whole_file
from training.metrics.estimates import Metric
from training.metrics.intervals import Weights
from training.metrics.official import TASKS_WITH_CUE, fit_duration, official_score
from training.tasks import TASKS, Clip, Task

TRAINED_ON = "heard.json"  # in a run folder: what was learnt from


@dataclass(frozen=True, slots=True)
class Sides:
    """Recordings of the training part, parted by patient."""

    training: tuple[Recording, ...]
    validation: tuple[Recording, ...]

    @property
    def records(self) -> str:
        """Fingerprint of the recordings of both sides."""
        return fingerprint([*self.training, *self.validation])

    def write(self, folder: Path) -> None:
        """Write which recordings and patients were trained on."""
        content = {
            "recordings": sorted(r.path.stem for r in self.training),
            "patients": sorted({r.patient for r in self.training}),
            "validation_patients": sorted({r.patient for r in self.validation}),
            "fingerprint": fingerprint(list(self.training)),
        }
        with whole_file(folder / TRAINED_ON) as draft:
            draft.write_text(json.dumps(content))


def part(recordings: Sequence[Recording], validation: Validation) -> Sides:
    """Deal the recordings of a training part to both sides, by patient.

    Each data set of chest sound, and the negatives, are dealt out apart: so a patient validates or does not whatever
    other sets there are.

    Raises:
        ConfigError: if a patient is on both sides, or a side has nobody.
    """
    sets: dict[str, list[Recording]] = {}
    for r in recordings:
        sets.setdefault("" if r.is_negative else r.dataset, []).append(r)
    dealt = [patient_folds(several, validation.folds, validation.seed) for several in sets.values()]
    folds = {patient: fold for one in dealt for patient, fold in one.items()}
    kept = tuple(r for r in recordings if folds[r.patient] == validation.fold)
    rest = tuple(r for r in recordings if folds[r.patient] != validation.fold)
    if not kept or not rest:
        raise ConfigError(
            f"validation.folds = {validation.folds}, patients of the training part: {len(folds)}; expected two "
            "patients at least, and no more folds than patients; add recordings, or lower it"
        )
    check_apart(rest, kept)
    return Sides(rest, kept)


def task_recordings(data: Path, task: Task) -> list[Recording]:
    """The training part of a task's data set.

    Raises:
        ConfigError: if there is none.
    """
    found = [r for r in read_datasets(data, [task.dataset]) if r.split == "train" and r.is_real_chest]
    if not found:
        raise ConfigError(
            f"DATA={data}: {task.dataset} has no recordings of its training part; task {task.name} needs them"
        )
    return found


def side_clips(recipe: ClassifierRecipe, sides: Sides) -> tuple[list[Clip], list[Clip]]:
    """What is learnt from and what validates; of a trial, a fifth validates."""
    training, validation = (TASKS[recipe.task].clips(list(side)) for side in (sides.training, sides.validation))
    if not recipe.limit:
        return training, validation
    return (
        limited(training, max(1, recipe.limit * 4 // 5), recipe.seed),
        limited(validation, max(1, recipe.limit // 5), recipe.seed),
    )


def check_labels(task: Task, training: Sequence[Clip]) -> None:
    """Refuse a label without an example before a run is begun or a frame computed.

    Raises:
        ConfigError: naming the labels.
    """
    found = {clip.label for clip in training}
    if without := [label for label in task.labels if label not in found]:
        raise ConfigError(
            f"task {task.name}: no training clip of {', '.join(without)} among {len(training)}; add recordings of it, "
            "choose another validation.fold, raise limit, or choose another task"
        )


def clip_sets(recipe: ClassifierRecipe, sides: Sides, cache: Path) -> tuple[ClipSet, ClipSet]:
    """Clips of both sides with their frames.

    Raises:
        ConfigError: if a label has no training clip, a recording does not decode, or the disk is full.
    """
    task = TASKS[recipe.task]
    policy = recipe.clip.of(task)
    training, validation = side_clips(recipe, sides)
    clips = [*training, *validation]
    frames = cached_clip_frames(clips, recipe.features, policy, cache)
    quality = np.zeros(len(clips), np.float32)
    if any(loss.kind == "dfam" for loss in recipe.losses):
        quality = clip_quality(clips, len(training), next(iter(recipe.features.values())).rate_hz, cache)
    bands = next(iter(recipe.features.values())).levels
    count = len(training)
    sets = [
        _heard_ones(task, clips, frames, quality, np.arange(low, high), bands)
        for low, high in ((0, count), (count, len(clips)))
    ]
    _ = sets[0].counts  # refuses a label without examples
    if not sets[1].clips:
        raise ConfigError(f"task {task.name}: the validation patients have no clip; choose another validation.fold")
    return sets[0], sets[1]


def _heard_ones(
    task: Task,
    clips: Sequence[Clip],
    frames: ClipFrames,
    quality: NDArray[np.float32],
    rows: NDArray[np.int64],
    bands: int,
) -> ClipSet:
    rows = rows[frames.lengths[rows] > 0]
    return ClipSet(task, tuple(clips[i] for i in rows), frames, rows, quality[rows], bands)


def limited(clips: Sequence[Clip], count: int, seed: int) -> list[Clip]:
    """At most `count` clips for a trial, in their order; one of each label if it can be, the others at random."""
    if count >= len(clips):
        return list(clips)
    order = np.random.default_rng(seed).permutation(len(clips))
    firsts: dict[str, int] = {}
    for i in order:
        firsts.setdefault(clips[i].label, int(i))
    chosen = list(dict.fromkeys([*firsts.values(), *(int(i) for i in order)]))[: max(count, len(firsts))]
    return [clips[i] for i in sorted(chosen)]


def full_frames(policy: ClipPolicy, spec: FeatureSpec) -> int:
    """T of a clip of full length."""
    return -(-policy.length(spec.rate_hz) // spec.hop_samples)


_COLUMNS = (("SE", "sensitivity"), ("SP", "specificity"), ("AS", "average"), ("HS", "harmonic"), ("Score", "score"))
RULE = "duration only"
SHOWN = ("sensitivity", "specificity", "score")


def scores_of(validation: ClipSet, probabilities: NDArray[np.float32], training: ClipSet) -> dict[str, Any]:
    """Row by name: the model, and the duration-only rule beside it where a clip's length is a cue."""
    task, clips = validation.task, validation.clips
    rows = {"model": row_of(task, clips, validation.labels, probabilities.argmax(1))}
    rule = fit_duration(task, training.clips) if task.name in TASKS_WITH_CUE else None
    if rule is not None:
        rows[RULE] = row_of(task, clips, validation.labels, rule.predict(task, clips).argmax(1))
    return rows


def row_of(task: Task, clips: Sequence[Clip], labels: NDArray[np.int64], decided: NDArray[np.int64]) -> dict[str, Any]:
    """Scores with intervals, the confusion matrix, and that of each patient.

    Args:
        task: whose scores.
        clips: n of them.
        labels: (n,) annotated, in the order of `task.labels`.
        decided: (n,) the same of the answers.
    """
    patients = sorted({clip.recording.patient for clip in clips})
    place = {patient: index for index, patient in enumerate(patients)}
    each = np.zeros((len(patients), len(task.labels), len(task.labels)), np.int64)
    owner = np.array([place[clip.recording.patient] for clip in clips], np.int64)
    np.add.at(each, (owner, labels, decided), 1)
    return row_from(task, dict(zip(patients, each.tolist(), strict=True)))


def row_from(task: Task, by_patient: Mapping[str, Any]) -> dict[str, Any]:
    """The same from the (L, L) confusion matrix of each patient."""
    total = np.sum([by_patient[patient] for patient in by_patient], axis=0)
    row = asdict(official_score(task, total)) | {"confusion": total.tolist(), "by_patient": by_patient}
    found = {name: metric.estimate().bounds for name, metric in metrics_of(task, by_patient).items()}
    return row | {"bounds": {name: [bounds.low, bounds.high] for name, bounds in found.items() if bounds}}


def metrics_of(task: Task, by_patient: Mapping[str, Any]) -> dict[str, Metric]:
    """SE, SP and Score by name, as functions of how often each patient counts.

    Args:
        task: whose scores.
        by_patient: (L, L) confusion matrix of each patient, as a row keeps them.
    """
    each = np.array([by_patient[patient] for patient in sorted(by_patient)], np.int64)

    def metric(part: str) -> Metric:
        def of(weights: Weights) -> float | None:
            value: float | None = getattr(official_score(task, np.tensordot(weights, each, 1)), part)
            return value

        return Metric(part, len(each), of, f"{each.sum()} clips of {len(each)} patients")

    return {part: metric(part) for part in SHOWN}


def score_lines(rows: dict[str, Any]) -> list[str]:
    """The table, a line for each row."""
    lines = [f"{'':15s}" + "".join(f"{name:>8s}" for name, _ in _COLUMNS)]
    for name, row in rows.items():
        cells = (row[key] for _, key in _COLUMNS)
        lines.append(f"{name:15s}" + "".join(f"{'-' if cell is None else f'{cell:.4f}':>8s}" for cell in cells))
    return lines
