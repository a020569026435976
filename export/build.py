"""One network as all of its artefacts, and how int8 is come by. Judges nothing (`export.judging`).

network -> fp32 -> trt-fp16
                -> cpu-int8
        -> trt-int8 (ranges, or ranges and a training) -> trt-int8-fp16
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import onnx

from edge.model import Variant
from export.calibration import Sample
from export.onnx import Metadata, to_artefact, to_graph, versions, weights_sha256
from export.precision import to_fp16
from training.network import Scorer

FP32 = "fp32"
PTQ, QAT = "ptq", "qat"
_TORCH = ("torch", "onnx", "onnxscript")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a variant is."""

    runtime: str
    precision: str
    packages: tuple[str, ...]
    """That make it."""

    @property
    def is_int8(self) -> bool:
        """Whether ranges were measured for it."""
        return "int8" in self.precision


KINDS = {
    FP32: Kind("onnxruntime", "fp32", _TORCH),
    "cpu-int8": Kind("onnxruntime", "int8", (*_TORCH, "onnxruntime")),
    "trt-fp16": Kind("tensorrt", "fp16", (*_TORCH, "onnxconverter-common")),
    "trt-int8": Kind("tensorrt", "int8", (*_TORCH, "torchao")),
    "trt-int8-fp16": Kind("tensorrt", "int8+fp16", (*_TORCH, "torchao", "onnxconverter-common")),
}
TRT_INT8 = ("trt-int8", "trt-int8-fp16")


def graphs(scorer: Scorer, metadata: Metadata, sample: Sample | None) -> dict[str, onnx.ModelProto]:
    """The graphs of a network by variant, int8 from ranges alone; without a sample none of them is int8."""
    fp32 = to_graph(scorer, metadata)
    made = {FP32: fp32, "trt-fp16": to_fp16(fp32)}
    if sample is not None:
        from export.quantize_cpu import quantize_cpu

        made |= {"cpu-int8": quantize_cpu(fp32, sample)}
        made |= tensorrt_int8(scorer, metadata, sample, PTQ)
    return {name: made[name] for name in KINDS if name in made}


def tensorrt_int8(scorer: Scorer, metadata: Metadata, sample: Sample, how: str) -> dict[str, onnx.ModelProto]:
    """The int8 graphs for TensorRT.

    Args:
        scorer: the network.
        metadata: with the window.
        sample: what ranges are measured on, and what it is trained on.
        how: `PTQ` or `QAT`.
    """
    from export.quantize import quantize, train_quantized

    int8 = to_graph((train_quantized if how == QAT else quantize)(scorer, sample), metadata)
    return {"trt-int8": int8, "trt-int8-fp16": to_fp16(int8)}


def artefacts(
    made: Mapping[str, onnx.ModelProto], metadata: Metadata, scorer: Scorer, sample: Sample | None
) -> dict[str, bytes]:
    """Sealed artefacts by variant; each but fp32 names the fp32 one as its parent.

    Args:
        made: graphs by variant, fp32 first.
        metadata: what all carry.
        scorer: whose weights they are.
        sample: what int8 ranges were measured on.
    """
    checkpoint = weights_sha256(scorer.detector)
    record = sample.record() if sample is not None else None
    sealed: dict[str, bytes] = {}
    for name, graph in made.items():
        kind = KINDS[name]
        parent = hashlib.sha256(sealed[FP32]).hexdigest() if name != FP32 else ""
        calibration = record if kind.is_int8 else None
        variant = Variant(name, kind.runtime, kind.precision, parent, checkpoint, calibration, versions(*kind.packages))
        sealed[name] = to_artefact(graph, metadata, variant)
    return sealed
