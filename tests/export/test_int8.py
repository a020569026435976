"""Int8 and fp16: the graphs keep the rules, are near the float network, and come out the same each time."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from edge.model.backends.onnx import OnnxBackend
from edge.model.model import Model
from export.artefacts import FP32, KINDS, conformance, graphs, sealed, to_graph
from export.comparison import compare_outputs
from export.int8 import quantize, train_quantized
from export.rules import BEHIND, Graph
from export.streams import Sample, of_backend
from tests.export.networks import RECIPE, small_metadata, small_sample, small_scorer, small_sounds

pytestmark = pytest.mark.rest  # seconds of a core for each graph
Graphs = dict[str, onnx.ModelProto]


@pytest.fixture(scope="module")
def made() -> Graphs:
    return graphs(small_scorer(), small_metadata(), small_sample(), list(KINDS))


def _answers(graph: onnx.ModelProto) -> dict[str, np.ndarray]:
    network = of_backend(OnnxBackend(graph.SerializeToString()), RECIPE.chunk)
    received = network.score(small_sounds(6, seed=9))
    return {
        "scores": np.concatenate([one.scores for one in received]),
        "clip": np.stack([one.clip for one in received]),
    }


def _louder(sample: Sample, times: float) -> Sample:
    """The same chunks, the first of them louder."""
    sample.inputs.frames[0] *= times
    return sample


def _numbers(program: torch.nn.Module) -> list[bytes]:
    """Weights, and the code with the scales in it."""
    return [program.code.encode(), *(v.numpy().tobytes() for v in program.state_dict().values())]


def test_every_variant_is_made_and_keeps_the_rules_of_its_graph(made: Graphs) -> None:
    assert list(made) == list(KINDS)
    broken = {name: conformance(graph, name) for name, graph in made.items()}
    assert broken == {name: [] for name in KINDS}


@pytest.mark.parity
@pytest.mark.parametrize(
    ("name", "largest"), [("trt-fp16", 0.001), ("trt-int8", 0.1), ("trt-int8-fp16", 0.1), ("cpu-int8", 0.1)]
)
def test_a_variant_is_near_the_float_network(made: Graphs, name: str, largest: float) -> None:
    found = compare_outputs(_answers(made[FP32]), _answers(made[name]))
    assert found.cosine > 0.998
    assert found.largest < largest


def test_int8_for_tensorrt_has_int8_weights_and_no_zero_points(made: Graphs) -> None:
    graph = made["trt-int8"].graph
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert not any(constants[n.input[2]].any() for n in pairs if len(n.input) > 2)
    counts = Counter(n.op_type for n in graph.node)
    int8 = len(Graph.of(made["trt-int8"]).convolutions())
    assert counts["Conv"] - int8 == 1 + BEHIND + len(RECIPE.network.dilations)  # of each block the depthwise one
    assert counts["QuantizeLinear"] == int8
    assert counts["DequantizeLinear"] == 2 * int8


def test_sums_and_what_a_stream_remembers_stay_in_float32_in_every_variant(made: Graphs) -> None:
    for name, graph in made.items():
        types = {
            v.name: v.type.tensor_type.elem_type for v in onnx.shape_inference.infer_shapes(graph).graph.value_info
        }
        sums = [n for n in graph.graph.node if n.op_type in ("MatMul", "Sqrt", "Div", "ReduceSum", "Max")]
        assert {types[value] for node in sums for value in node.output} == {onnx.TensorProto.FLOAT}, name
        makers = {value: node.op_type for node in graph.graph.node for value in node.output}
        joined = next(node for node in graph.graph.node if "next_state" in node.output)
        assert "DequantizeLinear" not in {makers[value] for value in joined.input}, name


def test_a_program_made_twice_has_the_same_numbers_and_other_ranges_give_others() -> None:
    samples = (small_sample(), small_sample(), _louder(small_sample(), 3))
    one, again, other = (quantize(small_scorer(), sample) for sample in samples)
    assert _numbers(one) == _numbers(again) != _numbers(other)


def test_the_float_network_is_left_as_it_was() -> None:
    scorer, sample = small_scorer(), small_sample(4)
    before = {name: values.clone() for name, values in scorer.state_dict().items()}
    quantize(scorer, sample)
    assert all(torch.equal(values, before[name]) for name, values in scorer.state_dict().items())


@pytest.mark.parity
def test_a_trained_int8_network_answers_nearer_to_the_float_one_and_keeps_the_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("export.int8.LEARNING_RATE", 2e-4)  # for a small network and few chunks
    monkeypatch.setattr("export.int8.EPOCHS", 12)
    scorer, sample = small_scorer(), _louder(small_sample(16), 10)  # a loud chunk makes the steps of int8 coarse
    with torch.no_grad():  # answers that differ
        scorer.detector.head.weight *= 30
    trained, plain = train_quantized(scorer, sample), quantize(scorer, sample)
    inputs = [torch.from_numpy(part[1:]) for part in sample.inputs]
    with torch.no_grad():
        expected, near, far = (network(*inputs)[0] for network in (scorer, trained, plain))
    assert (near - expected).abs().mean() < 0.95 * (far - expected).abs().mean()
    assert conformance(to_graph(trained, scorer.state_size, small_metadata()), "trt-int8") == []


def test_variants_name_the_fp32_artefact_the_sample_and_their_makers(made: Graphs) -> None:
    sample = small_sample()
    contents = sealed(made, small_metadata(), small_scorer(), sample)
    found = {name: Model(content, OnnxBackend(content)).variant for name, content in contents.items()}
    parent = hashlib.sha256(contents[FP32]).hexdigest()
    assert {name: v.parent for name, v in found.items()} == {name: "" if name == FP32 else parent for name in KINDS}
    assert {v.name: v.runtime for v in found.values()} == {name: kind.runtime for name, kind in KINDS.items()}
    assert {name for name, v in found.items() if v.calibration == sample.record()} == {n for n in KINDS if "int8" in n}
    assert "torchao" in found["trt-int8"].made_with
    assert len({v.checkpoint for v in found.values()}) == 1
