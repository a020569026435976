"""What becomes of a graph's answers: which are kept, which are not valid, where they lie; and what it is given."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.errors import ModelError
from edge.features import FeatureSpec, Mel
from edge.model.model import SCHEMA, Model
from edge.model.specs import Variant
from edge.types import Chunk, Scores
from tests.edge.small_graph import small_model

SPEC = FeatureSpec(hop_samples=64, bands=8, analysis=Mel(windows_samples=(128,), fft_size=256), offset=(-60.0,))
# Three score frames of two frames; the chunk that starts at frame f decides [f - 4, f + 2).
CHUNK = {"chunk_frames": 6, "lookahead_frames": 4, "score_frames": 2}
GROUP = {
    "name": "continuous",
    "classes": ["wheeze"],
    "median_frames": 1,
    "keep": 1.0,
    "confirm_frames": 1,
    "quiet_frames": 1,
}
METADATA: dict[str, Any] = {
    "chunk": CHUNK,
    "classes": ["wheeze", "breath"],
    "groups": [GROUP],
    "thresholds": {"wheeze": 0.5},
    "calibration": {},
    "training_data": "f" * 64,
    "card": {"id": "made by hand"},
}


class Graph:
    """Stands for a runtime that answers with the numbers it was given."""

    name = "by hand"

    def __init__(self, answers: NDArray[np.float32], **changed: Any) -> None:
        texts = {key: json.dumps(value) for key, value in {**METADATA, **changed}.items() if value is not None}
        texts |= {"schema": SCHEMA, "features": SPEC.to_json()}
        self.metadata = {f"laennec.{key}": text for key, text in texts.items()}
        self.inputs: dict[str, list[int | str | None]] = {
            "frames": ["B", 6, SPEC.width],
            "valid": ["B", 6],
            "state": ["B", 2],
        }
        self.outputs: dict[str, list[int | str | None]] = {"scores": ["B", 3, 2], "next_state": ["B", 2]}
        self.answers = answers
        self.after = np.ones(2, np.float32)
        self.given: list[list[float]] = []  # states

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], state: NDArray[np.float32]
    ) -> dict[str, NDArray[np.float32]]:
        assert (frames.shape, valid.shape, valid.dtype) == ((1, 6, SPEC.width), (1, 6), np.float32)
        self.given.append(state[0].tolist())
        found = {"scores": self.answers[None], "next_state": (state + self.after).astype(np.float32)}
        if "clip" in self.outputs:
            found["clip"] = state
        return found


ANSWERS = np.arange(6, dtype=np.float32).reshape(3, 2) / 16


def _chunk(lost: tuple[int, ...] = (), start: int = 120, restart: bool = False) -> Chunk:
    """A chunk that decides six frames, of which some were lost."""
    decided = np.array([i not in lost for i in range(6)], np.bool_)
    return Chunk(start, np.zeros((6, SPEC.width), np.float32), np.ones(6, np.bool_), decided, restart)


def _score(answers: NDArray[np.float32] = ANSWERS, lost: tuple[int, ...] = (), start: int = 120) -> Scores:
    model = Model(b"", Graph(answers))
    return model.score(_chunk(lost, start), model.new_state())[0]


def _rows(scores: Scores) -> list[tuple[int, list[float], bool]]:
    return [(scores.start + t, scores.values[t].tolist(), bool(scores.valid[t])) for t in range(len(scores.valid))]


FIRST, MIDDLE, LAST = (58, [0.0, 0.0625], True), (59, [0.125, 0.1875], True), (60, [0.25, 0.3125], True)


def test_the_scores_of_the_decided_frames_are_kept_and_lie_where_those_lie() -> None:
    # The chunk starts at score frame 60, the lookahead is 2
    assert _rows(_score()) == [FIRST, MIDDLE, LAST]
    assert _score(start=-6).start == -5


def test_scores_that_are_no_numbers_were_not_measurable() -> None:
    answers = ANSWERS.copy()
    answers[1, 1] = np.nan
    assert _rows(_score(answers)) == [FIRST, (59, [0, 0], False), LAST]
    answers[1, 1] = np.inf
    assert _score(answers).valid.tolist() == [True, False, True]
    assert _rows(_score(np.full_like(ANSWERS, np.nan))) == []


def test_a_score_frame_is_measurable_when_all_of_its_frames_are_valid() -> None:
    middle = [FIRST, (59, [0, 0], False), LAST]
    assert _rows(_score(lost=(2,))) == _rows(_score(lost=(3,))) == _rows(_score(lost=(2, 3))) == middle


def test_what_is_not_measurable_at_either_end_is_left_out() -> None:
    assert _rows(_score(lost=(0,))) == [MIDDLE, LAST]
    assert _rows(_score(lost=(5,))) == [FIRST, MIDDLE]
    assert _rows(_score(lost=(0, 5))) == [MIDDLE]
    assert _rows(_score(lost=(0, 2, 4))) == []


def test_each_chunk_is_heard_with_the_state_that_the_one_before_left() -> None:
    model = Model(b"", graph := Graph(ANSWERS))
    state = model.new_state()
    for restart in (True, False, False, True, False):
        _, state = model.score(_chunk(restart=restart), state)
    assert graph.given == [[0, 0], [1, 1], [2, 2], [0, 0], [1, 1]]
    assert state.tolist() == [2, 2]
    assert model.new_state().tolist() == [0, 0]


def test_nothing_is_measurable_in_a_chunk_that_leaves_a_state_that_is_no_number() -> None:
    model = Model(b"", graph := Graph(ANSWERS))
    graph.after = np.float32([0, np.nan])
    scores, state = model.score(_chunk(), model.new_state())
    assert _rows(scores) == []
    assert not np.isfinite(state).all()


def test_frames_that_are_no_numbers_spoil_the_chunk_and_the_state_of_a_real_graph() -> None:
    model, rng = small_model(), np.random.default_rng(0)
    is_valid = np.ones(4, np.bool_)
    chunk = Chunk(4, rng.normal(0, 1, (4, 8)).astype(np.float32), is_valid, is_valid)
    scores, state = model.score(chunk, model.new_state())
    assert (scores.valid.all(), np.isfinite(state).all()) == (True, True)
    chunk.values[1, 2] = np.nan
    scores, state = model.score(chunk, state)
    assert (len(scores.valid), np.isfinite(state).all()) == (0, False)


def test_a_model_without_an_answer_for_clips_says_so_and_one_with_it_gives_that_of_the_last_chunk() -> None:
    tasks = {"labels": ["Normal"]}
    lacks_output, has_both = Graph(ANSWERS, tasks=tasks), Graph(ANSWERS, tasks=tasks)
    has_both.outputs["clip"] = ["B", 2]
    for graph in (Graph(ANSWERS), lacks_output):
        with pytest.raises(ModelError, match="made by hand: expected the output `clip` and its labels"):
            Model(b"", graph).clip_log_probabilities([_chunk()])
    model = Model(b"", has_both)
    clip = [_chunk(restart=True), _chunk(), _chunk(restart=True)]  # a clip is one, whatever silence is in it
    assert model.clip_log_probabilities(clip).tolist() == [2, 2]
    assert model.clip_log_probabilities(clip[:1]).tolist() == [0, 0]


def test_the_metadata_are_what_the_model_says() -> None:
    model = Model(b"abc", Graph(ANSWERS, trained_on=["x"]))
    assert (model.id, model.runtime, model.rate_hz, model.score_hop_samples) == ("made by hand", "by hand", 8000, 128)
    assert (model.classes, model.event_classes, model.thresholds) == (
        ("wheeze", "breath"),
        ("wheeze",),
        {"wheeze": 0.5},
    )
    assert (model.trained_on, model.tasks, model.variant) == (["x"], None, Variant())
    assert model.sha256.startswith("ba7816bf")  # of "abc", FIPS 180-2
    assert Model(b"abc", Graph(ANSWERS, card={})).id == model.sha256[:12]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": ["breath"]}, "disagree"),
        ({"thresholds": {"wheeze": 0.5, "breath": 0.5}}, "disagree"),
        ({"thresholds": {}}, "disagree"),
        ({"card": None, "groups": None}, "missing: groups, card"),
        ({"chunk": {**CHUNK, "chunk_frames": 5}}, "metadata not understood: chunk: score_frames must divide"),
        ({"chunk": {**CHUNK, "chunk_frames": 8}}, r"graph does not fit .*\[8, 8\]"),
        ({"classes": ["wheeze", "breath", "rhonchus"]}, r"graph does not fit .*\[3, 3\]"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_metadata_that_disagree_with_themselves_or_the_graph_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Model(b"", Graph(ANSWERS, **changed))


@pytest.mark.parametrize(
    ("of", "name", "shape"),
    [
        ("inputs", "state", ["B", "S"]),
        ("inputs", "state", ["B", 3]),
        ("inputs", "valid", ["B", 5]),
        ("outputs", "next_state", None),
        ("inputs", "state", None),
    ],
)
def test_a_graph_without_a_state_of_one_size_is_refused(of: str, name: str, shape: list[int | str | None]) -> None:
    graph = Graph(ANSWERS)
    getattr(graph, of).pop(name)
    getattr(graph, of).update({name: shape} if shape else {})
    with pytest.raises(ModelError, match="graph does not fit its metadata: expected"):
        Model(b"", graph)


VARIANT = {
    "name": "cpu-int8",
    "runtime": "onnxruntime",
    "precision": "int8",
    "parent": "a",
    "checkpoint": "b",
    "calibration": {"seed": 1},
    "made_with": {"onnx": "1.18"},
}


def test_a_variant_is_read_whole_or_refused() -> None:
    expected = Variant("cpu-int8", "onnxruntime", "int8", "a", "b", {"seed": 1}, {"onnx": "1.18"})
    assert Variant.from_json(json.dumps(VARIANT)) == expected
    assert Model(b"", Graph(ANSWERS, variant=VARIANT)).variant == expected
    for key in VARIANT:
        with pytest.raises(ModelError, match=rf"metadata not understood: laennec\.variant: KeyError\('{key}'\)"):
            Variant.from_json(json.dumps({k: v for k, v in VARIANT.items() if k != key}))
    with pytest.raises(ModelError, match=r"laennec\.variant: .*expected text, found .*'name': 3"):
        Variant.from_json(json.dumps({**VARIANT, "name": 3}))
    with pytest.raises(ModelError, match=r"laennec\.variant: TypeError"):
        Variant.from_json("[]")
