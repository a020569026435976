"""How well the artefacts detect on held-out patients: the streaming metrics of `training.metrics.streaming`.

The network that is shipped was trained on all patients, so nobody is left to validate it on. The cross-validation
networks, trained by the same recipe without the patients of one fold each, go through the very same export: calibrated
on other patients, quantized alike. Their graphs score the patients of their fold, and the folds are pooled, as in the
training: one fold has some fifty events of a kind, and two of them more or less are a point of F1. Calibration and
thresholds are those of the training, a dozen numbers that were chosen on all folds; they are the same for all variants,
and for a model that is the mean of several networks, of which a fold has one. Not for test sets
(`training.evaluation`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from edge.model.backends.onnx import OnnxBackend
from edge.model.specs import GroupSpec
from export.build import heard_sample, make
from export.checkpoint import Checkpoint
from export.parity import LOST
from export.streams import Sound, of_backend
from training.datasets import Recording
from training.datasets.targets import frame_targets
from training.detector.hyperparameters import Recipe
from training.loop.processes import side_by_side
from training.metrics.streaming import Detection, ScoredRecording, evaluate

RATE = "per hour"  # in the names of metrics that are rates, not shares


@dataclass(frozen=True, slots=True)
class HeldoutFold:
    """One fold: the patients that its network was not trained on."""

    fold: int
    calibration: tuple[Sound, ...]
    """Recordings of other patients; what the int8 ranges of this network are measured on."""
    recordings: tuple[Recording, ...]
    """Chest recordings of the patients of the fold."""
    sounds: tuple[Sound, ...]
    """The frames of each."""


def validate(
    checkpoint: Checkpoint, folds: Sequence[HeldoutFold], names: Sequence[str], how: str
) -> dict[str, dict[str, float]]:
    """Streaming metrics of each variant over all folds, by name.

    Args:
        checkpoint: with the networks of the folds.
        folds: held-out patients of each fold; scored side by side, one process for each core.
        names: variants.
        how: the way to int8 for TensorRT, `export.build.PTQ` or `QAT`.
    """
    workers = min(os.cpu_count() or 1, len(folds))
    with side_by_side(workers) as pool:
        running = [pool.submit(score_fold, checkpoint, fold, names, how) for fold in folds]
        scored = [one.result() for one in running]
    recordings = [recording for fold in folds for recording in fold.recordings]
    pooled = {name: [scores for fold in scored for scores in fold[name]] for name in names}
    return {name: measure(checkpoint, recordings, scores) for name, scores in pooled.items()}


def score_fold(
    checkpoint: Checkpoint, fold: HeldoutFold, names: Sequence[str], how: str
) -> dict[str, list[NDArray[np.float32]]]:
    """(T, C) scores of each recording of a fold, by each variant of the network trained without its patient."""
    torch.set_num_threads(1)
    scorer, metadata = checkpoint.scorer(f"fold-{fold.fold}"), checkpoint.metadata()
    sealed = make(scorer, metadata, heard_sample(scorer, metadata, fold.calibration), names, how)
    heard = {
        name: of_backend(OnnxBackend(content), metadata.chunk).hear(fold.sounds) for name, content in sealed.items()
    }
    return {name: [one.scores for one in each] for name, each in heard.items()}


def measure(
    checkpoint: Checkpoint, recordings: Sequence[Recording], scores: Sequence[NDArray[np.float32]]
) -> dict[str, float]:
    """Streaming metrics of (T, C) scores of recordings, with the shipped thresholds and durations."""
    recipe, result = checkpoint.recipe, checkpoint.result
    groups = tuple(GroupSpec(**{**group, "classes": tuple(group["classes"])}) for group in result["groups"])
    hop_samples = recipe.features.hop_samples * recipe.chunk.score_frames
    detection = Detection(groups, result["thresholds"], hop_samples, recipe.features.rate_hz)
    scored = [_scored(*pair, recipe) for pair in zip(recordings, scores, strict=True)]
    metrics: dict[str, float] = evaluate(scored, [detection.events(one.scores) for one in scored], detection)
    return metrics


def lost(reference: Mapping[str, float], metrics: Mapping[str, float]) -> list[str]:
    """Metrics that lose more than `LOST`, in words; rates, which are no shares of anything, are not among them.

    Args:
        reference: of the fp32 artefact.
        metrics: of another.
    """
    return [
        f"{name} {metrics.get(name, 0.0):.4f} instead of {value:.4f}, at most {LOST} less"
        for name, value in reference.items()
        if RATE not in name and metrics.get(name, 0.0) < value - LOST
    ]


def _scored(recording: Recording, scores: NDArray[np.float32], recipe: Recipe) -> ScoredRecording:
    return ScoredRecording(recording, scores, frame_targets(recording, len(scores), recipe.frame_s))
