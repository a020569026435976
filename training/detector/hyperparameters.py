"""Everything that decides a training of the detector, in one frozen record whose hash every checkpoint carries.

Laennec's own recipe. Soft labels of several teachers: Hinton et al. 2015 (1503.02531). A convolutional detector of
0.33 M parameters hears each frame once and decides 0.5 s later; two spectrograms side by side, 64 ms for harmonics and
16 ms for crackles. Official tasks are answered by a linear probe on whole clips and by regressions on streaming
statistics: a clip loss beside the frame loss cost the streams a third of their average precision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edge.errors import ConfigError
from edge.features import FeatureSpec, Log, Mel
from edge.model.specs import ChunkSpec
from training.detector.augment import AugmentSpec
from training.detector.model import STRIDE, NetworkSpec
from training.detector.truth import LabelSpec
from training.loop.learner import LoopSpec
from training.options import (
    EDGE,
    Spec,
    check_known,
    checked,
    dotted_keys,
    merged,
    read_yaml,
    with_changes,
)

LOOP = LoopSpec(
    epochs=12,
    batch=32,
    optimizer="muon",  # learns in 8 epochs what AdamW does in 18
    learning_rate=6e-3,
    weight_decay=0.02,
    schedule="one-cycle",
    warm_up=0.15,
    average=0.99,
    precision="auto",  # bf16 takes two thirds of the time on CPUs that have it, and seven times as long on others
    monitor="",  # the schedule decides when it ends; no held-out patient votes
)


SHIFTS = ("youngest", "loudest")  # thirds of the patients: the least age, the highest level
BEFORE: dict[str, Any] = {  # younger keys, with what a recipe without them did
    "augment": {
        "device": {
            "equaliser": 0.0,
            "equaliser_db": 6.0,
            "heart": 0.0,
            "heart_db": [-15.0, 15.0],
            "high_shelf": 0.0,
            "high_shelf_db": [-5.0, 30.0],
            "high_shelf_hz": [400.0, 800.0],
            "low_shelf": 0.0,
            "low_shelf_db": [-5.0, 40.0],
            "low_shelf_hz": [60.0, 110.0],
            "mix_style": 0.0,
        },
        "infants": 1.0,
    },
    "data": ["sprsound"],
    "earlier": "",
    "finals": 1,
}
RETIRED: dict[
    str, Any
] = {  # keys of what was tried and did not help (TRIALS.md); a recipe has them at these values alone
    "augment": {"clip_mixup": 0.0, "clip_negative": 0.15, "clip_negative_db": [-20.0, 8.0]},
    "clips": 0,
    "losses": {"clip": 0.5, "margin": 0.0, "patch_mix": 0.0, "phase": 0.0, "record": 0.0},
    "network": {"angular": False},
}
RETIRED_YOUNGER: dict[str, Any] = {"losses": {"consistency": 0.0}, "pretraining": 0}  # written only by what used them


@dataclass(frozen=True, slots=True)
class LossSpec:
    """Weights of the losses."""

    soft: float = 0.6
    """Share of the teachers in the targets."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The default model. Chosen on patient-wise validation; the measurements are in training/TRIALS.md."""

    features: Spec = field(
        default_factory=lambda: FeatureSpec(
            rate_hz=8000,
            hop_samples=64,  # 8 ms
            bands=48,
            low_hz=50.0,
            high_hz=2000.0,  # the recordings hold nothing above
            high_pass_hz=110.0,  # wheezes on other stethoscopes: AUC .41 without, .86 with it; at 200 Hz .63
            analysis=Mel(windows_samples=(512, 128), fft_size=512),  # 64 ms parts harmonics, 16 ms shows a crackle
            compression=Log(floor=-105.0),  # dB; just above the noise of 16-bit samples: no model can hear a converter
            offset=(-75.0,),
            scale=(20.0,),
        )
    )
    chunk_frames: int = 60
    """Feature frames that `light` scores at a time, 0.48 s (`training.detector.shipped`)."""
    network: NetworkSpec = field(default_factory=NetworkSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    labels: LabelSpec = field(default_factory=LabelSpec)
    losses: LossSpec = field(default_factory=LossSpec)
    loop: LoopSpec = field(default_factory=lambda: LOOP)
    sequence_frames: int = 600
    """Feature frames in a stretch that the network learns from, 4.8 s; half as many of 9.6 s were clearly worse."""
    steps: int = 64
    """Batches to an epoch."""
    finals: int = 2
    """Networks of all patients; what is shipped is the mean of their logits, and the first of them alone."""
    teachers: int = 2
    """Of the networks of the folds, and of those of earlier runs, so many are drawn at each step, and their answers
    to the same sounds are learnt by the final networks; a fold has those of the earlier runs that never heard its
    patients; 0: there are no teachers."""
    earlier: str = ""
    """Folders of earlier runs on the same recordings, with ':' between them: their folds say what sounds where nobody
    annotated, each of patients whom it never heard, and teach; empty: none."""
    folds: int = 5
    shifts: tuple[str, ...] = SHIFTS
    """Beside the folds of patients: the third of them that is held out because it is unlike the others."""
    data: tuple[str, ...] = ()
    """Sets under DATA whose training recordings are learnt from, by name; empty: all that are there."""
    synthetic: int = 300
    """Synthetic patients of 12 s each that join the training."""
    split_seed: int = 0
    """Which patients are in which fold."""
    seed: int = 0
    """Of weights, batches and augmentation."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained, before anything is."""
        if unknown := sorted(set(self.shifts) - set(SHIFTS)):
            raise ConfigError(f"recipe: shifts = {', '.join(unknown)}, expected some of {', '.join(SHIFTS)}")

    @property
    def chunk(self) -> ChunkSpec:
        """How the edge hears it."""
        return ChunkSpec(self.chunk_frames, self.network.lookahead * STRIDE, STRIDE)

    @property
    def earlier_runs(self) -> tuple[Path, ...]:
        """The folders of `earlier`, the oldest first."""
        return tuple(Path(folder) for folder in self.earlier.split(":") if folder)

    @property
    def frame_s(self) -> float:
        """Seconds to one score frame."""
        return self.features.hop_samples * STRIDE / self.features.rate_hz

    def to_json(self) -> str:
        """Canonical JSON; what is empty is left out, and a younger key that changes nothing."""
        return json.dumps(merged(RETIRED, _younger_left_out(_tree(self), BEFORE)), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: naming the keys that are wrong.
        """
        kept = _without_retired(json.loads(text), merged(RETIRED, RETIRED_YOUNGER))
        return _read(merged(BEFORE, kept), "recipe")

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON, hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


_KIND = TypeAdapter(Recipe)


def _tree(recipe: Recipe) -> dict[str, Any]:
    """A dataclass as plain lists and dictionaries."""
    tree: dict[str, Any] = _KIND.dump_python(recipe, mode="json")
    return tree


def _younger_left_out(tree: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A tree without what is empty, and without younger keys that change nothing."""
    kept = {}
    for key, value in tree.items():
        inner = before.get(key)
        value = _younger_left_out(value, inner) if isinstance(inner, Mapping) else value
        if value != {} and value != inner:
            kept[key] = value
    return kept


def _without_retired(tree: Mapping[str, Any], retired: Mapping[str, Any], parents: str = "") -> dict[str, Any]:
    """A tree without the keys that no recipe has any more.

    Raises:
        ConfigError: for one with another value than it had in the recipes that were shipped.
    """
    kept = dict(tree)
    for key, only in retired.items():
        if isinstance(only, Mapping) and isinstance(kept.get(key), Mapping):
            kept[key] = _without_retired(kept[key], only, f"{parents}{key}.")
        elif (found := kept.pop(key, only)) != only:
            raise ConfigError(
                f"recipe: {parents}{key} = {found}: no longer trained (training/TRIALS.md); expected {only}"
            )
    return kept


def _read(tree: Mapping[str, Any], where: str) -> Recipe:
    recipe = checked(_KIND, tree, where, is_strict=True)
    if unknown := sorted(dotted_keys(tree) - dotted_keys(_tree(recipe))):  # a dataclass of the edge would ignore it
        raise ConfigError(f"{where}: {unknown[0]}: no such key")
    return recipe


def changed(recipe: Recipe, changes: Mapping[str, Any], where: str) -> Recipe:
    """A recipe with some of its numbers replaced.

    Args:
        recipe: to start from.
        changes: values by dotted key, as in `loop.epochs`.
        where: what a message names: a file, or the command line.

    Raises:
        ConfigError: for a key that no recipe has, or a value of another type.
    """
    tree = _tree(recipe)
    check_known(tree, changes, where)
    return _read(with_changes(tree, changes), where)


def load_edge_recipe(name: str = EDGE, changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of the edge, or one of the user's own that changes it.

    Args:
        name: `edge`, or a path to a YAML file with `method: edge` and the changed numbers under `set`.
        changes: by dotted key; they come last.

    Raises:
        ConfigError: naming the file, or the command line, and the key.
    """
    if name == EDGE:
        return changed(Recipe(), changes or {}, "command line")
    tree = read_yaml(Path(name))
    own = tree.get("set") or {}
    if tree.get("method") != EDGE or not isinstance(own, Mapping):
        raise ConfigError(f"{name}: expected a recipe with `method: {EDGE}` and numbers under `set`")
    recipe = changed(Recipe(), own, name)
    return changed(recipe, changes or {}, "command line")
