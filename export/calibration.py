"""The windows that int8 ranges are measured on: a seeded, stratified sample of what the network was trained on.

Every kind of recording (label and device) gives as many windows, and within a kind every patient as many, so that the
rare sounds are heard as well as the common ones. Windows are cut as at the bedside, with the silence before and after a
recording. Never a test set, and never a patient of the fold that validates. Not for training: nothing is changed.
"""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.artefact.specs import WindowSpec
from edge.detector.windows import Windows
from edge.types import Frames, Window
from training.datasets import Recording
from training.detector.hyperparameters import Recipe
from training.detector.inference import clip_windows
from training.detector.training_data import TrainingData

Strata = dict[tuple[str, str], dict[str, list[int]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Windows that were drawn from recordings."""

    frames: NDArray[np.float32]
    """(n, W, M)."""
    valid: NDArray[np.float32]
    """(n, W), 1 where the frame is valid."""
    seed: int

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.frames)

    @property
    def sha256(self) -> str:
        """Hash of every number in it."""
        return hashlib.sha256(self.frames.tobytes() + self.valid.tobytes()).hexdigest()

    def record(self) -> dict[str, object]:
        """Number, seed and hash, as the metadata of an artefact name it."""
        return {"windows": len(self), "seed": self.seed, "sha256": self.sha256}


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


def draw(training_data: TrainingData, recipe: Recipe, side: Side, count: int, seed: int) -> Sample:
    """Some windows, from the cache when they were drawn before.

    Args:
        training_data: recordings and the folder of the cache.
        recipe: with the window and the split.
        side: patients to draw from.
        count: number of windows.
        seed: of the draw.
    """
    folds, rng = training_data.fold_of(recipe), np.random.default_rng(seed)
    kept = [index for index, recording in enumerate(training_data.recordings) if side.holds(recording, folds)]
    path = (
        training_data.cache
        / f"windows-{_key([training_data.recordings[index] for index in kept], recipe, count, seed)}.npz"
    )
    if path.exists():
        with np.load(path) as stored:
            return Sample(stored["frames"], stored["valid"], seed)
    found: Strata = defaultdict(lambda: defaultdict(list))
    for index in kept:
        recording = training_data.recordings[index]
        found[recording.record_label, recording.device][recording.patient].append(index)
    frames = training_data.frames(recipe)
    drawn: list[Window] = []
    for index in picks(found, count, rng):
        windows = cut_windows(frames[index], recipe.window)
        drawn += [windows[int(rng.integers(len(windows)))]] if windows else []
    sample = Sample(*stacked(drawn), seed)
    _save(path, sample)
    return sample


def draw_clips(training_data: TrainingData, recipe: Recipe, side: Side, count: int, seed: int) -> Sample:
    """Windows that hold one event alone, every label as often; arguments as for `draw`."""
    folds, rng = training_data.fold_of(recipe), np.random.default_rng(seed)
    clips: list[NDArray[np.float16]] = []
    found: Strata = defaultdict(lambda: defaultdict(list))
    for recording, cut in zip(training_data.judged(), training_data.clips(recipe), strict=True):
        for event, frames in zip(recording.events, cut, strict=True):
            if side.holds(recording, folds):
                found[event.name, recording.device][recording.patient].append(len(clips))
            clips.append(frames)
    pieces = [clip_windows(clips[index], recipe.window.window_frames) for index in picks(found, count, rng)]
    frames_all, valid = (np.concatenate(arrays)[:count] for arrays in zip(*pieces, strict=True))
    return Sample(frames_all, valid, seed)


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


def cut_windows(frames: NDArray[np.floating], spec: WindowSpec) -> list[Window]:
    """The windows of (T, M) frames of one recording, as at the bedside."""
    cutter = Windows(spec, frames.shape[1])
    sound = Frames(0, frames.astype(np.float32), np.ones(len(frames), np.bool_))
    return cutter.push(sound) + cutter.flush()


def stacked(windows: list[Window]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, W, M) frames and (n, W) validity."""
    return np.stack([w.values for w in windows]), np.stack([w.valid for w in windows]).astype(np.float32)


def _save(path: Path, sample: Sample) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part.npz")  # two processes may make it at once
    np.savez(draft, frames=sample.frames, valid=sample.valid)
    draft.rename(path)


def _key(recordings: list[Recording], recipe: Recipe, count: int, seed: int) -> str:
    """Hash of the recordings to draw from, the features, the window, the count and the seed."""
    names = hashlib.sha256(f"{recipe.features.sha256} {recipe.window} {count} {seed}".encode())
    for recording in recordings:
        fields = (recording.path.name, recording.patient, recording.record_label, recording.device)
        names.update(f"{fields} {recording.path.stat().st_size}".encode())
    return names.hexdigest()[:16]
