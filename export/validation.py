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

import torch
from torch import Tensor

from edge.backends import Backend
from edge.tracker import GroupSpec
from export.checkpoint import VALIDATED, Checkpoint
from export.parity import LOST
from training.datasets import CLASSES
from training.evaluation.streaming import Detection, Scored, evaluate
from training.listen import stream_logits
from training.material import Material
from training.targets import frame_targets

RATE = "per hour"  # in the names of metrics that are rates, not shares


@dataclass(frozen=True, slots=True)
class Heldout:
    """Who is heard."""

    indices: tuple[int, ...]
    """Places in the material's recordings."""
    patients: int

    @classmethod
    def of(cls, checkpoint: Checkpoint, material: Material) -> Heldout:
        """The real recordings of the fold that is validated: chest recordings and negatives."""
        folds = material.fold_of(checkpoint.recipe)
        real = [(i, r) for i, r in enumerate(material.recordings) if not r.is_synthetic]
        kept = [(i, r) for i, r in real if folds[r.patient] == VALIDATED]
        return cls(tuple(i for i, _ in kept), len({r.patient for _, r in kept if r.is_heard}))


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


def measure(backend: Backend, checkpoint: Checkpoint, material: Material, heldout: Heldout) -> dict[str, float]:
    """Streaming metrics of one graph on the patients of the fold, by name."""
    recipe, result = checkpoint.recipe, checkpoint.result
    groups = tuple(GroupSpec(**{**group, "classes": tuple(group["classes"])}) for group in result["groups"])
    hop = recipe.features.hop_samples * recipe.window.score_frames
    detection = Detection(groups, result["thresholds"], hop, recipe.features.rate_hz)
    frames, network = material.frames(recipe), Graph(backend)
    scored = []
    for index in heldout.indices:
        recording = material.recordings[index]
        scores = stream_logits(network, frames[index], recipe)
        scored.append(Scored(recording, scores, frame_targets(recording, len(scores), recipe.frame_s)))
    metrics: dict[str, float] = evaluate(scored, [detection.events(s.scores) for s in scored], detection)
    return metrics


def lost(reference: Mapping[str, float], metrics: Mapping[str, float]) -> list[str]:
    """Metrics that lose more than `LOST`, in words; rates, which are no shares of anything, are not among them."""
    return [
        f"{name} {metrics.get(name, 0.0):.4f} instead of {value:.4f}, at most {LOST} less"
        for name, value in reference.items()
        if RATE not in name and metrics.get(name, 0.0) < value - LOST
    ]
