"""Half precision: the same graph with its weighted operations in fp16 and everything else in float32.

For TensorRT, whose precision lives in the file (strongly typed networks). Weights and products are what half precision
makes smaller and faster. What a stream remembers stays in float32: its sums reach 50 000, where fp16 ends at 65 504,
and rounding them at every chunk would add up for hours. onnxruntime's CPU can execute it, slower than fp32: good for a
check of the numbers, not for service. Not for int8 (`quantize`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.onnx import strip

HALF = ("Conv", "Gemm", "QuantizeLinear", "DequantizeLinear")
"""Kinds of operation in fp16; so is a ReLU that takes what one of them gives, for the two are fused."""
SMALLEST = np.finfo(np.float16).smallest_subnormal


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
