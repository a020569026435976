"""What a graph may hold, so that the runtimes of a device take it and make int8 kernels of it: read, nothing is run.

NVIDIA's parser refuses some graphs and takes others that its builder then cannot build, or that are only slow; these
rules name the cause before either is asked, and hold where neither is installed. A file with explicit Q/DQ says all
that there is: there is no calibrator and no flag, so a pair that is missing is a layer in float32 with two conversions
around it, and nobody says so.

Int8 are the convolutions that mix channels, but for the first and the last three of each network; a graph may hold
several side by side. The others stay in float, as do the sums over what was scored and the layer that labels clips: in
int8 one in ten clips got another label.

Not for making graphs (`export.artefacts`, `export.int8`), not for whether one is right (`export.parity`) and not
instead of the real parser and builder (`export.rtx`).

Source: ONNX operators, opset 20; NVIDIA's advice on explicit quantization: symmetric int8, one scale for activations,
one for each output channel of weights, Q/DQ before weighted operations and not between them and what they fuse with.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, checker, numpy_helper

Rule = Callable[[onnx.ModelProto], Iterator[str]]
"""What of a graph breaks it, in words."""
OPSET = 20  # the newest that every TensorRT we know parses
MAX_BATCH = 1024
INPUTS, OUTPUTS = ("frames", "valid", "state"), ("scores", "clip", "next_state")
METADATA = "laennec."  # how the keys of an artefact's metadata begin
QDQ = ("QuantizeLinear", "DequantizeLinear")
OPERATORS = {
    "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "Div", "Erf", "Exp", "Expand", "Gather", "Gemm",
    "GlobalAveragePool", "HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "MatMul", "Max", "MaxPool", "Min", "Mul", "Neg", "Pad", "Pow", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
    "Relu", "Reshape", "Shape", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh", "Transpose",
    "Unsqueeze", "Where",
}  # fmt: skip
"""Each is built by RTX 1.7 and by TensorRT from 10.3 on; loops, RNNs and own kernels are not here."""
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

        The first, which takes the frames, and the depthwise ones are a tenth of the products; in int8 they double the
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
        found = [self.array(n.input[1]) for n in self.nodes if n.op_type in QDQ]
        return [array.astype(np.float64) for array in found if array is not None]

    def _is_constant(self, name: str) -> bool:
        maker = self.makers.get(name)
        through = maker is not None and maker.op_type in (*QDQ, "Cast", "Transpose")
        return name in self.constants or (through and maker is not None and self._is_constant(maker.input[0]))


def within_networks(before: Mapping[Node, Iterable[Node]], members: Collection[Node]) -> list[Node]:
    """Some nodes of a graph but, of each network in it, the first of them and the last three.

    Networks side by side have no node in common between the inputs and their logits: a node belongs to the one whose
    first wanted node it follows.

    Args:
        before: of each node, in an order in which what a node needs stands before it, those that it takes from.
        members: nodes to choose from, one behind the other in each network.
    """
    begun: dict[Node, frozenset[Node]] = {}
    networks: dict[frozenset[Node], list[Node]] = defaultdict(list)
    for node, taken in before.items():
        begun[node] = frozenset(first for one in taken for first in begun.get(one, ()))
        if node in members:
            begun[node] = begun[node] or frozenset({node})
            networks[begun[node]].append(node)
    return [node for network in networks.values() for node in network[1:-BEHIND]]


def broken_rules(model: onnx.ModelProto, own: Sequence[Rule]) -> list[str]:
    """What in a graph, sealed or not, breaks the rules of every variant or those of its `own`."""
    return [broken for rule in (*EVERY, *own) for broken in rule(model)]


def _form(model: onnx.ModelProto) -> Iterator[str]:
    """One file, one opset, nothing of the machine that made it."""
    found = [(item.domain, item.version) for item in model.opset_import]
    if found != [("", OPSET)]:
        yield f"opset: expected the standard operators of opset {OPSET} alone, found {found}"
    if model.functions:
        yield f"functions: expected none, found {len(model.functions)}"
    items = [*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info, model.graph]
    named = [item.name for item in (*items, *model.graph.initializer) if item.metadata_props or item.doc_string]
    if named or model.doc_string:
        yield f"metadata: expected none inside the graph, found some at {named[:3] or 'the model'}"
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
        if node.op_type not in OPERATORS.union(QDQ) or node.domain:
            name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
            yield f"{name} at {node.name or '?'}: not among the operators that every runtime builds"


def _types(model: onnx.ModelProto) -> Iterator[str]:
    """Types and shapes agree everywhere: a strongly typed network casts nothing by itself."""
    try:
        checker.check_model(model, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield f"types: {' '.join(str(error).split())[:300]}"


def weights_are(model: onnx.ModelProto, data_type: int) -> Iterator[str]:
    """The weights of products are of one type."""
    graph = Graph.of(model)
    for node in graph.weighted():
        weight = graph.constants.get(node.input[1])
        if weight is not None and weight.data_type != data_type:
            names = TensorProto.DataType
            yield f"weight of {node.name}: expected {names.Name(data_type)}, found {names.Name(weight.data_type)}"


def unquantized(model: onnx.ModelProto) -> Iterator[str]:
    """Nothing is quantized."""
    if found := [node.name for node in model.graph.node if node.op_type in QDQ]:
        yield f"Q/DQ: expected none, found {len(found)}, the first at {found[0]}"


def constants_are_half(model: onnx.ModelProto, is_half: bool) -> Iterator[str]:
    """Whether some constants are of half precision."""
    half = [weight.name for weight in model.graph.initializer if weight.data_type == TensorProto.FLOAT16]
    if bool(half) != is_half:
        expected = "float16 around int8" if is_half else "no float16"
        yield f"constants: expected {expected}, found {half[:3] or 'none'}"


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
        if node.op_type in QDQ:
            yield from _numbers(graph, node)
    yield from _pairs(graph)
    yield from _between_conv_and_relu(graph)


def _activation(graph: Graph, node: NodeProto) -> Iterator[str]:
    dequantize = graph.maker(node.input[0], "DequantizeLinear")
    quantize = graph.maker(dequantize.input[0], "QuantizeLinear") if dequantize is not None else None
    if dequantize is None or quantize is None:
        yield f"input of {node.name}: expected Q and DQ before it, found what {_made(graph, node.input[0])}"
        return
    given, back = graph.array(quantize.input[1]), graph.array(dequantize.input[1])
    for pair, scale in ((quantize, given), (dequantize, back)):
        if scale is None or scale.size != 1 or scale.ndim:
            yield f"{pair.name}: expected one scale for the activation, found {_shape(scale)}"
    if given is not None and back is not None and not np.array_equal(given, back):
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
        expected = f"({channels},) on axis {OUTPUT_AXIS}, one for each output"
        yield f"scale of the weight of {node.name}: expected {expected}, found {_shape(scale)} on axis {found}"


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


def cpu_int8(model: onnx.ModelProto) -> Iterator[str]:
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

    import edge.model.backends.onnx  # noqa: F401 - it turns off onnxruntime's telemetry first

    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        options.log_severity_level = 4
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


EVERY: tuple[Rule, ...] = (_form, _interface, _operators, _types)
"""What every variant keeps; its own rules stand with it in `export.artefacts`."""
