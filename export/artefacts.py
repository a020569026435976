"""One network as all of its artefacts: the graphs, what the edge must know beside them, and the seal.

    network -> fp32 -> trt-fp16
                    -> cpu-int8
            -> trt-int8 (ranges, or ranges and a training) -> trt-int8-fp16

Not for training (`training`), for loading (`edge.model.model`), for how a network becomes int8 (`export.int8`) nor for
testing what was made (`export.acceptance`). A file holds no path, no name of a person and no external data; two exports
of one checkpoint are equal byte for byte.

Half precision is for TensorRT, whose precision lives in the file (strongly typed networks). Weights and products are
what it makes smaller and faster. What a stream remembers stays in float32: its sums reach 50 000, where fp16 ends at
65 504, and rounding them at every chunk would add up for hours. onnxruntime's CPU can execute it, slower than fp32:
good for a check of the numbers, not for service.
"""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import onnx
import torch
from onnx import NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from edge.features import FeatureSpec
from edge.model.alarm_limits import BurdenLimits
from edge.model.model import SCHEMA
from edge.model.onnx_file import seal
from edge.model.specs import AgeThresholds, ChunkSpec, Variant, ages_to_json
from edge.model.training_domain import TrainingDomain
from export import rules
from export.rules import INPUTS, MAX_BATCH, METADATA, OPSET, OUTPUTS
from export.streams import Sample, Sound, of_torch, sample_of
from training.detector.model import Scorer

FP32 = "fp32"
PTQ, QAT = "ptq", "qat"
SAMPLE_SEED = 1  # which chunks of the recordings
_TORCH = ("torch", "onnx", "onnxscript")
HALF = ("Conv", "Gemm", "QuantizeLinear", "DequantizeLinear")
"""Kinds of operation in fp16; so is a ReLU that takes what one of them gives, for the two are fused."""
SMALLEST = np.finfo(np.float16).smallest_subnormal


@dataclass(frozen=True, slots=True)
class Kind:
    """Runtime and precision of a variant."""

    runtime: str
    precision: str
    packages: tuple[str, ...]
    """Packages that make it; their versions go into the metadata."""
    own_rules: tuple[rules.Rule, ...]
    """What its graph keeps, beside what every graph does."""

    @property
    def is_int8(self) -> bool:
        """Whether ranges were measured for it."""
        return "int8" in self.precision


_FP32 = (rules.unquantized, partial(rules.weights_are, data_type=TensorProto.FLOAT))
_FP16 = (rules.unquantized, partial(rules.weights_are, data_type=TensorProto.FLOAT16))
_INT8 = (rules.quantization, partial(rules.constants_are_half, is_half=False))
_INT8_FP16 = (rules.quantization, partial(rules.constants_are_half, is_half=True))
KINDS = {
    FP32: Kind("onnxruntime", "fp32", _TORCH, _FP32),
    "cpu-int8": Kind("onnxruntime", "int8", (*_TORCH, "onnxruntime"), (rules.cpu_int8,)),
    "trt-fp16": Kind("tensorrt", "fp16", _TORCH, _FP16),
    "trt-int8": Kind("tensorrt", "int8", (*_TORCH, "torchao"), _INT8),
    "trt-int8-fp16": Kind("tensorrt", "int8+fp16", (*_TORCH, "torchao"), _INT8_FP16),
}
"""What `edge.settings.names.VARIANTS` are, in the order in which they are made."""
TRT_INT8 = ("trt-int8", "trt-int8-fp16")


def conformance(model: onnx.ModelProto, variant: str) -> list[str]:
    """What in a graph breaks the rules of its variant; nothing when it keeps them.

    Args:
        model: the artefact, sealed or not.
        variant: one of `KINDS`.
    """
    if variant not in KINDS:
        return [f"variant: expected one of {', '.join(KINDS)}, found {variant!r}"]
    return rules.broken_rules(model, KINDS[variant].own_rules)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the artefact carries beside the graph, the same in all variants."""

    features: FeatureSpec
    chunk: ChunkSpec
    classes: tuple[str, ...]
    groups: list[dict[str, Any]]
    thresholds: dict[str, float]
    calibration: dict[str, Any]
    training_data: str
    """SHA-256 of the recordings and annotations."""
    card: dict[str, Any]
    tasks: dict[str, Any]
    """How official tasks are answered, `training.detector.answers.TaskAnswers`."""
    trained_on: list[str]
    """`training.datasets.hashed_names` of the recordings and patients."""
    known: TrainingDomain | None = None
    """What was trained on sounds like; None for a training that did not measure it."""
    ages: tuple[AgeThresholds, ...] = ()
    """Thresholds of patients of some age, where they are others."""
    burden_limits: BurdenLimits | None = None
    """What limits of the burden cost and find; None for a training that did not measure it."""

    def entries(self, variant: Variant) -> dict[str, str]:
        """JSON text for each metadata key."""
        texts = {
            "schema": SCHEMA,
            "features": self.features.to_json(),
            "chunk": json.dumps(asdict(self.chunk)),
            "classes": json.dumps(self.classes),
            "groups": json.dumps(self.groups),
            "thresholds": json.dumps(self.thresholds),
            "calibration": json.dumps(self.calibration),
            "training_data": json.dumps(self.training_data),
            "card": json.dumps(self.card),
            "tasks": json.dumps(self.tasks),
            "trained_on": json.dumps(self.trained_on),
            "variant": json.dumps(asdict(variant)),
        }
        if self.known is not None:
            texts["known"] = self.known.to_json()
        if self.ages:
            texts["ages"] = ages_to_json(self.ages)
        if self.burden_limits is not None:
            texts["burden_limits"] = self.burden_limits.to_json()
        return {f"{METADATA}{key}": text for key, text in texts.items()}


def calibration_sample(scorer: Scorer, metadata: Metadata, sounds: Sequence[Sound]) -> Sample:
    """What the int8 ranges of a network are measured on: chunks of sounds, with the states that it has before them."""
    return sample_of(of_torch(scorer, metadata.chunk), sounds, SAMPLE_SEED)


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
    return sealed(graphs(scorer, metadata, sample, names, how), metadata, scorer, sample)


def graphs(
    scorer: Scorer, metadata: Metadata, sample: Sample | None, names: Sequence[str], how: str = PTQ
) -> dict[str, onnx.ModelProto]:
    """The graphs of a network by variant, in the order of `KINDS`; arguments as for `make`."""
    made = {FP32: to_graph(scorer, scorer.state_size, metadata)}
    if "trt-fp16" in names:
        made["trt-fp16"] = to_fp16(made[FP32])
    if sample is not None and "cpu-int8" in names:
        from export.int8 import quantize_cpu

        made["cpu-int8"] = strip(quantize_cpu(made[FP32], sample))
    if sample is not None and set(TRT_INT8) & set(names):
        from export.int8 import quantize, train_quantized

        program = (train_quantized if how == QAT else quantize)(scorer, sample)
        made["trt-int8"] = to_graph(program, scorer.state_size, metadata)
        made["trt-int8-fp16"] = to_fp16(made["trt-int8"])
    return {name: made[name] for name in KINDS if name in names}


def sealed(
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
    contents: dict[str, bytes] = {}
    for name, graph in made.items():
        kind = KINDS[name]
        parent = hashlib.sha256(contents[FP32]).hexdigest() if name != FP32 else ""
        calibration = record if kind.is_int8 else None
        variant = Variant(name, kind.runtime, kind.precision, parent, checkpoint, calibration, versions(*kind.packages))
        contents[name] = to_artefact(graph, metadata, variant)
    return contents


def to_artefact(graph: onnx.ModelProto, metadata: Metadata, variant: Variant) -> bytes:
    """The bytes of a sealed artefact; the graph itself is left as it is."""
    whole = onnx.ModelProto()
    whole.CopyFrom(graph)
    for key, text in metadata.entries(variant).items():
        whole.metadata_props.add(key=key, value=text)
    return seal(whole.SerializeToString(deterministic=True))


def to_graph(network: nn.Module, state_size: int, metadata: Metadata) -> onnx.ModelProto:
    """A network as an ONNX graph with a free batch dimension, stripped of what names this machine.

    Args:
        network: `training.detector.model.Scorer` in evaluation mode, or a quantized program of one
            (`export.int8`): maps frames (B, H, M), valid (B, H) and state (B, S) to scores, the log-probabilities
            of clips and the next state.
        state_size: S.
        metadata: with H and M.
    """
    length = metadata.chunk.chunk_frames
    inputs = torch.zeros(2, length, metadata.features.width), torch.ones(2, length), torch.zeros(2, state_size)
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own internals
        program = torch.onnx.export(
            network,
            inputs,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes={name: {0: batch} for name in INPUTS},
            external_data=False,
            verbose=False,
        )
    return strip(program.model_proto)


def strip(graph: onnx.ModelProto) -> onnx.ModelProto:
    """Remove, in place, what is no part of the computation.

    Stack traces, documentation, opsets that no node uses, and which build of torch it was (`+cpu`, `+cu130`).
    """
    graph.doc_string = ""
    graph.producer_version = _without_build(graph.producer_version)
    del graph.metadata_props[:]
    parts = graph.graph
    for item in (*parts.node, *parts.value_info, *parts.input, *parts.output, *parts.initializer, parts):
        del item.metadata_props[:]
        item.doc_string = ""
    used = {node.domain for node in parts.node} | {""}
    for opset in [opset for opset in graph.opset_import if opset.domain not in used]:
        graph.opset_import.remove(opset)
    onnx.checker.check_model(graph)
    return graph


def weights_sha256(module: nn.Module) -> str:
    """SHA-256 over names, shapes, types and numbers of a network: the same for every file that holds them."""
    digest = hashlib.sha256()
    for name, values in sorted(module.state_dict().items()):
        digest.update(f"{name} {values.dtype} {tuple(values.shape)} ".encode())
        digest.update(values.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Version of each package, without what a build adds to it (`2.13.0+cpu`)."""
    return {name: _without_build(version(name)) for name in packages}


def _without_build(text: str) -> str:
    return text.partition("+")[0]


def to_fp16(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose convolutions and linear layers are fp16, between float32; Q/DQ pairs keep their int8."""
    made = onnx.ModelProto()
    made.CopyFrom(graph)
    converted = _Converted(made.graph)
    nodes = [node for before in made.graph.node for node in converted.nodes(before)]
    used = {name for node in nodes for name in node.input}
    constants = [w for w in (*made.graph.initializer, *converted.constants.values()) if w.name in used]
    del made.graph.node[:], made.graph.initializer[:], made.graph.value_info[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.extend(constants)
    return strip(made)


class _Converted:
    """What of a graph is half, as its nodes come in order.

    Args:
        graph: in float32.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._float = {w.name: w for w in graph.initializer if w.data_type == TensorProto.FLOAT}
        self._whole = {w.name for w in graph.initializer if w.data_type != TensorProto.FLOAT}  # of whole numbers
        self._half: set[str] = set()  # values that are fp16
        self._cast: dict[str, str] = {}  # what a value is called in the other precision
        self.constants: dict[str, TensorProto] = {}

    def nodes(self, node: NodeProto) -> Iterator[NodeProto]:
        """A node in its precision, after the conversions that it needs."""
        is_half = node.op_type in HALF or (node.op_type == "Relu" and node.input[0] in self._half)
        for index, name in enumerate(node.input):
            if not name or name in self._whole:
                continue
            if is_half and name in self._float:
                node.input[index] = self._constant(name)
            elif (name in self._half) != is_half and name not in self._float:
                if name not in self._cast:
                    yield self._conversion(name, TensorProto.FLOAT16 if is_half else TensorProto.FLOAT)
                node.input[index] = self._cast[name]
        if node.op_type == "QuantizeLinear":
            self._whole.update(node.output)
        elif is_half:
            self._half.update(node.output)
        yield node

    def _conversion(self, name: str, to: int) -> NodeProto:
        self._cast[name] = f"{name}_{TensorProto.DataType.Name(to).lower()}"
        return helper.make_node("Cast", [name], [self._cast[name]], name=f"node_{self._cast[name]}", to=to)

    def _constant(self, name: str) -> str:
        """The fp16 form of a constant; what is smaller than fp16 can be becomes the smallest, so that no scale is 0."""
        half = f"{name}_float16"
        if half not in self.constants:
            values = numpy_helper.to_array(self._float[name])
            small = (values != 0) & (np.abs(values) < SMALLEST)
            rounded = np.where(small, np.copysign(SMALLEST, values), values).astype(np.float16)
            self.constants[half] = numpy_helper.from_array(rounded, half)
        return half
