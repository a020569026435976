"""A real artefact that is small enough to be understood: it scores how loud the frames are, and remembers for ever.

Chunks of four frames, four of lookahead, two frames to a score frame; S is 5: what it remembers of all chunks, and the
level of each of the last four frames, which the next chunk decides. A chunk of mean level x is remembered as exp(3 x),
and half of it at the next. The score of both classes is sigmoid(mean level of the score frame + what is remembered).
So a level of 30 is too much for its numbers, and what is not finite stays in its state for ever.
"""

from __future__ import annotations

import json

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge.features import FeatureSpec, Mel
from edge.model.backends.onnx import OnnxBackend
from edge.model.model import SCHEMA, Model
from edge.model.onnx_file import seal

FLOAT = TensorProto.FLOAT
CHUNK = {"chunk_frames": 4, "lookahead_frames": 4, "score_frames": 2}
SPEC = FeatureSpec(hop_samples=64, bands=8, analysis=Mel(windows_samples=(128,), fft_size=256), offset=(-60.0,))
GROUP = {
    "name": "continuous",
    "classes": ["wheeze"],
    "median_frames": 1,
    "keep": 1.0,
    "confirm_frames": 1,
    "quiet_frames": 1,
}
STATE = 5  # S


def small_model(spec: FeatureSpec = SPEC) -> Model:
    """The artefact in onnxruntime."""
    content = small_artefact(spec)
    return Model(content, OnnxBackend(content))


def small_artefact(spec: FeatureSpec = SPEC) -> bytes:
    """The artefact, sealed."""
    model = helper.make_model(_graph(spec.width), opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    metadata = {
        "chunk": CHUNK,
        "classes": ["wheeze", "breath"],
        "groups": [GROUP],
        "thresholds": {"wheeze": 0.5},
        "calibration": {},
        "training_data": "f" * 64,
        "card": {"id": "small"},
        "tasks": {"labels": ["level"]},
    }
    texts = {key: json.dumps(value) for key, value in metadata.items()}
    for key, text in {**texts, "schema": SCHEMA, "features": spec.to_json()}.items():
        model.metadata_props.add(key=f"laennec.{key}", value=text)
    onnx.checker.check_model(model)
    return seal(model.SerializeToString(deterministic=True))


def chunk_batch(count: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Frames, valid and state of the next chunk of so many streams."""
    rng = np.random.default_rng(seed)
    valid = (rng.random((count, 4)) < 0.95).astype(np.float32)
    frames = rng.normal(0, 1, (count, 4, SPEC.width)).astype(np.float32) * valid[:, :, None]
    return frames, valid, rng.normal(0, 1, (count, STATE)).astype(np.float32)


def _graph(width: int) -> onnx.GraphProto:
    constants = {
        "bands": np.array([2]),
        "frames_axis": np.array([1]),
        "parts": np.array([1, 4]),
        "pairs": np.array([-1, 2, 2]),
        "half": np.float32([[0.5]]),
        "steep": np.float32([[3.0]]),
        "both": np.array([1, 1, 2]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["frames", "bands"], ["level"], keepdims=0),
        helper.make_node("Split", ["state", "parts"], ["remembered", "waiting"], axis=1),
        helper.make_node("Reshape", ["waiting", "pairs"], ["of_score_frames"]),
        helper.make_node("ReduceMean", ["of_score_frames", "bands"], ["decided"], keepdims=0),
        helper.make_node("Add", ["decided", "remembered"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["score"]),
        helper.make_node("Unsqueeze", ["score", "bands"], ["column"]),
        helper.make_node("Tile", ["column", "both"], ["scores"]),
        helper.make_node("ReduceMean", ["level", "frames_axis"], ["new"], keepdims=1),
        helper.make_node("Mul", ["remembered", "half"], ["kept"]),
        helper.make_node("Mul", ["new", "steep"], ["exponent"]),
        helper.make_node("Exp", ["exponent"], ["power"]),
        helper.make_node("Add", ["kept", "power"], ["clip"]),
        helper.make_node("Concat", ["clip", "level"], ["next_state"], axis=1),
    ]
    shapes = {"frames": [4, width], "valid": [4], "state": [STATE]}
    answers = {"scores": [2, 2], "clip": [1], "next_state": [STATE]}

    def tensors(of: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
        return [helper.make_tensor_value_info(name, FLOAT, ["B", *shape]) for name, shape in of.items()]

    initial = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return helper.make_graph(nodes, "small", tensors(shapes), tensors(answers), initial)
