"""Graphs for tests: a small one of each variant, as text, that keeps every rule; and what an artefact consists of.

The first convolution hears the frames and stays in float, as do the last three; the second is int8 where anything is.

Tests break one rule at a time by replacing a line. Numbers of float16 stand as their bits.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper, parser

INT8 = """
<ir_version: 10, opset_import: ["" : 20]>
chest (float[batch,4,8] frames, float[batch,4] valid, float[batch,3] state)
    => (float[batch,4,2] scores, float[batch,2] clip, float[batch,3] next_state)
<int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3},
 int8[2,1,1,1] weight = {3, -5}, float[2] weight_scale = {0.1, 0.2}, float[2] bias = {0.5, -0.5},
 float scale = {0.05}, int8 zero = {0}, float[1,1,1,1] first = {2.0},
 float[2,2,1,1] last = {1.0, 0.0, 0.0, 1.0}>
{
    raw = Unsqueeze(frames, one)
    image = Conv <kernel_shape: ints = [1, 1]> (raw, first)
    quantized = QuantizeLinear(image, scale, zero)
    heard = DequantizeLinear(quantized, scale, zero)
    kernel = DequantizeLinear <axis: int = 0> (weight, weight_scale)
    conv = Conv <kernel_shape: ints = [1, 1]> (heard, kernel, bias)
    relu = Relu(conv)
    last1 = Conv <kernel_shape: ints = [1, 1]> (relu, last)
    last2 = Conv <kernel_shape: ints = [1, 1]> (last1, last)
    last3 = Conv <kernel_shape: ints = [1, 1]> (last2, last)
    summed = ReduceSum <keepdims: int = 0> (last3, three)
    frame = Transpose <perm: ints = [0, 2, 1]> (summed)
    mask = Unsqueeze(valid, two)
    scores = Mul(frame, mask)
    clip = ReduceSum <keepdims: int = 0> (scores, one)
    next_state = Identity(state)
}
"""

FP32 = """
<ir_version: 10, opset_import: ["" : 20]>
chest (float[batch,4,8] frames, float[batch,4] valid, float[batch,3] state)
    => (float[batch,4,2] scores, float[batch,2] clip, float[batch,3] next_state)
<int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3},
 float[2,1,1,1] weight = {0.3, -1.0}, float[2] bias = {0.5, -0.5},
 float[1,1,1,1] first = {2.0}, float[2,2,1,1] last = {1.0, 0.0, 0.0, 1.0}>
{
    raw = Unsqueeze(frames, one)
    image = Conv <kernel_shape: ints = [1, 1]> (raw, first)
    conv = Conv <kernel_shape: ints = [1, 1]> (image, weight, bias)
    relu = Relu(conv)
    last1 = Conv <kernel_shape: ints = [1, 1]> (relu, last)
    last2 = Conv <kernel_shape: ints = [1, 1]> (last1, last)
    last3 = Conv <kernel_shape: ints = [1, 1]> (last2, last)
    summed = ReduceSum <keepdims: int = 0> (last3, three)
    frame = Transpose <perm: ints = [0, 2, 1]> (summed)
    mask = Unsqueeze(valid, two)
    scores = Mul(frame, mask)
    clip = ReduceSum <keepdims: int = 0> (scores, one)
    next_state = Identity(state)
}
"""

FP16 = """
<ir_version: 10, opset_import: ["" : 20]>
chest (float[batch,4,8] frames, float[batch,4] valid, float[batch,3] state)
    => (float[batch,4,2] scores, float[batch,2] clip, float[batch,3] next_state)
<int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3},
 float16[2,1,1,1] weight = {13517, 48128}, float16[2] bias = {14336, 47104},
 float16[1,1,1,1] first = {16384}, float16[2,2,1,1] last = {15360, 0, 0, 15360}>
{
    half = Cast <to: int = 10> (frames)
    raw = Unsqueeze(half, one)
    image = Conv <kernel_shape: ints = [1, 1]> (raw, first)
    conv = Conv <kernel_shape: ints = [1, 1]> (image, weight, bias)
    relu = Relu(conv)
    last1 = Conv <kernel_shape: ints = [1, 1]> (relu, last)
    last2 = Conv <kernel_shape: ints = [1, 1]> (last1, last)
    last3 = Conv <kernel_shape: ints = [1, 1]> (last2, last)
    summed = ReduceSum <keepdims: int = 0> (last3, three)
    frame = Transpose <perm: ints = [0, 2, 1]> (summed)
    single = Cast <to: int = 1> (frame)
    mask = Unsqueeze(valid, two)
    scores = Mul(single, mask)
    clip = ReduceSum <keepdims: int = 0> (scores, one)
    next_state = Identity(state)
}
"""


def graph(text: str, *changes: tuple[str, str]) -> onnx.ModelProto:
    """The graph of a text after each change; a change that changes nothing is a mistake in the test."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    model: onnx.ModelProto = parser.parse_model(text)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def taken_apart(content: bytes) -> tuple[onnx.ModelProto, dict[str, NDArray[np.float32]]]:
    """An artefact without its seal, its float weights and the build of torch (`+cpu`); and those weights by name."""
    model = onnx.load_from_string(content)
    model.producer_version = model.producer_version.partition("+")[0]
    seal = next(entry for entry in model.metadata_props if entry.key == "laennec.seal")
    model.metadata_props.remove(seal)
    weights = [values for values in model.graph.initializer if values.data_type == TensorProto.FLOAT]
    numbers = {values.name: numpy_helper.to_array(values) for values in weights}
    for values in weights:
        values.raw_data = b""  # its name and shape stay
    return model, numbers
