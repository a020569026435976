"""Export: the artefact says what torch says, through the whole edge path, and names nothing of this machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.features import FrontEnd
from edge.model.backends.onnx import OnnxBackend
from edge.model.model import Model
from edge.model.specs import Variant
from edge.types import Block, Scores
from export.artefacts import strip, to_artefact, to_graph, weights_sha256
from export.parity import as_at_a_bed
from export.rules import OPSET
from tests.export.networks import BIAS, RECIPE, SCALE, small_metadata, small_scorer
from training.detector.inference import stream_logits
from training.detector.model import Scorer, class_scores
from training.synthetic.scene import scene


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return small_scorer()


@pytest.fixture(scope="module")
def graph(scorer: Scorer) -> onnx.ModelProto:
    return to_graph(scorer, scorer.state_size, small_metadata())


@pytest.fixture(scope="module")
def content(graph: onnx.ModelProto) -> bytes:
    return to_artefact(graph, small_metadata(), Variant())


@pytest.mark.parity
def test_the_edge_gives_the_scores_that_training_gives(scorer: Scorer, content: bytes) -> None:
    samples: NDArray[np.float32] = np.asarray(scene(5, 9.0)[0], np.float32)
    got: list[Scores] = []
    pipeline = Pipeline(Model(content, OnnxBackend(content)), observe=got.append)
    pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_)))
    pipeline.flush()
    sound = as_at_a_bed(samples, np.ones(len(samples), np.bool_), FrontEnd(RECIPE.features))
    logits = torch.from_numpy(stream_logits(scorer.detector, sound.frames, sound.valid))
    expected = class_scores(logits, torch.tensor(SCALE), torch.tensor(BIAS)).numpy()
    values = np.concatenate([s.values for s in got])
    first = got[0].start
    assert first == 1  # the high-pass settles for 26 ms: the bed does not score the frame in which it does
    np.testing.assert_allclose(values, expected[first : first + len(values)], atol=1e-5)
    assert len(expected) - first - len(values) <= 1  # the last score frame may be heard in part


def test_the_artefact_names_no_path_and_uses_one_opset(content: bytes) -> None:
    graph = onnx.load_from_string(content)
    assert not any(node.metadata_props or node.doc_string for node in graph.graph.node)
    assert str(Path.cwd()).encode() not in content
    assert b".py" not in content
    assert [(o.domain, o.version) for o in graph.opset_import] == [("", OPSET)]
    assert not {n.op_type for n in graph.graph.node} & {"GRU", "LSTM", "Loop", "If", "NonZero", "BatchNormalization"}


def _exported_again() -> bytes:
    scorer, metadata = small_scorer(), small_metadata()
    return to_artefact(to_graph(scorer, scorer.state_size, metadata), metadata, Variant())


def test_the_batch_is_free(scorer: Scorer, content: bytes) -> None:
    backend, rng = OnnxBackend(content), np.random.default_rng(0)
    for batch in (1, 3, 8):
        frames = rng.normal(size=(batch, RECIPE.chunk.chunk_frames, RECIPE.features.width)).astype(np.float32)
        found = backend.run(
            frames, np.ones(frames.shape[:2], np.float32), np.zeros((batch, scorer.state_size), np.float32)
        )
        assert {name: values.shape for name, values in found.items()} == {
            "scores": (batch, RECIPE.chunk.scores, 6),
            "clip": (batch, 7),
            "next_state": (batch, scorer.state_size),
        }


@pytest.mark.rest
def test_two_exports_of_one_network_are_equal_byte_for_byte(content: bytes) -> None:
    assert _exported_again() == content


@pytest.mark.rest
def test_no_build_of_torch_changes_an_artefact(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "__version__", torch.__version__.partition("+")[0] + "+another")
    assert _exported_again() == content


def test_an_artefact_says_which_variant_it_is(graph: onnx.ModelProto) -> None:
    calibration = {"chunks": 3, "seed": 1, "sha256": "c" * 64}
    variant = Variant("cpu-int8", "onnxruntime", "int8", "a" * 64, "b" * 64, calibration, {"onnx": "1.0"})
    content = to_artefact(graph, small_metadata(), variant)
    assert not graph.metadata_props
    assert Model(content, OnnxBackend(content)).variant == variant


def test_the_hash_of_weights_is_of_their_numbers_and_names() -> None:
    assert weights_sha256(small_scorer()) == weights_sha256(small_scorer())
    assert weights_sha256(small_scorer()) != weights_sha256(small_scorer(4))
    changed = small_scorer()
    with torch.no_grad():
        next(changed.parameters()).view(-1)[0] += 1e-6
    assert weights_sha256(changed) != weights_sha256(small_scorer())


def test_opsets_that_no_node_uses_are_left_out(content: bytes) -> None:
    graph = onnx.load_from_string(content)
    graph.opset_import.add(domain="com.microsoft", version=1)
    assert [o.domain for o in strip(graph).opset_import] == [""]
