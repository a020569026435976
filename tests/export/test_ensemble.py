"""Several networks in one graph: it says the mean of what their own graphs say, and int8 keeps its rules and bounds."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge.model.backends.onnx import OnnxBackend
from export.artefacts import FP32, conformance, graphs, to_graph
from export.comparison import compare_outputs
from export.parity import from_torch
from export.rules import BEHIND, Graph
from export.streams import ChunkNetwork, Scored, of_backend
from tests.export.networks import RECIPE, small_ensemble, small_metadata, small_sample, small_scorer, small_sounds
from training.detector.model import Scorer

pytestmark = pytest.mark.rest  # seconds of a core for each graph
COUNT = 2


@pytest.fixture(scope="module")
def made() -> dict[str, onnx.ModelProto]:
    scorer = small_ensemble(COUNT)
    names = [FP32, "cpu-int8", "trt-int8", "trt-int8-fp16"]
    return graphs(scorer, small_metadata(), small_sample(scorer=scorer), names)


def _network(graph: onnx.ModelProto) -> ChunkNetwork:
    return of_backend(OnnxBackend(graph.SerializeToString()), RECIPE.chunk)


def _output_of(graph: onnx.ModelProto) -> list[Scored]:
    return _network(graph).score(small_sounds(6, seed=9))


def _logit(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.log(scores.astype(np.float64)) - np.log1p(-scores.astype(np.float64))


@pytest.mark.parity
def test_the_graph_of_several_says_the_mean_of_what_the_graphs_of_each_say(made: dict[str, onnx.ModelProto]) -> None:
    own = [small_scorer(seed) for seed in range(3, 3 + COUNT)]
    each = [_output_of(to_graph(one, one.state_size, small_metadata())) for one in own]
    for together, *alone in zip(
        _output_of(made[FP32]), *each, strict=True
    ):  # of many lengths, side by side, with holes
        breath, means = together.scores[:, -1], [_logit(one.scores[:, -1]) for one in alone]
        np.testing.assert_allclose(_logit(breath), np.mean(means, axis=0), atol=1e-4)  # calibrated linearly
        assert np.abs(means[0] - means[1]).max() > 0.1
        log_clip = np.mean([one.clip for one in alone], axis=0)
        np.testing.assert_allclose(together.clip, log_clip - np.log(np.exp(log_clip).sum()), atol=1e-5)


@pytest.mark.parity
def test_at_once_in_steps_and_exported_the_answers_of_several_are_the_same(made: dict[str, onnx.ModelProto]) -> None:
    assert from_torch(small_ensemble(COUNT), _network(made[FP32]), list(small_sounds(4, seed=2))) < 1e-5


def test_a_bed_hears_the_same_beside_others_and_alone(made: dict[str, onnx.ModelProto]) -> None:
    backend, rng = OnnxBackend(made[FP32].SerializeToString()), np.random.default_rng(0)
    frames = rng.normal(0, 1, (5, RECIPE.chunk.chunk_frames, RECIPE.features.width)).astype(np.float32)
    valid, state = np.ones(frames.shape[:2], np.float32), np.zeros((5, small_ensemble(COUNT).state_size), np.float32)
    valid[3, 10:30] = 0
    together = backend.run(frames, valid, state)
    for row in range(len(frames)):
        alone = backend.run(frames[row : row + 1], valid[row : row + 1], state[row : row + 1])
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][row], values[0], atol=1e-4)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["cpu-int8", "trt-int8", "trt-int8-fp16"])
def test_int8_of_several_is_near_them_and_keeps_the_first_and_last_of_each_in_float(
    made: dict[str, onnx.ModelProto], name: str
) -> None:
    assert conformance(made[name], name) == []
    expected, found = (
        {"scores": np.concatenate([one.scores for one in received]), "clip": np.stack([one.clip for one in received])}
        for received in (_output_of(made[FP32]), _output_of(made[name]))
    )
    apart = compare_outputs(expected, found)
    assert apart.cosine > 0.998
    assert apart.largest < 0.1
    one = small_scorer()
    alone = len(Graph.of(to_graph(one, one.state_size, small_metadata())).convolutions())
    assert len(Graph.of(made[name]).convolutions()) == COUNT * alone


def _side_by_side(order: list[str]) -> Graph:
    """Two chains of seven convolutions from one input, in an order."""
    weight = helper.make_tensor("w", TensorProto.FLOAT, (1, 1, 1, 1), [1.0])
    nodes = []
    for name in order:
        chain, number = name[0], int(name[1])
        taken = f"{chain}{number - 1}" if number else "frames"
        nodes.append(helper.make_node("Conv", [taken, "w"], [name], name=name))
    return Graph.of(helper.make_model(helper.make_graph(nodes, "two", [], [], [weight])))


@pytest.mark.parametrize("is_mixed", [False, True])
def test_the_ends_of_each_network_are_found_in_any_order_of_the_nodes(is_mixed: bool) -> None:
    order = [f"{chain}{number}" for chain in "ab" for number in range(7)]
    order = sorted(order, key=lambda name: name[1]) if is_mixed else order
    found = [node.name for node in _side_by_side(order).convolutions()]
    assert found == [f"{chain}{number}" for chain in "ab" for number in range(1, 7 - BEHIND)]


def test_the_scorer_of_several_says_how_much_it_remembers() -> None:
    one, several = small_scorer(), small_ensemble(COUNT)
    assert isinstance(several, Scorer)
    assert several.state_size == COUNT * (one.state_size - 1) + 1  # the number of frames is counted once
