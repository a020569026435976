"""What networks are trained and judged on: recordings, their frames and clips, and who is in which fold.

Not for drawing from it (`training.detector.examples`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets import Recording, patient_folds, read_negatives, read_sprsound
from training.datasets.records import RECORD_LABELS
from training.datasets.targets import frame_targets
from training.detector.augment import Changes
from training.detector.examples import ClipSampler, WindowSampler
from training.detector.hyperparameters import Recipe
from training.detector.stored_frames import event_frames, recording_frames
from training.detector.virtual_patients import synthetic_patients
from training.metrics.streaming import GROUP_OF
from training.tasks import CLIP_LABELS, TASKS

FINAL = -1  # the "fold" that leaves nobody out

_NEEDED = (*RECORD_LABELS, "an event with continuous sound", "an event with discontinuous sound")


def read_recordings(data: Path, recipe: Recipe) -> tuple[Recording, ...]:
    """SPRSound's training set, the negatives if they are there, and the synthetic patients.

    Raises:
        ConfigError: if the folder holds no SPRSound training set.
    """
    train = data / "sprsound" / "train"
    if not train.is_dir():
        raise ConfigError(
            f"DATA={data}: expected a folder with sprsound/train in it, found none; see training/README.md"
        )
    return (*read_sprsound(train), *read_negatives(data / "negatives"), *synthetic_patients(recipe.synthetic))


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Recordings and where their frames are kept; small, it is sent to the processes."""

    recordings: tuple[Recording, ...]
    cache: Path
    """Where frames are kept."""

    def fold_of(self, recipe: Recipe) -> dict[str, int]:
        """Fold of each real patient: chest recordings and negatives are dealt out apart."""
        real = [r for r in self.recordings if not r.is_synthetic]
        folds = patient_folds([r for r in real if not r.is_negative], recipe.folds, recipe.split_seed)
        return folds | patient_folds([r for r in real if r.is_negative], recipe.folds, recipe.split_seed)

    def check_labels(self, recipe: Recipe) -> None:
        """Refuse recordings on which calibration and answers could not be fitted, before anything is trained.

        What is fitted for the patients of a fold comes from those of the others, so two patients need each label.

        Raises:
            ConfigError: naming what is lacking.
        """
        folds = self.fold_of(recipe)
        chest = [r for r in self.recordings if r.is_real_chest]
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

    def frames(self, recipe: Recipe) -> list[NDArray[np.float16]]:
        """(T, M) of each recording."""
        return recording_frames(self.recordings, recipe.features, self.cache)

    def clips(self, recipe: Recipe) -> list[list[NDArray[np.float16]]]:
        """(T, M) of each event of each recording; none of synthetic patients."""
        return event_frames([r for r in self.recordings if r.is_real_chest], recipe.features, self.cache)

    def samplers(self, recipe: Recipe, fold: int) -> tuple[WindowSampler, ClipSampler]:
        """What draws from everybody but the patients of one fold.

        Raises:
            ConfigError: if a label has no example in all recordings.
        """
        folds, changes = self.fold_of(recipe), Changes(recipe.features, recipe.augment)
        kept = [i for i, r in enumerate(self.recordings) if fold == FINAL or folds.get(r.patient) != fold]
        frames, recordings = self.frames(recipe), [self.recordings[i] for i in kept]
        targets = [
            frame_targets(r, len(frames[i]) // recipe.window.score_frames + 1, recipe.frame_s)
            for i, r in zip(kept, recordings, strict=True)
        ]
        windows = WindowSampler(recordings, [frames[i] for i in kept], targets, recipe.window, changes)
        sources = [r for r in self.recordings if r.is_real_chest]
        pairs = [
            (frames, CLIP_LABELS.index(TASKS["1-2"].map[event.name]))
            for recording, clips in zip(sources, self.clips(recipe), strict=True)
            if fold == FINAL or folds[recording.patient] != fold
            for event, frames in zip(recording.events, clips, strict=True)
        ]
        labels = np.array([label for _, label in pairs], np.int64)
        missing = [name for i, name in enumerate(CLIP_LABELS) if not (labels == i).any()]
        if missing and recipe.clips and fold == FINAL:  # two patients have all stridors: a fold may lack them
            raise ConfigError(f"training: no event labelled {', '.join(missing)}; add recordings, or set clips to 0")
        return windows, ClipSampler([clip for clip, _ in pairs], labels, windows, changes)
