"""What an artefact is worth on patients that its network never heard: the streaming metrics of `training.judge`.

The network that is shipped was trained on all patients, so nobody is left to judge it on. Its twin of fold 0, trained
with the same recipe without the patients of that fold, goes through the very same path (export, calibration on other
patients, quantization), and the graphs that come out are judged on that fold. Calibration and thresholds are the
shipped ones, a dozen numbers that were chosen on all folds; they are the same for all variants. Not for test sets
(`training.evaluation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edge.backends import Backend
from edge.tracker import GroupSpec
from export.checkpoint import VALIDATED, Checkpoint
from export.parity import LOST
from training.datasets import CLASSES, Recording
from training.evaluation.streaming import Detection, Scored, evaluate
from training.listen import stream_logits
from training.material import Material
from training.recipe import Recipe
from training.targets import frame_targets

RATE = "per hour"  # in the names of metrics that are rates, not shares


@dataclass(frozen=True, slots=True)
class Heldout:
    """Who is heard, and how scores become events."""

    recipe: Recipe
    detection: Detection
    """The shipped thresholds and durations."""
    recordings: tuple[Recording, ...]
    frames: tuple[NDArray[np.float16], ...]
    """(T, M) of each."""

    @classmethod
    def of(cls, checkpoint: Checkpoint, material: Material) -> Heldout:
        """The real recordings of the fold that is validated: chest recordings and negatives."""
        recipe, result, folds = checkpoint.recipe, checkpoint.result, material.fold_of(checkpoint.recipe)
        groups = tuple(GroupSpec(**{**group, "classes": tuple(group["classes"])}) for group in result["groups"])
        hop_samples = recipe.features.hop_samples * recipe.window.score_frames
        detection = Detection(groups, result["thresholds"], hop_samples, recipe.features.rate_hz)
        pairs = zip(material.recordings, material.frames(recipe), strict=True)
        kept = [(r, frames) for r, frames in pairs if not r.is_synthetic and folds[r.patient] == VALIDATED]
        return cls(recipe, detection, tuple(r for r, _ in kept), tuple(frames.copy() for _, frames in kept))

    @property
    def patients(self) -> int:
        """How many have chest recordings among them."""
        return len({r.patient for r in self.recordings if r.is_heard})


class Graph:
    """An artefact in the place of a network in torch, for `training.listen`.

    Args:
        backend: the artefact in its runtime.
    """

    head = SimpleNamespace(out_channels=len(CLASSES))

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def __call__(self, frames: Tensor, valid: Tensor) -> Tensor:
        """(B, W, M) and (B, W) to scores (B, T, C), where a network has logits."""
        return torch.from_numpy(self._backend.run(frames.numpy(), valid.numpy()))


def measure(backend: Backend, heldout: Heldout) -> dict[str, float]:
    """Streaming metrics of one graph on the patients of the fold, by name."""
    network, recipe, scored = Graph(backend), heldout.recipe, []
    for recording, frames in zip(heldout.recordings, heldout.frames, strict=True):
        scores = stream_logits(network, frames, recipe)
        scored.append(Scored(recording, scores, frame_targets(recording, len(scores), recipe.frame_s)))
    events = [heldout.detection.events(one.scores) for one in scored]
    metrics: dict[str, float] = evaluate(scored, events, heldout.detection)
    return metrics


def lost(reference: Mapping[str, float], metrics: Mapping[str, float]) -> list[str]:
    """Metrics that lose more than `LOST`, in words; rates, which are no shares of anything, are not among them."""
    return [
        f"{name} {metrics.get(name, 0.0):.4f} instead of {value:.4f}, at most {LOST} less"
        for name, value in reference.items()
        if RATE not in name and metrics.get(name, 0.0) < value - LOST
    ]
