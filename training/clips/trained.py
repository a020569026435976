"""A finished run of a published method as a `Predictor`: it hears clips and answers its task, and coarser ones.

Not for artefacts of the edge (`training.evaluation.artefact`).
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
from training.clips.front_end import HEARD_AT_ONCE, computed_clip_frames
from training.clips.hear_learners import masked_network
from training.clips.probe import PROBES, Embed, LinearProbe, embedder, pooled
from training.clips.schema import ClassifierRecipe, HearRecipe, parse_recipe
from training.clips.sides import TRAINED_ON
from training.loop import RunFolder, best_device
from training.loop.checkpoint import load
from training.loop.run_folder import spec_differences
from training.metrics.predictions import Predictor, Provenance
from training.tasks import TASKS, Clip, Task, translated, translation


def load_run(path: Path) -> Predictor:
    """The model of a run folder of any recipe of a paper.

    Raises:
        ConfigError: if there is no finished run of this version's features.
    """
    recipe = read_run(path)
    return load_probe(path, recipe) if isinstance(recipe, HearRecipe) else load_classifier(path, recipe)


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
        unknown = np.zeros(len(clips), np.float32)
        held = ClipSet(own, tuple(clips), frames, np.arange(len(clips)), unknown, self._recipe.spec.levels)
        return clip_probabilities(self._network, held, self._device)


def load_classifier(path: Path, recipe: ClassifierRecipe) -> ClipPredictor:
    """The predictor of a finished, or at least once validated, run.

    Raises:
        ConfigError: if the run has no weights yet, or they do not fit its recipe.
    """
    bare = recipe.model_copy(update={"network": recipe.network.model_copy(update={"checkpoint": ""})})
    network = ClipClassifier(bare, [1] * len(TASKS[recipe.task].labels), recipe.frames)
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


class ProbePredictor:
    """A finished run of `hear`.

    Args:
        recipe: of the run.
        embed: from pieces to embeddings.
        probes: by task.
        path: of the run.
    """

    def __init__(self, recipe: HearRecipe, embed: Embed, probes: dict[str, LinearProbe], path: Path) -> None:
        self.name, self.provenance = f"{recipe.name} ({path.name})", provenance(path)
        self._recipe, self._embed, self._probes = recipe, embed, probes

    def predict(self, task: Task, clips: Sequence[Clip]) -> NDArray[np.float32]:
        """(n, L) probabilities.

        Raises:
            ConfigError: if no probe says anything about the task.
        """
        own = self._own(task)
        matrix = None if own is None else translation(own, task)
        if own is None or matrix is None:
            raise ConfigError(f"{self.name}: has probes for {', '.join(self._probes)}, none answers {task.name}")
        embeddings = pooled(clips, self._recipe.clip.seconds, self._embed)
        return np.asarray(self._probes[own.name].probabilities(embeddings) @ matrix, np.float32)

    def note(self, task: Task) -> str:
        """How the answers came about, where no probe is of this task."""
        own = self._own(task)
        return "" if own is None else translated(own, task)

    def _own(self, task: Task) -> Task | None:
        """The task of the probe that answers: its own, else the first whose labels say those of this one."""
        names = sorted(self._probes, key=lambda name: name != task.name)
        return next((TASKS[name] for name in names if translation(TASKS[name], task) is not None), None)


def load_probe(path: Path, recipe: HearRecipe) -> ProbePredictor:
    """The predictor of a finished run of `hear`.

    Raises:
        ConfigError: if it is not finished, or of another version.
    """
    encoder, kept = masked_network(recipe).encoder, load(path / PROBES)
    if kept.keys() != {"encoder", "probes"}:
        raise ConfigError(f"{path / PROBES}: of another version, without the encoder; train again")
    try:
        encoder.load_state_dict(kept["encoder"])
    except RuntimeError:
        raise ConfigError(f"{path / PROBES}: not the encoder that {path / 'run.json'} describes; train again") from None
    probes = {
        task: LinearProbe(**{name: x.numpy() for name, x in numbers.items()})
        for task, numbers in kept["probes"].items()
    }
    return ProbePredictor(recipe, embedder(recipe, encoder.eval()), probes, path)
