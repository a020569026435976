"""Whether an artefact may be written: every bound of `export.parity`, `export.golden` and `export.validation` at once.

Each artefact is opened from the bytes that would be written, in the runtime that is here; those for TensorRT too, whose
int8 and fp16 onnxruntime can execute: that shows that the graph is right, not what a GPU computes with it, which a box
measures for itself (`laennec optimize`). Writes nothing.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from edge.model.backends.onnx import OnnxBackend
from edge.model.model import Model
from edge.model.parity import MIN_COSINE, MIN_TOP1
from edge.types import Event
from export import rtx
from export.build import FP32, KINDS
from export.check import conformance
from export.golden import clips_of, differences, golden_events, golden_sounds, streams_of, with_gaps
from export.parity import LOST, STREAMED, TORCH, ComparisonSet, Distance, distance, from_torch, streamed
from export.streams import of_backend
from training.detector.model import Scorer
from training.metrics.streaming import COLLAR_S

BOUNDS = {
    "torch": TORCH,
    "streamed": STREAMED,
    "cosine": MIN_COSINE,
    "top1": MIN_TOP1,
    "metric": LOST,
    "event_s": COLLAR_S,
}


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


def golden_comparison(model: Model) -> ComparisonSet:
    """The golden sounds to compare artefacts on: for a clean clone, without recordings."""
    sounds = golden_sounds(model.rate_hz)
    return ComparisonSet(streams_of(sounds, model.spec), clips_of(sounds, model.spec), "golden sounds")


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
