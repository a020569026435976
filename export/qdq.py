"""Where Q/DQ pairs stand in a graph, and whether TensorRT would take them and make int8 kernels of them.

Not for making them (`export.quantize`). Int8 are the convolutions that mix channels, but for the first and the last
three of each network; a graph may hold several side by side. The others stay in float, as do the sums of what was heard
and the layer that labels clips: in int8 one in ten clips got another label.
A file with explicit Q/DQ says all that there is: there is no calibrator and no flag, so a pair that is missing is a
layer in float32 with two conversions around it, and nobody says so.

Source: ONNX QuantizeLinear and DequantizeLinear, opset 19; NVIDIA's rules of explicit quantization.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper

WEIGHTED = ("Conv", "Gemm")  # a product with the powers of a leaky sum has no weights
BEHIND = 3  # convolutions at the end that stay in float
OUTPUT_AXIS = 0  # of the weights of a convolution
Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph with its edges in both directions."""

    nodes: list[NodeProto]
    constants: dict[str, TensorProto]
    makers: dict[str, NodeProto]
    """The node that makes a value, by the value's name."""
    users: dict[str, list[NodeProto]]

    @classmethod
    def of(cls, model: onnx.ModelProto) -> Graph:
        """Read the edges of a model's graph."""
        users: dict[str, list[NodeProto]] = defaultdict(list)
        for node in model.graph.node:
            for name in node.input:
                users[name].append(node)
        makers = {name: node for node in model.graph.node for name in node.output}
        return cls(list(model.graph.node), {w.name: w for w in model.graph.initializer}, makers, users)

    def array(self, name: str) -> NDArray[np.generic] | None:
        """The value of a constant; None if it is none."""
        constant = self.constants.get(name)
        return None if constant is None else numpy_helper.to_array(constant)

    def maker(self, name: str, kind: str) -> NodeProto | None:
        """The node that makes a value, if it is of that kind."""
        node = self.makers.get(name)
        return node if node is not None and node.op_type == kind else None

    def weighted(self) -> list[NodeProto]:
        """Operations that have weights: convolutions and linear layers."""
        return [n for n in self.nodes if n.op_type in WEIGHTED and self._is_constant(n.input[1])]

    def convolutions(self) -> list[NodeProto]:
        """Those that int8 is for: all that mix channels but the first of each network and its last three.

        The first, which hears the frames, and the depthwise ones are a tenth of the products; in int8 they double the
        difference of a score. The last three, of the last block and the logits, are a tenth and have two fifths of it
        (.00063 to .00039): nothing after them averages their rounding.
        """
        mixing = {
            node.output[0]: node
            for node in self.weighted()
            if node.op_type == "Conv" and _attribute(node, "group", 1) == 1
        }
        made = {
            node.output[0]: [self.makers[name].output[0] for name in node.input if name in self.makers]
            for node in self.nodes
        }
        return [mixing[name] for name in within_networks(made, set(mixing))]

    def scales(self) -> list[NDArray[np.float64]]:
        """Scales of all Q and DQ that are constants."""
        found = [self.array(n.input[1]) for n in self.nodes if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
        return [array.astype(np.float64) for array in found if array is not None]

    def _is_constant(self, name: str) -> bool:
        maker = self.makers.get(name)
        through = maker is not None and maker.op_type in ("QuantizeLinear", "DequantizeLinear", "Cast", "Transpose")
        return name in self.constants or (through and maker is not None and self._is_constant(maker.input[0]))


def within_networks(before: Mapping[Node, Iterable[Node]], wanted: Collection[Node]) -> list[Node]:
    """Some nodes of a graph but, of each network in it, the first of them and the last three.

    Networks side by side have no node in common between the inputs and their logits: a node belongs to the one whose
    first wanted node it follows.

    Args:
        before: of each node, in an order in which what a node needs stands before it, those that it takes from.
        wanted: nodes to choose from, one behind the other in each network.
    """
    begun: dict[Node, frozenset[Node]] = {}
    networks: dict[frozenset[Node], list[Node]] = defaultdict(list)
    for node, taken in before.items():
        begun[node] = frozenset(first for one in taken for first in begun.get(one, ()))
        if node in wanted:
            begun[node] = begun[node] or frozenset({node})
            networks[begun[node]].append(node)
    return [node for network in networks.values() for node in network[1:-BEHIND]]


def quantization(model: onnx.ModelProto) -> Iterator[str]:
    """What keeps TensorRT from running the convolutions of a graph in int8."""
    graph = Graph.of(model)
    if not graph.convolutions():
        yield "Q/DQ: expected convolutions with weights, found none"
    for node in graph.convolutions():
        yield from _activation(graph, node)
        yield from _weight(graph, node)
        if len(node.input) > 2 and node.input[2] not in graph.constants:
            made = _made(graph, node.input[2])
            yield f"bias of {node.name}: expected a constant in floating point, found what {made}"
    for node in graph.nodes:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            yield from _numbers(graph, node)
    yield from _pairs(graph)
    yield from _between_conv_and_relu(graph)


def _activation(graph: Graph, node: NodeProto) -> Iterator[str]:
    dequantize = graph.maker(node.input[0], "DequantizeLinear")
    quantize = graph.maker(dequantize.input[0], "QuantizeLinear") if dequantize is not None else None
    if dequantize is None or quantize is None:
        yield f"input of {node.name}: expected Q and DQ before it, found what {_made(graph, node.input[0])}"
        return
    for pair in (quantize, dequantize):
        scale = graph.array(pair.input[1])
        if scale is None or scale.size != 1 or scale.ndim:
            yield f"{pair.name}: expected one scale for the activation, found {_shape(scale)}"
    if quantize.input[1] != dequantize.input[1] and not _equal(graph, quantize.input[1], dequantize.input[1]):
        yield f"{quantize.name}: expected the scale of its DQ, found another one"


def _weight(graph: Graph, node: NodeProto) -> Iterator[str]:
    dequantize = graph.maker(node.input[1], "DequantizeLinear")
    weight = graph.array(dequantize.input[0]) if dequantize is not None else None
    if dequantize is None or weight is None or weight.dtype != np.int8:
        yield f"weight of {node.name}: expected int8 with a DQ behind it, found what {_made(graph, node.input[1])}"
        return
    scale, found = graph.array(dequantize.input[1]), _attribute(dequantize, "axis", 1)
    channels = weight.shape[OUTPUT_AXIS]
    if scale is None or scale.shape != (channels,) or found != OUTPUT_AXIS:
        wanted = f"({channels},) on axis {OUTPUT_AXIS}, one for each output"
        yield f"scale of the weight of {node.name}: expected {wanted}, found {_shape(scale)} on axis {found}"


def _numbers(graph: Graph, node: NodeProto) -> Iterator[str]:
    """Scales are above zero; zero points are zero, of int8."""
    scale = graph.array(node.input[1])
    if scale is None or not np.isfinite(scale.astype(np.float64)).all() or not (scale.astype(np.float64) > 0).all():
        yield f"{node.name}: expected constant scales above 0, found {'none' if scale is None else scale.min()}"
    zero = graph.array(node.input[2]) if len(node.input) > 2 and node.input[2] else None
    if zero is None and node.op_type == "QuantizeLinear":
        yield f"{node.name}: expected a zero point of int8, found none, which means uint8"
    if zero is not None and (zero.dtype != np.int8 or zero.any()):
        yield f"{node.name}: expected zero points 0 of int8, found {zero.dtype} up to {np.abs(zero.astype(int)).max()}"


def _pairs(graph: Graph) -> Iterator[str]:
    quantizers = [node for node in graph.nodes if node.op_type == "QuantizeLinear"]
    behind = [n for n in graph.nodes if n.op_type == "DequantizeLinear" and graph.maker(n.input[0], "QuantizeLinear")]
    if len(quantizers) != len(behind):
        yield f"Q/DQ: expected as many Q as DQ of activations, found {len(quantizers)} and {len(behind)}"
    for node in quantizers:
        if any(user.op_type != "DequantizeLinear" for user in graph.users[node.output[0]]):
            yield f"{node.name}: expected a DQ behind it, found another operation"


def _between_conv_and_relu(graph: Graph) -> Iterator[str]:
    for quantize in (node for node in graph.nodes if node.op_type == "QuantizeLinear"):
        before = graph.maker(quantize.input[0], "Conv")
        for dequantize in graph.users[quantize.output[0]]:
            behind = [user for user in graph.users[dequantize.output[0]] if user.op_type == "Relu"]
            if before is not None and behind:
                yield f"{quantize.name}: stands between {before.name} and {behind[0].name}, which would be fused"


def _attribute(node: NodeProto, name: str, default: int) -> int:
    return next((int(item.i) for item in node.attribute if item.name == name), default)


def _made(graph: Graph, name: str) -> str:
    if name in graph.constants:
        return f"is the constant {name} of {TensorProto.DataType.Name(graph.constants[name].data_type)}"
    return f"{graph.makers[name].op_type} makes" if name in graph.makers else "comes from outside"


def _shape(array: NDArray[np.generic] | None) -> str:
    return "none that is constant" if array is None else str(array.shape)


def _equal(graph: Graph, one: str, other: str) -> bool:
    first, second = graph.array(one), graph.array(other)
    return first is not None and second is not None and np.array_equal(first, second)
