"""Every exported graph keeps the rules, and a graph that breaks one is told which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edge.model.model import DEFAULT_PATH
from edge.model.runtime import find_variants
from edge.settings import names
from export.artefacts import KINDS, conformance
from export.rules import BEHIND, Graph
from tests.export.graphs import FP16, FP32, INT8, graph

ARTEFACTS = find_variants(DEFAULT_PATH)


@pytest.mark.parametrize("artefact", ARTEFACTS, ids=lambda artefact: artefact.variant.name)
def test_every_artefact_that_comes_along_keeps_the_rules(artefact: object) -> None:
    path: Path = getattr(artefact, "path")  # noqa: B009 - pytest gives objects
    name: str = getattr(artefact, "variant").name  # noqa: B009
    assert conformance(onnx.load_from_string(path.read_bytes()), name) == []


@pytest.mark.parametrize(("text", "variant"), [(FP32, "fp32"), (FP16, "trt-fp16"), (INT8, "trt-int8")])
def test_the_graphs_of_these_tests_keep_the_rules_of_their_variant_and_of_no_other(text: str, variant: str) -> None:
    model = graph(text)
    assert conformance(model, variant) == []
    assert all(conformance(model, other) for other in KINDS if other != variant)


def test_the_device_knows_all_variants_by_name() -> None:
    assert set(names.VARIANTS) == set(KINDS)


def test_a_variant_that_nobody_knows_is_refused() -> None:
    assert conformance(graph(FP32), "trt-int4") == [f"variant: expected one of {', '.join(KINDS)}, found 'trt-int4'"]


Q, DQ = "QuantizeLinear(image, scale, zero)", "DequantizeLinear(quantized, scale, zero)"
BROKEN_INT8 = {
    "expected zero points 0 of int8, found int8 up to 3": [("int8 zero = {0}", "int8 zero = {3}")],
    "expected zero points 0 of int8, found uint8": [("int8 zero = {0}", "uint8 zero = {0}")],
    "found none, which means uint8": [
        (Q, "QuantizeLinear(image, scale)"),
        (DQ, "DequantizeLinear(quantized, scale)"),
    ],
    "expected constant scales above 0, found 0.0": [("float scale = {0.05}", "float scale = {0.0}")],
    "expected constant scales above 0, found -0.05": [("float scale = {0.05}", "float scale = {-0.05}")],
    "expected Q and DQ before it, found what DequantizeLinear makes": [(DQ, "DequantizeLinear(image, scale)")],
    "input of Conv_5: expected Q and DQ before it, found what Conv makes": [
        ("(heard, kernel, bias)", "(image, kernel, bias)")
    ],
    "expected a constant in floating point, found what DequantizeLinear makes": [
        ("float[2] bias = {0.5, -0.5}", "int32[2] whole = {5, -5}, float step = {0.1}"),
        ("    conv =", "    bias = DequantizeLinear(whole, step)\n    conv ="),
    ],
    "expected one scale for the activation, found (1,)": [
        ("float scale = {0.05}", "float[1] scale = {0.05}"),
        ("int8 zero = {0}", "int8[1] zero = {0}"),
        ("QuantizeLinear(image", "QuantizeLinear <axis: int = 1> (image"),
        ("DequantizeLinear(quantized", "DequantizeLinear <axis: int = 1> (quantized"),
    ],
    "stands between Conv_5 and Relu_8": [
        (
            "relu = Relu(conv)",
            "q = QuantizeLinear(conv, scale, zero) d = DequantizeLinear(q, scale, zero) relu = Relu(d)",
        )
    ],
    "expected int8 with a DQ behind it, found what is the constant plain of FLOAT": [
        ("float scale", "float[2,1,1,1] plain = {1.0, 2.0}, float scale"),
        ("(heard, kernel, bias)", "(heard, plain, bias)"),
    ],
    "expected (2,) on axis 0, one for each output, found () on axis 1": [
        ("float[2] weight_scale = {0.1, 0.2}", "float weight_scale = {0.1}"),
        ("DequantizeLinear <axis: int = 0> (weight", "DequantizeLinear(weight"),
    ],
    "expected the scale of its DQ, found another one": [
        ("float scale", "float other = {0.07}, float scale"),
        (DQ, "DequantizeLinear(quantized, other, zero)"),
    ],
    "expected as many Q as DQ of activations, found 1 and 2": [
        ("    kernel =", "    again = DequantizeLinear(quantized, scale, zero)\n    kernel =")
    ],
    "expected a DQ behind it, found another operation": [
        ("    scores = Mul(frame, mask)", "    back = Cast <to: int = 1> (quantized)\n    scores = Mul(frame, mask)")
    ],
}


@pytest.mark.parametrize("expected", BROKEN_INT8)
def test_what_keeps_tensorrt_from_int8_is_named(expected: str) -> None:
    assert any(expected in line for line in conformance(graph(INT8, *BROKEN_INT8[expected]), "trt-int8"))


BROKEN = {
    "opset: expected the standard operators of opset 20 alone, found [('', 23)]": [('["" : 20]', '["" : 23]')],
    "opset: expected the standard operators": [('["" : 20]', '["" : 20, "com.microsoft" : 1]')],
    "Sin at Sin_3: not among the operators": [("Relu(conv)", "Sin(conv)")],
    "com.own.Relu at Relu_3: not among the operators": [
        ('["" : 20]', '["" : 20, "com.own" : 1]'),
        ("Relu(conv)", "com.own.Relu(conv)"),
    ],
    "types: ": [("float[2] bias = {0.5, -0.5}", "float16[2] bias = {14336, 47104}")],
    "outputs: expected ['scores', 'clip', 'next_state'], found ['scores', 'label', 'next_state']": [
        ("float[batch,2] clip", "float[batch,2] label"),
        ("    clip =", "    label ="),
    ],
    "frames: expected a free batch and nothing else free": [("float[batch,4,8] frames", "float[1,4,8] frames")],
    "valid: expected a free batch and nothing else free": [("float[batch,4] valid", "float[batch,T] valid")],
    "weight of Conv_2: expected FLOAT, found FLOAT16": [
        ("float[2,1,1,1] weight = {0.3, -1.0}", "float16[2,1,1,1] weight = {13517, 48128}")
    ],
}


@pytest.mark.parametrize("expected", BROKEN)
def test_what_no_variant_may_have_is_named(expected: str) -> None:
    assert any(line.startswith(expected) for line in conformance(graph(FP32, *BROKEN[expected]), "fp32"))


def test_outputs_in_half_precision_are_named() -> None:
    model = graph(FP16, ("    single = Cast <to: int = 1> (frame)\n", ""), ("Mul(single, mask)", "Mul(frame, mask16)"))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    assert "scores: expected float32, found FLOAT16" in conformance(model, "trt-fp16")


def _note(model: onnx.ModelProto) -> None:
    model.graph.node[1].metadata_props.add(key="stack_trace", value="/home/somebody/net.py")


def _foreign_entry(model: onnx.ModelProto) -> None:
    model.metadata_props.add(key="author", value="somebody")


def _outside(model: onnx.ModelProto) -> None:
    model.graph.initializer[3].data_location = TensorProto.EXTERNAL


def _function(model: onnx.ModelProto) -> None:
    model.functions.append(helper.make_function("own", "f", [], [], [], [helper.make_opsetid("", 20)]))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_note, "metadata: expected none inside the graph, found some at ['Conv_1']"),
        (_foreign_entry, "metadata: expected keys of laennec.* alone, found ['author']"),
        (_outside, "weights: expected all in the file, found external ['weight']"),
        (_function, "functions: expected none, found 1"),
    ],
)
def test_what_a_file_must_not_carry_is_named(change: Callable[[onnx.ModelProto], None], expected: str) -> None:
    model = graph(FP32)
    change(model)
    assert expected in conformance(model, "fp32")


def test_a_convolution_that_onnxruntime_does_not_fuse_is_counted() -> None:
    expected = conformance(graph(INT8), "cpu-int8")
    assert expected == ["expected 1 convolutions fused to int8, found 0"]


def test_weights_have_their_scales_on_the_axis_of_the_outputs() -> None:
    assert not [line for line in conformance(_convolution(5, 0), "trt-int8") if "weight" in line]
    assert [line for line in conformance(_convolution(5, 1), "trt-int8") if "expected (5,) on axis 0" in line]


def test_a_scale_on_the_wrong_axis_is_found_where_both_are_as_long() -> None:
    expected = conformance(_convolution(3, 1), "trt-int8")
    assert "scale of the weight of mix: expected (3,) on axis 0, one for each output, found (3,) on axis 1" in expected


LAST = tuple(f"last{number}" for number in range(1, BEHIND + 1))


def test_int8_is_for_convolutions_that_mix_channels_but_not_for_the_first_and_the_last_three() -> None:
    model = _convolution(3, 0)
    assert [node.name for node in Graph.of(model).convolutions()] == ["mix"]
    assert [node.name for node in Graph.of(model).weighted()] == ["first", "mix", "depthwise", *LAST]


def _convolution(outputs: int, axis: int) -> onnx.ModelProto:
    """One with quantized inputs, between others in float; the rest of the rules is not kept."""
    nodes = [
        helper.make_node("Conv", ["x", "f"], ["e"], name="first"),
        helper.make_node("QuantizeLinear", ["e", "s", "z"], ["q"], name="Q"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], name="DQ"),
        helper.make_node("DequantizeLinear", ["w", "ws"], ["wd"], name="W", axis=axis),
        helper.make_node("Conv", ["d", "wd"], ["m"], name="mix"),
        helper.make_node("Conv", ["m", "g"], ["last0"], name="depthwise", group=outputs),
        *(helper.make_node("Conv", [f"last{i}", "l"], [name], name=name) for i, name in enumerate(LAST)),
    ]
    shape = (outputs, 3, 1, 1)
    constants = {
        "f": np.ones((3, 3, 1, 1), np.float32),
        "g": np.ones((outputs, 1, 1, 1), np.float32),
        "s": np.float32(0.1),
        "l": np.ones((outputs, outputs, 1, 1), np.float32),
        "z": np.int8(0),
        "w": np.ones(shape, np.int8),
        "ws": np.full(shape[axis], 0.1, np.float32),
    }
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    sizes = (("x", 3), (LAST[-1], outputs))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n, 2, 2]) for name, n in sizes]
    made = helper.make_graph(nodes, "convolutions", values[:1], values[1:], initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
