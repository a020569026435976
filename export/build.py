"""One network as all of its artefacts, and how each is made int8. Tests nothing (`export.acceptance`).

network -> fp32 -> trt-fp16
                -> cpu-int8
        -> trt-int8 (ranges, or ranges and a training) -> trt-int8-fp16
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx

from edge.model.specs import Variant
from export.calibration import Sample, sample_of
from export.graph import Metadata, to_artefact, to_fp16, to_graph, versions, weights_sha256
from export.parity import Sound, of_torch
from training.detector.model import Scorer

FP32 = "fp32"
PTQ, QAT = "ptq", "qat"
SAMPLE_SEED = 1  # which chunks of the recordings
_TORCH = ("torch", "onnx", "onnxscript")


@dataclass(frozen=True, slots=True)
class Kind:
    """Runtime and precision of a variant."""

    runtime: str
    precision: str
    packages: tuple[str, ...]
    """Packages that make it; their versions go into the metadata."""

    @property
    def is_int8(self) -> bool:
        """Whether ranges were measured for it."""
        return "int8" in self.precision


KINDS = {
    FP32: Kind("onnxruntime", "fp32", _TORCH),
    "cpu-int8": Kind("onnxruntime", "int8", (*_TORCH, "onnxruntime")),
    "trt-fp16": Kind("tensorrt", "fp16", _TORCH),
    "trt-int8": Kind("tensorrt", "int8", (*_TORCH, "torchao")),
    "trt-int8-fp16": Kind("tensorrt", "int8+fp16", (*_TORCH, "torchao")),
}
TRT_INT8 = ("trt-int8", "trt-int8-fp16")


def heard_sample(scorer: Scorer, metadata: Metadata, sounds: Sequence[Sound]) -> Sample:
    """What the int8 ranges of a network are measured on: chunks of sounds, with the states that it has before them."""
    return sample_of(of_torch(scorer, scorer.state_size, metadata.chunk), sounds, SAMPLE_SEED)


def make(
    scorer: Scorer, metadata: Metadata, sample: Sample | None, names: Sequence[str], how: str = PTQ
) -> dict[str, bytes]:
    """The sealed artefacts of a network, by variant.

    Args:
        scorer: the network.
        metadata: what all carry.
        sample: what int8 ranges are measured on; None when no variant is int8.
        names: variants, fp32 among them.
        how: the way to int8 for TensorRT, `PTQ` or `QAT`.
    """
    return artefacts(graphs(scorer, metadata, sample, names, how), metadata, scorer, sample)


def graphs(
    scorer: Scorer, metadata: Metadata, sample: Sample | None, names: Sequence[str], how: str = PTQ
) -> dict[str, onnx.ModelProto]:
    """The graphs of a network by variant, in the order of `KINDS`; arguments as for `make`."""
    made = {FP32: to_graph(scorer, scorer.state_size, metadata)}
    if "trt-fp16" in names:
        made["trt-fp16"] = to_fp16(made[FP32])
    if sample is not None and "cpu-int8" in names:
        from export.quantize import quantize_cpu

        made["cpu-int8"] = quantize_cpu(made[FP32], sample)
    if sample is not None and set(TRT_INT8) & set(names):
        from export.quantize import quantize, train_quantized

        program = (train_quantized if how == QAT else quantize)(scorer, sample)
        made["trt-int8"] = to_graph(program, scorer.state_size, metadata)
        made["trt-int8-fp16"] = to_fp16(made["trt-int8"])
    return {name: made[name] for name in KINDS if name in names}


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
