"""Rules that every exported graph keeps, so that the runtimes of a device take it: read from the file, nothing is run.

NVIDIA's parser refuses some graphs and takes others that its builder then cannot build, or that are only slow; these
rules name the cause before either is asked, and hold where neither is installed. Not for whether the graph is right
(`export.parity`) and not instead of the real parser and builder (`export.rtx`).

Source: ONNX operators, opset 20; NVIDIA's advice on explicit quantization: symmetric int8, one scale for activations,
one for each output channel of weights, Q/DQ before weighted operations and not between them and what they fuse with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, checker

from export.graph import INPUTS, OPSET, OUTPUTS
from export.qdq import Graph, quantization

METADATA = "laennec."
QDQ = {"QuantizeLinear", "DequantizeLinear"}
OPERATORS = {
    "Add",
    "AveragePool",
    "Cast",
    "Clip",
    "Concat",
    "Conv",
    "Div",
    "Erf",
    "Exp",
    "Expand",
    "Gather",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
    "Where",
}  # fmt: skip - each is built by RTX 1.7 and by TensorRT from 10.3 on; loops, RNNs and own kernels are not here


def conformance(model: onnx.ModelProto, variant: str) -> list[str]:
    """What in a graph breaks the rules of its variant; nothing when it keeps them.

    Args:
        model: the artefact, sealed or not.
        variant: fp32, cpu-int8, trt-fp16, trt-int8 or trt-int8-fp16.
    """
    if variant not in VARIANTS:
        return [f"variant: expected one of {', '.join(VARIANTS)}, found {variant!r}"]
    return [*_form(model), *_interface(model), *_operators(model), *_types(model), *VARIANTS[variant](model)]


def _form(model: onnx.ModelProto) -> Iterator[str]:
    """One file, one opset, nothing of the machine that made it."""
    found = [(item.domain, item.version) for item in model.opset_import]
    if found != [("", OPSET)]:
        yield f"opset: expected the standard operators of opset {OPSET} alone, found {found}"
    if model.functions:
        yield f"functions: expected none, found {len(model.functions)}"
    items = [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, model.graph]
    told = [item.name for item in (*items, *model.graph.initializer) if item.metadata_props or item.doc_string]
    if told or model.doc_string:
        yield f"metadata: expected none inside the graph, found some at {told[:3] or 'the model'}"
    foreign = [item.key for item in model.metadata_props if not item.key.startswith(METADATA)]
    if foreign:
        yield f"metadata: expected keys of {METADATA}* alone, found {foreign[:3]}"
    outside = [w.name for w in model.graph.initializer if w.data_location == TensorProto.EXTERNAL]
    if outside:
        yield f"weights: expected all in the file, found external {outside[:3]}"


def _interface(model: onnx.ModelProto) -> Iterator[str]:
    """The inputs and outputs of every variant are the same, in float32, and the batch is free."""
    for kind, values, expected in (("inputs", model.graph.input, INPUTS), ("outputs", model.graph.output, OUTPUTS)):
        if [value.name for value in values] != list(expected):
            yield f"{kind}: expected {list(expected)}, found {[value.name for value in values]}"
        for value in values:
            tensor = value.type.tensor_type
            if tensor.elem_type != TensorProto.FLOAT:
                yield f"{value.name}: expected float32, found {TensorProto.DataType.Name(tensor.elem_type)}"
            dims = tensor.shape.dim
            if not dims or not dims[0].dim_param or any(dim.dim_param for dim in dims[1:]):
                yield f"{value.name}: expected a free batch and nothing else free"


def _operators(model: onnx.ModelProto) -> Iterator[str]:
    for node in model.graph.node:
        if node.op_type not in OPERATORS | QDQ or node.domain:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            yield f"{name} at {node.name or '?'}: not among the operators that every runtime builds"


def _types(model: onnx.ModelProto) -> Iterator[str]:
    """Types and shapes agree everywhere: a strongly typed network casts nothing by itself."""
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield f"types: {' '.join(str(error).split())[:300]}"


def _weights_are(model: onnx.ModelProto, wanted: int) -> Iterator[str]:
    graph = Graph.of(model)
    for node in graph.weighted():
        weight = graph.constants.get(node.input[1])
        if weight is not None and weight.data_type != wanted:
            names = TensorProto.DataType
            yield f"weight of {node.name}: expected {names.Name(wanted)}, found {names.Name(weight.data_type)}"


def _fp32(model: onnx.ModelProto) -> Iterator[str]:
    yield from _unquantized(model)
    yield from _weights_are(model, TensorProto.FLOAT)


def _trt_fp16(model: onnx.ModelProto) -> Iterator[str]:
    yield from _unquantized(model)
    yield from _weights_are(model, TensorProto.FLOAT16)


def _trt_int8(model: onnx.ModelProto) -> Iterator[str]:
    yield from quantization(model)
    yield from _no_half(model)


def _trt_int8_fp16(model: onnx.ModelProto) -> Iterator[str]:
    yield from quantization(model)
    if not any(weight.data_type == TensorProto.FLOAT16 for weight in model.graph.initializer):
        yield "constants: expected float16 around int8, found none"


def _unquantized(model: onnx.ModelProto) -> Iterator[str]:
    found = [node.name for node in model.graph.node if node.op_type in QDQ]
    if found:
        yield f"Q/DQ: expected none, found {len(found)}, the first at {found[0]}"


def _no_half(model: onnx.ModelProto) -> Iterator[str]:
    half = [weight.name for weight in model.graph.initializer if weight.data_type == TensorProto.FLOAT16]
    if half:
        yield f"constants: expected no float16, found {half[:3]}"


def _cpu_int8(model: onnx.ModelProto) -> Iterator[str]:
    """Onnxruntime fuses a convolution with the Q/DQ around it; one that it does not fuse runs in float32."""
    convolutions = len(Graph.of(model).convolutions())
    try:
        fused = [node.op_type for node in _optimized(model).graph.node]
    except Exception as error:  # onnxruntime raises a dozen private types
        yield f"onnxruntime cannot load it: {' '.join(str(error).split())[:300]}"
        return
    if not convolutions or fused.count("QLinearConv") != convolutions:
        yield f"expected {convolutions or 'some'} convolutions fused to int8, found {fused.count('QLinearConv')}"
    scales = [a for a in Graph.of(model).scales() if not (np.isfinite(a).all() and (a > 0).all())]
    if scales:
        yield f"scales: expected all above 0, found {len(scales)} that are not"


def _optimized(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnxruntime as ort

    import edge.model.backends.onnx  # noqa: F401 - onnxruntime is told first to report to nobody

    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        options.log_severity_level = 4
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


VARIANTS: dict[str, Callable[[onnx.ModelProto], Iterator[str]]] = {
    "fp32": _fp32,
    "cpu-int8": _cpu_int8,
    "trt-fp16": _trt_fp16,
    "trt-int8": _trt_int8,
    "trt-int8-fp16": _trt_int8_fp16,
}
