"""The recordings that an export needs: to calibrate int8, to compare artefacts on, and patients to validate on.

A seeded, stratified draw: every kind of recording (label and device) gives as many, and within a kind every patient as
many, so that the rare sounds come up as well as the common ones. The shipped ranges are measured on patients outside
fold 0, and artefacts are compared on recordings of patients inside it, which no range has seen. Every fold is validated
by its own network, whose ranges come from outside that fold. Never a test set. Not for what is done with them
(`export.streams`, `export.acceptance`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.checkpoint import Checkpoint
from export.parity import ComparisonSet
from export.streams import Sound
from training.datasets import Recording
from training.detector.hyperparameters import Recipe
from training.detector.sets import holds_recordings
from training.detector.training_data import TrainingData

CALIBRATION_RECORDINGS, CALIBRATION_SEED = 256, 1
COMPARISON_RECORDINGS, COMPARISON_CLIPS, COMPARISON_SEED = 128, 512, 2
Strata = dict[tuple[str, str], dict[str, list[int]]]
"""Indices of recordings or clips by kind (label and device) and patient."""


@dataclass(frozen=True, slots=True)
class Side:
    """The patients of one fold, or all others."""

    fold: int
    is_inside: bool
    """The patients of the fold, else everybody else."""

    def holds(self, recording: Recording, folds: dict[str, int]) -> bool:
        """Whether a recording belongs to it; test sets and synthetic patients belong to neither."""
        is_real = recording.split == "train" and not recording.is_synthetic
        return is_real and (folds[recording.patient] == self.fold) == self.is_inside


COMPARISON_SIDE = Side(0, is_inside=True)


@dataclass(frozen=True, slots=True)
class HeldoutFold:
    """One fold: the patients that its network was not trained on."""

    fold: int
    calibration: tuple[Sound, ...]
    """Recordings of other patients; what the int8 ranges of this network are measured on."""
    recordings: tuple[Recording, ...]
    """Chest recordings of the patients of the fold."""
    sounds: tuple[Sound, ...]
    """The frames of each."""


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """Recordings for int8 and for comparisons, and the held-out patients of the folds."""

    calibration: tuple[Sound, ...]
    """What the int8 ranges of the shipped artefacts are measured on."""
    comparison: ComparisonSet
    """What artefacts are compared with the fp32 one on."""
    folds: tuple[HeldoutFold, ...]
    """The folds whose networks are there."""

    @classmethod
    def load(
        cls, checkpoint: Checkpoint, data: Path | None, cache: Path, progress: Callable[[str], None]
    ) -> EvaluationData | None:
        """Read the recordings; None, with a line of progress, where there are none.

        Args:
            checkpoint: the training that is exported.
            data: folder of data sets.
            cache: folder of frames.
            progress: called with a line for each step.

        Raises:
            ConfigError: if these are other recordings than it was trained on.
        """
        if data is None or not holds_recordings(data):
            progress(
                f"no recordings (DATA={data}, expected SPRSound in it): int8 needs them for its ranges and the "
                "validation for its patients, so only fp32 and fp16 are made, compared on golden sounds; give "
                "DATA=folder"
            )
            return None
        training_data, recipe = TrainingData(checkpoint.recordings(data), cache), checkpoint.recipe
        progress("drawing the recordings for calibration and comparison")
        clips = draw_clips(training_data, recipe, COMPARISON_SIDE, COMPARISON_CLIPS, COMPARISON_SEED)
        comparison = ComparisonSet(
            draw(training_data, recipe, COMPARISON_SIDE, COMPARISON_RECORDINGS, COMPARISON_SEED),
            clips,
            f"{COMPARISON_RECORDINGS} recordings and {len(clips)} clips of the patients of fold "
            f"{COMPARISON_SIDE.fold}, which calibrate nothing, seed {COMPARISON_SEED}",
        )
        folds = tuple(_heldout(fold, training_data, recipe) for fold in checkpoint.folds)
        return cls(_calibration(COMPARISON_SIDE.fold, training_data, recipe), comparison, folds)


def validation_note(checkpoint: Checkpoint, evaluation: EvaluationData | None) -> str:
    """On whom which network was validated, in words; or why on nobody."""
    if evaluation is None:
        return "No validation: it needs the recordings, give DATA=folder"
    if not evaluation.folds:
        return f"No validation: {checkpoint.folder.name} has no network that left patients out"
    recordings = [recording for heldout in evaluation.folds for recording in heldout.recordings]
    patients = len({recording.patient for recording in recordings})
    return (
        f"Validation: {len(recordings)} chest recordings of {patients} patients in {len(evaluation.folds)} of "
        f"{checkpoint.recipe.folds} folds. What is shipped was trained on all patients; these numbers are of its "
        "cross-validation networks, each alone, trained by the same recipe without the patients of one fold, put "
        "through the same export and scored on that fold, with the calibration and thresholds of the training."
    )


def _calibration(fold: int, training_data: TrainingData, recipe: Recipe) -> tuple[Sound, ...]:
    """What the ranges of a network that lacks the patients of a fold are measured on: all other patients."""
    return draw(training_data, recipe, Side(fold, is_inside=False), CALIBRATION_RECORDINGS, CALIBRATION_SEED)


def _heldout(fold: int, training_data: TrainingData, recipe: Recipe) -> HeldoutFold:
    folds, calibration = training_data.fold_of(recipe), _calibration(fold, training_data, recipe)
    pairs = zip(training_data.recordings, training_data.frames(recipe), strict=True)
    judged = {r.path for r in training_data.judged()}
    held_out = [(r, frames.copy()) for r, frames in pairs if r.path in judged and folds[r.patient] == fold]
    sounds = tuple(Sound.whole(frames) for _, frames in held_out)
    return HeldoutFold(fold, calibration, tuple(r for r, _ in held_out), sounds)


def draw(training_data: TrainingData, recipe: Recipe, side: Side, count: int, seed: int) -> tuple[Sound, ...]:
    """Some recordings.

    Args:
        training_data: recordings and the folder of the cache.
        recipe: with the features and the split.
        side: patients to draw from.
        count: number of recordings.
        seed: of the draw.
    """
    folds = training_data.fold_of(recipe)
    found: Strata = defaultdict(lambda: defaultdict(list))
    for index, recording in enumerate(training_data.recordings):
        if side.holds(recording, folds):
            found[recording.record_label, recording.device][recording.patient].append(index)
    frames = training_data.frames(recipe)
    return tuple(Sound.whole(frames[index].copy()) for index in picks(found, count, np.random.default_rng(seed)))


def draw_clips(training_data: TrainingData, recipe: Recipe, side: Side, count: int, seed: int) -> tuple[Sound, ...]:
    """Annotated events alone, every label as often as there are some; arguments as for `draw`, `count` at most.

    None is there twice: one of a rare label that is drawn again and again would break a bound by itself.
    """
    folds = training_data.fold_of(recipe)
    clips: list[NDArray[np.float16]] = []
    found: Strata = defaultdict(lambda: defaultdict(list))
    for recording, cut in zip(training_data.judged(), training_data.clips(recipe), strict=True):
        for event, frames in zip(recording.events, cut, strict=True):
            if side.holds(recording, folds):
                found[event.name, recording.device][recording.patient].append(len(clips))
            clips.append(frames)
    chosen = dict.fromkeys(picks(found, count, np.random.default_rng(seed)))
    return tuple(Sound.whole(clips[index].copy()) for index in chosen)


def picks(found: Strata, count: int, rng: np.random.Generator) -> list[int]:
    """Indices, kind by kind in turn, and within a kind patient by patient in turn."""
    orders = {kind: list(rng.permutation(sorted(patients))) for kind, patients in sorted(found.items())}
    kinds = list(orders)
    picked = []
    for number in range(count):
        kind = kinds[number % len(kinds)]
        patient = orders[kind][number // len(kinds) % len(orders[kind])]
        picked.append(int(rng.choice(found[kind][patient])))
    return picked
