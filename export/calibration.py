"""What int8 ranges are measured on: chunks of recordings that the network was trained on, with the states they meet.

A seeded, stratified draw: every kind of recording (label and device) gives as many, and within a kind every patient as
many, so that the rare sounds are heard as well as the common ones. The network hears each recording from its begin, and
some of its chunks are kept with the state before them: a chunk without its past would show ranges that no stream has.
Never a test set, and never a patient of the fold that validates. Not for training: nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.parity import ChunkNetwork, Inputs, Sound
from training.datasets import Recording
from training.detector.hyperparameters import Recipe
from training.detector.training_data import TrainingData

EACH = 4  # chunks of a recording: its begin is as rare among them as at a bed
Strata = dict[tuple[str, str], dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Inputs that were heard in recordings."""

    inputs: Inputs
    """n of them."""
    seed: int

    def __len__(self) -> int:
        """Number of chunks."""
        return len(self.inputs.frames)

    @property
    def sha256(self) -> str:
        """Hash of what was heard; the states follow from it and the network."""
        return hashlib.sha256(self.inputs.frames.tobytes() + self.inputs.valid.tobytes()).hexdigest()

    def record(self) -> dict[str, object]:
        """Number, seed and hash, as the metadata of an artefact name it."""
        return {"chunks": len(self), "seed": self.seed, "sha256": self.sha256}

    def batches(self, size: int, order: NDArray[np.int64] | None = None) -> list[Inputs]:
        """The chunks, some at a time, in the given order."""
        rows = np.arange(len(self)) if order is None else order
        parts = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [Inputs(*(part[chosen] for part in self.inputs)) for chosen in parts]


def sample_of(network: ChunkNetwork, sounds: Sequence[Sound], seed: int) -> Sample:
    """Some chunks of each sound, with the states of the network that hears them.

    Args:
        network: the network.
        sounds: to draw from.
        seed: of the draw.
    """
    rng, lengths = np.random.default_rng(seed), [len(sound.valid) for sound in sounds]
    wanted = [_some(rng, -(-length // network.chunk.chunk_frames)) for length in lengths]
    met = [0] * len(sounds)
    kept: list[tuple[int, int, Inputs]] = []
    for index, given in network.inputs(sounds):
        if met[index] in wanted[index]:
            kept.append((index, met[index], Inputs(*(part.copy() for part in given))))
        met[index] += 1
    kept.sort(key=lambda one: one[:2])
    return Sample(Inputs(*(np.concatenate(parts) for parts in zip(*(one[2] for one in kept), strict=True))), seed)


def _some(rng: np.random.Generator, count: int) -> set[int]:
    return set(rng.choice(count, min(EACH, count), replace=False).tolist())


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
