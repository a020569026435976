"""What becomes of a graph's answers: which are kept, which are not valid, where they lie."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.artefact.model import SCHEMA, Model, Variant
from edge.errors import ModelError
from edge.features import FeatureSpec, Mel
from edge.types import Scores, Window

SPEC = FeatureSpec(hop_samples=64, bands=8, analysis=Mel(windows_samples=(128,), fft_size=256), offset=(-60.0,))
# Five score frames of two frames; the window that starts at frame s decides [s + 2, s + 8): score frames 1, 2 and 3.
WINDOW = {"window_frames": 10, "hop_frames": 6, "lookahead_frames": 2, "score_frames": 2}
GROUP = {
    "name": "continuous", "classes": ["wheeze"],
    "median_frames": 1, "keep": 1.0, "confirm_frames": 1, "quiet_frames": 1,
}  # fmt: skip
METADATA: dict[str, Any] = {
    "window": WINDOW, "classes": ["wheeze", "breath"], "groups": [GROUP],
    "thresholds": {"wheeze": 0.5}, "calibration": {}, "training_data": "f" * 64, "card": {"id": "made by hand"},
}  # fmt: skip


class Graph:
    """Stands for a runtime that answers with the numbers it was given."""

    name = "by hand"

    def __init__(self, answers: NDArray[np.float32], **changed: Any) -> None:
        texts = {key: json.dumps(value) for key, value in {**METADATA, **changed}.items() if value is not None}
        texts |= {"schema": SCHEMA, "features": SPEC.to_json()}
        self.metadata = {f"laennec.{key}": text for key, text in texts.items()}
        self.inputs: dict[str, list[int | str | None]] = {"frames": ["B", 10, SPEC.width], "valid": ["B", 10]}
        self.outputs: dict[str, list[int | str | None]] = {"scores": ["B", 5, 2]}
        self.answers = answers
        self.asked: list[str] = []

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], output: str = "scores"
    ) -> NDArray[np.float32]:
        assert (frames.shape, valid.shape, valid.dtype) == ((1, 10, SPEC.width), (1, 10), np.float32)
        self.asked.append(output)
        return self.answers[None]


ANSWERS = np.arange(10, dtype=np.float32).reshape(5, 2) / 16


def _score(answers: NDArray[np.float32] = ANSWERS, lost: tuple[int, ...] = (), start: int = 120) -> Scores:
    valid = np.array([i not in lost for i in range(10)], np.bool_)
    return Model(b"", Graph(answers)).score(Window(start, np.zeros((10, SPEC.width), np.float32), valid))


def _rows(scores: Scores) -> list[tuple[int, list[float], bool]]:
    return [(scores.start + t, scores.values[t].tolist(), bool(scores.valid[t])) for t in range(len(scores.valid))]


def test_the_scores_of_the_decided_frames_are_kept_and_lie_where_those_lie() -> None:
    # The window starts at score frame 60, so it decides 61 to 63
    assert _rows(_score()) == [(61, [0.125, 0.1875], True), (62, [0.25, 0.3125], True), (63, [0.375, 0.4375], True)]
    assert _score(start=-6).start == -2


def test_scores_that_are_no_numbers_were_not_heard() -> None:
    answers = ANSWERS.copy()
    answers[2, 1] = np.nan
    assert _rows(_score(answers)) == [(61, [0.125, 0.1875], True), (62, [0, 0], False), (63, [0.375, 0.4375], True)]
    answers[2, 1] = np.inf
    assert _score(answers).valid.tolist() == [True, False, True]
    assert _rows(_score(np.full_like(ANSWERS, np.nan))) == []
    answers[:] = ANSWERS
    answers[[0, 4]] = np.nan  # not decided by this window
    assert _score(answers).valid.tolist() == [True, True, True]


def test_a_score_frame_is_heard_when_all_of_its_frames_were() -> None:
    middle = [(61, [0.125, 0.1875], True), (62, [0, 0], False), (63, [0.375, 0.4375], True)]
    assert _rows(_score(lost=(4,))) == _rows(_score(lost=(5,))) == _rows(_score(lost=(4, 5))) == middle
    assert _score(lost=(0, 1, 8, 9)).valid.all()  # past and lookahead may be lost


def test_what_was_not_heard_at_either_end_is_left_out() -> None:
    assert _rows(_score(lost=(2,))) == [(62, [0.25, 0.3125], True), (63, [0.375, 0.4375], True)]
    assert _rows(_score(lost=(7,))) == [(61, [0.125, 0.1875], True), (62, [0.25, 0.3125], True)]
    assert _rows(_score(lost=(2, 7))) == [(62, [0.25, 0.3125], True)]
    assert _rows(_score(lost=(2, 4, 6))) == []


def test_a_model_without_an_answer_for_clips_says_so_and_one_with_it_gives_it() -> None:
    window = Window(0, np.zeros((10, SPEC.width), np.float32), np.ones(10, np.bool_))
    tasks = {"labels": ["Normal"]}
    lacks_output, has_both = Graph(ANSWERS, tasks=tasks), Graph(ANSWERS[0], tasks=tasks)
    has_both.outputs["clip"] = ["B", 2]
    for graph in (Graph(ANSWERS), lacks_output):
        with pytest.raises(ModelError, match="made by hand: expected the output `clip` and its labels"):
            Model(b"", graph).clip_log_probabilities(window)
    assert Model(b"", has_both).clip_log_probabilities(window).tolist() == ANSWERS[0].tolist()
    assert has_both.asked == ["clip"]


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
        ({"window": {**WINDOW, "hop_frames": 5}}, "metadata not understood: window: score_frames must divide"),
        ({"window": {**WINDOW, "window_frames": 12}}, r"graph does not fit .*\(?\[12, 8\]"),
        ({"classes": ["wheeze", "breath", "rhonchus"]}, r"graph does not fit .*\[5, 3\]"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_metadata_that_disagree_with_themselves_or_the_graph_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Model(b"", Graph(ANSWERS, **changed))


VARIANT = {
    "name": "cpu-int8", "runtime": "onnxruntime", "precision": "int8", "parent": "a", "checkpoint": "b",
    "calibration": {"seed": 1}, "made_with": {"onnx": "1.18"},
}  # fmt: skip


def test_a_variant_is_read_whole_or_refused() -> None:
    expected = Variant("cpu-int8", "onnxruntime", "int8", "a", "b", {"seed": 1}, {"onnx": "1.18"})
    assert Variant.from_json(json.dumps(VARIANT)) == expected
    assert Model(b"", Graph(ANSWERS, variant=VARIANT)).variant == expected
    for key in VARIANT:
        with pytest.raises(ModelError, match=rf"metadata not understood: laennec\.variant: KeyError\('{key}'\)"):
            Variant.from_json(json.dumps({k: v for k, v in VARIANT.items() if k != key}))
    with pytest.raises(ModelError, match=r"laennec\.variant: expected text, found .*'name': 3"):
        Variant.from_json(json.dumps({**VARIANT, "name": 3}))
    with pytest.raises(ModelError, match=r"laennec\.variant: TypeError"):
        Variant.from_json("[]")
