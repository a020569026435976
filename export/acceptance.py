"""Whether an artefact may be written: every bound of `export.parity` and the accuracy on held-out patients, at once.

Each artefact is opened from the bytes that would be written, in the runtime that is here; those for TensorRT too, whose
int8 and fp16 onnxruntime can execute: that shows that the graph is right, not what a GPU computes with it, which
`make test-gpu` measures on a box. Writes nothing.

Accuracy is that of the streaming metrics of `training.metrics.streaming`. The network that is shipped was trained on
all patients, so nobody is left to validate it on. The cross-validation networks, trained by the same recipe without the
patients of one fold each, go through the very same export: calibrated on other patients, quantized alike. Their graphs
score the patients of their fold, and the folds are pooled, as in the training: one fold has some fifty events of a
kind, and two of them more or less are a point of F1. Calibration and thresholds are those of the training, a dozen
numbers that were chosen on all folds; they are the same for all variants, and for a model that is the mean of several
networks, of which a fold has one. Not for test sets (`training.evaluation`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from edge.model.backends.onnx import OnnxBackend
from edge.model.model import Model
from edge.model.specs import GroupSpec
from edge.types import Event
from export import rtx
from export.artefacts import FP32, KINDS, calibration_sample, conformance, make
from export.checkpoint import Checkpoint
from export.comparison import MIN_COSINE, MIN_TOP1
from export.parity import (
    LOST,
    STREAMED,
    TORCH,
    ComparisonSet,
    Distance,
    differences,
    distance,
    from_torch,
    golden_comparison,
    golden_events,
    golden_sounds,
    streamed,
    streams_of,
    with_gaps,
)
from export.recordings import HeldoutFold
from export.streams import of_backend
from training.datasets import Recording
from training.datasets.targets import frame_targets
from training.detector.hyperparameters import Recipe
from training.detector.model import Scorer
from training.loop.processes import side_by_side
from training.metrics.streaming import COLLAR_S, Detection, ScoredRecording, evaluate

BOUNDS = {
    "torch": TORCH,
    "streamed": STREAMED,
    "cosine": MIN_COSINE,
    "top1": MIN_TOP1,
    "metric": LOST,
    "event_s": COLLAR_S,
}
RATE = "per hour"  # in the names of metrics that are rates, not shares


@dataclass(frozen=True, slots=True)
class ArtefactResult:
    """One artefact, what was measured of it, and the bounds that it breaks."""

    name: str
    sha256: str
    size: int
    """Bytes."""
    operations: dict[str, int]
    """Nodes of each kind."""
    distance: Distance | None
    """From the fp32 artefact; None for that one itself."""
    torch: float | None
    """Largest difference to torch, at once and in steps; of the fp32 artefact alone."""
    streamed: float
    """Largest difference between the scores that the edge streams and those of the comparison."""
    golden: list[str]
    """Golden sounds whose events differ from those of the fp32 artefact."""
    built: str
    """Whether NVIDIA's parser and builder take it, in words, or why they were not asked."""
    failed: list[str]
    """Bounds and rules that it does not keep."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the cross-validation networks, on the patients that they were not trained on; empty without recordings."""


class Acceptance:
    """Acceptance tests of the artefacts of one checkpoint.

    Args:
        scorer: the network that was exported.
        fp32: its fp32 artefact.
        comparison: sounds to compare on; None for the golden ones, when there are no recordings.
    """

    def __init__(self, scorer: Scorer, fp32: bytes, comparison: ComparisonSet | None) -> None:
        self._scorer, backend = scorer, OnnxBackend(fp32)
        self._model = Model(fp32, backend)
        self._network = of_backend(backend, self._model.chunk)
        self._sounds = golden_sounds(self._model.rate_hz)
        self.comparison = comparison or golden_comparison(self._model)
        self._events: list[list[Event]] = [golden_events(self._model, sound) for sound in self._sounds]

    def check(self, name: str, content: bytes) -> ArtefactResult:
        """Measure one artefact and test it against every bound but accuracy.

        Args:
            name: of the variant.
            content: of the artefact.
        """
        backend = OnnxBackend(content)
        model, graph = Model(content, backend), onnx.load_from_string(content)
        is_fp32, network = name == FP32, of_backend(backend, model.chunk)
        torch_distance = from_torch(self._scorer, network, with_gaps(self._sounds, model.spec)) if is_fp32 else None
        apart = None if is_fp32 else distance(self._network, network, self.comparison, self._model)
        first = self._sounds[:1]
        between = streamed(model, network, first[0].samples, *streams_of(first, model.spec))
        golden = [] if is_fp32 else self._golden(model)
        built, refused = _build(name, content)
        failed = [*conformance(graph, name), *refused, *(apart.failed() if apart else ())]
        if torch_distance is not None and not torch_distance <= TORCH:
            failed.append(f"torch: answers differ by {torch_distance:.2g}, at most {TORCH}")
        if not between <= STREAMED:
            failed.append(f"scores of the edge and of the comparison differ by {between:.2g}, at most {STREAMED}")
        failed += [f"golden sound {difference}" for difference in golden]
        sha256, kinds = hashlib.sha256(content).hexdigest(), dict(Counter(n.op_type for n in graph.graph.node))
        return ArtefactResult(name, sha256, len(content), kinds, apart, torch_distance, between, golden, built, failed)

    def _golden(self, model: Model) -> list[str]:
        return [
            f"{sound.name}: {difference}"
            for sound, expected in zip(self._sounds, self._events, strict=True)
            for difference in differences(expected, golden_events(model, sound), model.rate_hz)
        ]


def _build(name: str, content: bytes) -> tuple[str, list[str]]:
    """Whether NVIDIA's builder takes an artefact for TensorRT, in words, and the bound that it breaks if not."""
    if KINDS[name].runtime != "tensorrt":
        return "not for TensorRT", []
    if not rtx.available():
        return f"not asked: {rtx.PACKAGE} is not installed", []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        path.write_bytes(content)
        verdict = rtx.try_build(path)
    if verdict.built:
        return f"built by TensorRT-RTX {verdict.version} for {', '.join(verdict.architectures)}", []
    return "refused", [f"TensorRT-RTX refuses it: {verdict.reason}"]


def validate(
    checkpoint: Checkpoint, folds: Sequence[HeldoutFold], names: Sequence[str], how: str
) -> dict[str, dict[str, float]]:
    """Streaming metrics of each variant over all folds, by name.

    Args:
        checkpoint: with the networks of the folds.
        folds: held-out patients of each fold; scored side by side, one process for each core.
        names: variants.
        how: the way to int8 for TensorRT, `export.artefacts.PTQ` or `QAT`.
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
    sealed = make(scorer, metadata, calibration_sample(scorer, metadata, fold.calibration), names, how)
    scored = {
        name: of_backend(OnnxBackend(content), metadata.chunk).score(fold.sounds) for name, content in sealed.items()
    }
    return {name: [one.scores for one in each] for name, each in scored.items()}


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
