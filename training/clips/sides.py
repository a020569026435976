"""From recordings to the two sides of one training: patients to learn from, patients to validate on, never a test set.

Not for what is learnt from them (`training.clips.train`). The patients of one fold of the training part validate;
which recordings and patients were learnt from is written into the run folder, so that an evaluation can say so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.errors import ConfigError
from training.clips.batches import ClipSet
from training.clips.front_end import cached_clip_frames, clip_quality
from training.clips.schema import ClassifierRecipe, HearRecipe, Validation
from training.datasets import Recording, check_apart, fingerprint, patient_folds, read_datasets
from training.loop.checkpoint import whole_file
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


def sides_of(recipe: ClassifierRecipe | HearRecipe, data: Path) -> Sides:
    """What a recipe learns from: of its task's data set the training part; `hear` all of them, and the negatives.

    Raises:
        ConfigError: if there is none, or it cannot be parted.
    """
    if isinstance(recipe, HearRecipe):
        found = [r for r in read_datasets(data) if r.split == "train" and (r.is_real_chest or r.is_negative)]
        lacking = "no recordings of a training part; expected sprsound, icbhi or negatives"
    else:
        dataset = TASKS[recipe.task].dataset
        found = [r for r in read_datasets(data, [dataset]) if r.split == "train" and r.is_real_chest]
        lacking = f"{dataset} has no recordings of its training part; task {recipe.task} needs them"
    if not found:
        raise ConfigError(f"DATA={data}: {lacking}")
    return part(found, recipe.validation)


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


def tasks_of(recipe: ClassifierRecipe | HearRecipe, sides: Sides) -> list[Task]:
    """The tasks that a recipe learns to answer: a classifier its own, `hear` those whose data set is there."""
    if not isinstance(recipe, HearRecipe):
        return [TASKS[recipe.task]]
    there = {r.dataset for r in sides.training}
    return [TASKS[name] for name in recipe.probe.tasks if TASKS[name].dataset in there]


def side_clips(recipe: ClassifierRecipe | HearRecipe, task: Task, sides: Sides) -> tuple[list[Clip], list[Clip]]:
    """A task's clips to learn from, and those that validate; in a trial of a classifier these are a fifth of them."""
    training, validation = (task.clips(list(side)) for side in (sides.training, sides.validation))
    if isinstance(recipe, HearRecipe):
        return some(recipe, training), some(recipe, validation)
    if not recipe.limit:
        return training, validation
    return (
        limited(training, max(1, recipe.limit * 4 // 5), recipe.seed),
        limited(validation, max(1, recipe.limit // 5), recipe.seed),
    )


def clip_sets(recipe: ClassifierRecipe, sides: Sides, cache: Path) -> tuple[ClipSet, ClipSet]:
    """Clips of both sides with their frames.

    Raises:
        ConfigError: if a label has no training clip, a recording does not decode, or the disk is full.
    """
    task = TASKS[recipe.task]
    training, validation = side_clips(recipe, task, sides)
    clips, count = [*training, *validation], len(training)
    frames = cached_clip_frames(clips, recipe.features, recipe.clip.of(task), cache)
    quality = np.zeros(len(clips), np.float32)
    if any(loss.kind == "dfam" for loss in recipe.losses):
        quality = clip_quality(clips, count, recipe.spec.rate_hz, cache)
    sets = []
    for low, high in ((0, count), (count, len(clips))):
        rows = np.arange(low, high)[frames.lengths[low:high] > 0]
        sets.append(ClipSet(task, tuple(clips[i] for i in rows), frames, rows, quality[rows], recipe.spec.levels))
    task.check_examples(sets[0].clips)  # again: some may not have decoded
    if not sets[1].clips:
        raise ConfigError(f"task {task.name}: the validation patients have no clip; choose another validation.fold")
    return sets[0], sets[1]


def some(recipe: HearRecipe, clips: Sequence[Clip]) -> list[Clip]:
    """All clips, or those of a trial."""
    return limited(clips, recipe.limit, recipe.seed) if recipe.limit else list(clips)


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
