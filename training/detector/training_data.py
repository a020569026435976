"""Frames of whole recordings and of their annotated events, of synthetic patients too, from the cache on disk.

What networks are trained and judged on: recordings, their frames and clips, and who is in which fold.

Not for drawing from it (`training.detector.examples`).

A trial of the edge recipe in minutes: few recordings, few steps, three networks instead of twelve.

All that a training does is done, so its run can be exported and judged: two folds of patients give calibration and
thresholds, the third network is the one that is exported. One network alone would have nobody to be calibrated on.
What such a model is worth says nothing about the recipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from edge.errors import ConfigError
from edge.features import FeatureSpec, FrontEnd
from training.datasets import Annotation, Recording, patient_folds
from training.datasets.files import read_sound
from training.datasets.records import RECORD_LABELS, draw
from training.detector.augment import Changes
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import SHIFTS, Recipe
from training.detector.sets import generator_hash, main_sets, synthetic_patients, synthetic_sound, training_recordings
from training.detector.truth import Believed, Timeline
from training.frames import FrameStore, cache_key, cached_frames, extract
from training.metrics.streaming import GROUP_OF
from training.tasks import CLIP_LABELS, TASKS


def recording_frames(recordings: Sequence[Recording], spec: FeatureSpec, folder: Path) -> FrameStore:
    """Frames of every recording, (T, M) each, computed once.

    Args:
        recordings: what to hear.
        spec: what a frame is.
        folder: where the cache lies; created when missing.
    """

    def rows() -> Iterator[NDArray[np.float16]]:
        front_end = FrontEnd(spec)
        for recording in tqdm(recordings, desc="features", unit="recording", mininterval=2):
            yield extract(_sound(recording, spec.rate_hz), front_end).astype(np.float16)

    key = cache_key((spec.sha256, generator_hash()), ((_file(r), str(r.path)) for r in recordings))
    return cached_frames(folder, f"recordings-{key}", spec.width, rows)


def event_frames(recordings: Sequence[Recording], spec: FeatureSpec, folder: Path) -> list[list[NDArray[np.float16]]]:
    """Frames of every annotated event as a sound of its own, cut before anything is computed: no context leaks in.

    Args:
        recordings: what to hear; its events say where to cut.
        spec: what a frame is.
        folder: where the cache lies; created when missing.

    Returns:
        For each recording one (T, M) for each of its events.
    """

    def rows() -> Iterator[NDArray[np.float16]]:
        front_end = FrontEnd(spec)
        for recording in tqdm(recordings, desc="events", unit="recording", mininterval=2):
            sound = _sound(recording, spec.rate_hz) if recording.events else np.zeros(0, np.float32)
            for event in recording.events:
                yield extract(_cut(sound, event, spec.rate_hz), front_end).astype(np.float16)

    sounds = ((_file(r), f"{r.path} {e.start_s} {e.end_s}") for r in recordings for e in r.events)
    key = cache_key((spec.sha256, generator_hash()), sounds)
    events = iter(cached_frames(folder, f"events-{key}", spec.width, rows))
    return [[next(events) for _ in recording.events] for recording in recordings]


def _file(recording: Recording) -> Path | None:
    return None if recording.is_synthetic else recording.path


def _sound(recording: Recording, rate_hz: int) -> NDArray[np.float32]:
    return synthetic_sound(recording, rate_hz) if recording.is_synthetic else read_sound(recording.path, rate_hz)


def _cut(sound: NDArray[np.float32], event: Annotation, rate_hz: int) -> NDArray[np.float32]:
    return sound[round(event.start_s * rate_hz) : round(event.end_s * rate_hz)]


FINAL = -1  # the "fold" that leaves nobody out
FIRST_SHIFT = 90  # number of the first of `SHIFTS`, above every fold of patients
THIRDS = 3  # the shift leaves out one of so many parts of the patients

_NEEDED = (*RECORD_LABELS, "an event with continuous sound", "an event with discontinuous sound")


def read_recordings(data: Path, recipe: Recipe) -> tuple[Recording, ...]:
    """The training recordings of the recipe's sets, the negatives if they are there, and the synthetic patients.

    Raises:
        ConfigError: as `training.detector.sets.training_recordings`.
    """
    return (*training_recordings(data, recipe.data), *synthetic_patients(recipe.synthetic))


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Recordings and where their frames are kept; small, it is sent to the processes."""

    recordings: tuple[Recording, ...]
    cache: Path
    """Where frames are kept."""

    def fold_of(self, recipe: Recipe) -> dict[str, int]:
        """Fold of each real patient: each set of chest recordings, and the negatives, are dealt out apart."""
        sets: dict[tuple[bool, str], list[Recording]] = {}
        for r in self.recordings:
            if not r.is_synthetic:
                sets.setdefault((r.is_negative, "" if r.is_negative else r.dataset), []).append(r)
        dealt = [patient_folds(several, recipe.folds, recipe.split_seed) for several in sets.values()]
        return {patient: fold for folds in dealt for patient, fold in folds.items()}

    def judged(self) -> list[Recording]:
        """Real chest recordings of the sets on which everything is chosen: their shifts and their clips are used."""
        main = main_sets(self.recordings)
        return [r for r in self.recordings if r.is_real_chest and r.dataset in main]

    def held_out(self, recipe: Recipe, fold: int) -> frozenset[str]:
        """Real patients that the network of a fold, or of a shift, never hears.

        Raises:
            ConfigError: for a shift that these recordings cannot have.
        """
        if fold == FINAL:
            return frozenset()
        folds = self.fold_of(recipe)
        if fold < FIRST_SHIFT:
            return frozenset(patient for patient, of in folds.items() if of == fold)
        others = {r.patient for r in self.recordings if r.is_negative and folds[r.patient] == 0}
        return frozenset(self._extreme(recipe, SHIFTS[fold - FIRST_SHIFT]) | others)

    def shifts(self, recipe: Recipe) -> list[int]:
        """Numbers of the recipe's shifts that these recordings can have: age is in the names of SPRSound alone."""
        ages = {r.patient for r in self.judged() if r.age_years >= 0}
        return [FIRST_SHIFT + SHIFTS.index(name) for name in recipe.shifts if name != SHIFTS[0] or len(ages) >= THIRDS]

    def _extreme(self, recipe: Recipe, shift: str) -> set[str]:
        """The third of the chest patients that is youngest, or loudest, by the median of their recordings."""
        measured: dict[str, list[float]] = {}
        main = main_sets(self.recordings)  # the level of another set is that of its stethoscope
        frames: Sequence[NDArray[np.float16]] = self.frames(recipe) if shift != SHIFTS[0] else []
        for index, recording in enumerate(self.recordings):
            is_known = shift != SHIFTS[0] or recording.age_years >= 0
            if not (recording.is_real_chest and recording.dataset in main and is_known):
                continue
            value = -recording.age_years if shift == SHIFTS[0] else float(np.mean(frames[index], dtype=np.float64))
            measured.setdefault(recording.patient, []).append(value)
        if len(measured) < THIRDS:
            raise ConfigError(f"training: {len(measured)} patients of known age, too few for the shift {shift}")
        order = sorted(measured, key=lambda patient: (-float(np.median(measured[patient])), patient))
        return set(order[: len(order) // THIRDS])

    def check_labels(self, recipe: Recipe) -> None:
        """Refuse recordings on which calibration and answers could not be fitted, before anything is trained.

        What is fitted for the patients of a fold comes from those of the others, so two patients need each label.

        Raises:
            ConfigError: naming what is lacking.
        """
        folds = self.fold_of(recipe)
        chest = self.judged()
        for fold in sorted({folds[r.patient] for r in chest}):
            others = [r for r in chest if folds[r.patient] != fold]
            groups = {GROUP_OF[label] for r in others for event in r.events for label in event.labels}
            there = {r.record_label for r in others} | {f"an event with {group} sound" for group in groups}
            lacking = [name for name in _NEEDED if name not in there]
            if lacking:
                raise ConfigError(
                    f"training: without the patients of fold {fold + 1} of {recipe.folds}, no recording of "
                    f"{len(others)} has {', '.join(lacking)}; expected each from two patients or more, see "
                    "`make data-check`. Add recordings, or choose a RECIPE for one task"
                )

    def frames(self, recipe: Recipe) -> FrameStore:
        """(T, M) of each recording."""
        return recording_frames(self.recordings, recipe.features, self.cache)

    def clips(self, recipe: Recipe) -> list[list[NDArray[np.float16]]]:
        """(T, M) of each event of each recording of `judged`."""
        return event_frames(self.judged(), recipe.features, self.cache)

    def stretches(self, recipe: Recipe, fold: int, believed: Mapping[int, Believed] | None = None) -> StretchSampler:
        """What draws from everybody but the patients of one fold.

        Args:
            recipe: what is drawn, and how.
            fold: whose patients are left out.
            believed: what an earlier network says of recordings, by number.
        """
        apart, changes = self.held_out(recipe, fold), Changes(recipe.features, recipe.augment)
        kept = [i for i, r in enumerate(self.recordings) if r.patient not in apart]
        frames, recordings = self.frames(recipe), [self.recordings[i] for i in kept]
        hop_s = recipe.features.hop_samples / recipe.features.rate_hz
        said = believed or {}
        timelines = [
            Timeline(r, recipe.labels, len(frames[i]) * hop_s, said.get(i))
            for i, r in zip(kept, recordings, strict=True)
        ]
        mine = [frames[i] for i in kept]
        return StretchSampler(recordings, mine, timelines, recipe.sequence_frames, changes, recipe.labels)

    def labelled_clips(self, recipe: Recipe, fold: int) -> tuple[list[NDArray[np.float16]], NDArray[np.int64]]:
        """(T, M) of each event of everybody but the patients of one fold, and (n,) its label in `CLIP_LABELS`."""
        apart, names = self.held_out(recipe, fold), TASKS["1-2"].map
        pairs = [
            (frames, CLIP_LABELS.index(names[event.name]))
            for recording, clips in zip(self.judged(), self.clips(recipe), strict=True)
            if recording.patient not in apart
            for event, frames in zip(recording.events, clips, strict=True)
            if event.name in names  # a user's own may be `Crackle`, of unknown kind
        ]
        return [clip for clip, _ in pairs], np.array([label for _, label in pairs], np.int64)


FOLDS = 2
LEAST_PATIENTS = 2 * FOLDS  # of each record label, so that both folds have some
RECORDINGS_TO_A_BATCH = 30  # of SPRSound's 1949 an epoch has 64 batches
RECORDINGS_TO_A_SYNTHETIC = 6  # 1949 beside 300


def trial_changes(limit: int) -> dict[str, Any]:
    """What a trial with so many recordings changes of the recipe, by dotted key."""
    steps, synthetic = -(-limit // RECORDINGS_TO_A_BATCH), -(-limit // RECORDINGS_TO_A_SYNTHETIC)
    alone = {"teachers": 0, "finals": 1, "earlier": ""}
    return {"folds": FOLDS, "shifts": [], **alone, "steps": steps, "synthetic": synthetic}


def few(recordings: Sequence[Recording], limit: int, seed: int) -> tuple[Recording, ...]:
    """Recordings for a trial, in their order; all when there are no more than `limit`.

    Chest recordings of the main set are drawn at random, but some patients of each label are among them, even if that
    makes more than `limit`; of every other set and each kind of other sounds the same share is kept, and at least
    `LEAST_PATIENTS`; synthetic ones all.

    Args:
        recordings: that could be trained on.
        limit: chest recordings of the main set, at least 1.
        seed: of the draw.
    """
    rng, main = np.random.default_rng(seed), main_sets(recordings)
    chest = [r for r in recordings if r.is_real_chest and r.dataset in main]
    if limit >= len(chest):
        return tuple(recordings)
    kept = {r.path for r in draw(chest, limit, LEAST_PATIENTS, rng)}
    kinds: dict[tuple[str, str], list[Recording]] = {}
    for r in recordings:
        if r.is_negative or (r.is_real_chest and r.dataset not in main):
            kinds.setdefault((r.dataset, r.record_label if r.is_negative else ""), []).append(r)
    for _, of_kind in sorted(kinds.items()):
        kept |= {r.path for r in draw(of_kind, round(limit / len(chest) * len(of_kind)), LEAST_PATIENTS, rng)}
    return tuple(r for r in recordings if r.is_synthetic or r.path in kept)
