"""A finished run of a classifier as a `Predictor`: it hears clips and answers its task, and coarser ones.

A model of a task answers another one when each of its labels means one label there: 1-2 answers 1-1 and all tasks of
ICBHI, 2-2 answers 2-1, icbhi-4 answers icbhi-2 and 1-1 and `ood` (its labels on SPRSound). Which label means which says
`training.tasks.members`, and a table says it too (`translated`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.clips.batches import ClipSet, clip_probabilities
from training.clips.classifier import ClipClassifier
from training.clips.experiment import TRAINED_ON, full_frames
from training.clips.front_end import computed_clip_frames
from training.clips.schema import ClassifierRecipe, HearRecipe, parse_recipe
from training.loop import RunFolder, best_device
from training.loop.checkpoint import load
from training.loop.run_folder import spec_differences
from training.metrics.predictions import Provenance
from training.tasks import TASKS, Clip, Task, members

HEARD_AT_ONCE = 512  # clips whose frames are in memory together


class ClipPredictor:
    """One trained classifier.

    Args:
        recipe: of the run.
        network: with the kept weights, in evaluation mode.
        provenance: what it was trained on.
        name: what tables call it.
    """

    def __init__(self, recipe: ClassifierRecipe, network: ClipClassifier, provenance: Provenance, name: str) -> None:
        self.name, self.provenance = name, provenance
        self._recipe, self._network = recipe, network
        self._device = best_device()
        self._network.to(self._device)

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L) probability of each of the task's labels for each clip.

        Raises:
            ConfigError: if the run's task says nothing about this one, or a recording does not decode.
        """
        own = TASKS[self._recipe.task]
        matrix = translation(own, task)
        if matrix is None:
            raise ConfigError(
                f"{self.name}: trained for task {own.name}, whose labels do not say those of {task.name}; train a run "
                "for it"
            )
        parts = [self._own(own, clips[start : start + HEARD_AT_ONCE]) for start in range(0, len(clips), HEARD_AT_ONCE)]
        answers = np.concatenate(parts) if parts else np.zeros((0, len(own.labels)), np.float32)
        return np.asarray(answers @ matrix, np.float32)

    def note(self, task: Task) -> str:
        """How the answers came about, where the run was trained for another task."""
        return translated(TASKS[self._recipe.task], task)

    def _own(self, own: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        frames = computed_clip_frames(clips, self._recipe.features, self._recipe.clip.of(own))
        if not frames.lengths.all():
            first = clips[int(np.flatnonzero(frames.lengths == 0)[0])]
            raise ConfigError(f"{first.recording.path}: does not decode; remove it or fetch it again")
        bands = next(iter(self._recipe.features.values())).levels
        unknown = np.zeros(len(clips), np.float32)
        held = ClipSet(own, tuple(clips), frames, np.arange(len(clips)), unknown, bands)
        return clip_probabilities(self._network, held, self._device)


def translation(own: Task, asked: Task) -> NDArray[np.float32] | None:
    """(L, L') from the labels of one task to those of another; None where a label would mean several, or none."""
    if own.unit != asked.unit:
        return None
    mine, theirs = members(own), members(asked)
    fits = np.array([[set(mine[label]) <= set(theirs[other]) for other in asked.labels] for label in own.labels])
    return fits.astype(np.float32) if (fits.sum(axis=1) == 1).all() else None


def coarser_tasks(own: Task) -> dict[str, NDArray[np.float32]]:
    """Other tasks on the same clips that the answers to this one answer, as 2-1 by 2-2, each with its `translation`.

    Not of ICBHI, whose two classes are read off what was decided in four.
    """
    same = [t for t in TASKS.values() if t.dataset == own.dataset and t.map.keys() == own.map.keys()]
    others = [t for t in same if t is not own and t.dataset != "icbhi"]
    found = {task.name: translation(own, task) for task in others}
    return {name: matrix for name, matrix in found.items() if matrix is not None}


def translated(own: Task, asked: Task) -> str:
    """What a table says of it; empty where nothing was translated."""
    matrix = translation(own, asked)
    if matrix is None or own.labels == asked.labels:
        return ""
    means = [
        f"{other} = {' or '.join(label for label, fits in zip(own.labels, column, strict=True) if fits)}"
        for other, column in zip(asked.labels, matrix.T, strict=True)
    ]
    return f"from the answers to {own.name}: {'; '.join(means)}"


def load_classifier(path: Path, recipe: ClassifierRecipe) -> ClipPredictor:
    """The predictor of a finished, or at least once validated, run.

    Raises:
        ConfigError: if the run has no weights yet, or they do not fit its recipe.
    """
    task = TASKS[recipe.task]
    spec = next(iter(recipe.features.values()))
    bare = recipe.model_copy(update={"network": recipe.network.model_copy(update={"checkpoint": ""})})
    network = ClipClassifier(bare, [1] * len(task.labels), full_frames(recipe.clip.of(task), spec))
    try:
        network.load_state_dict(load(path / "best.pt")["network"])
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}/best.pt: does not fit the run's recipe ({reason}); train again") from None
    return ClipPredictor(recipe, network.eval(), provenance(path), f"{recipe.name} ({path.name})")


def provenance(path: Path) -> Provenance:
    """What a run was trained on, as it says itself."""
    try:
        content = json.loads((path / TRAINED_ON).read_text())
        return Provenance(frozenset(content["recordings"]), frozenset(content["patients"]), str(content["fingerprint"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path / TRAINED_ON}: not readable ({error!r}); train again") from None


def read_run(path: Path) -> ClassifierRecipe | HearRecipe:
    """The recipe of a run folder, when this version computes the features that it was trained on.

    Raises:
        ConfigError: if it is no run, or its feature specs are others here.
    """
    identity = RunFolder(path).identity()
    recipe = parse_recipe(identity.recipe, str(path / "run.json"))
    now = {name: spec.sha256 for name, spec in recipe.features.items()}
    differences = spec_differences(identity.specs, now)
    if differences:
        raise ConfigError(f"{path}: trained with {'; '.join(differences)}; train again with this version")
    return recipe
