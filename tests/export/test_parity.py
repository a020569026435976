"""Parity: each bound can be broken, and what breaks it is named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.artefact.backends.onnx import OnnxBackend
from edge.artefact.model import DEFAULT_PATH, Model
from edge.features import FrontEnd
from edge.types import Event
from export.acceptance import golden_comparison
from export.calibration import Sample
from export.golden import differences, golden_events, golden_sounds, sample_of
from export.parity import LOST, ComparisonSet, decisions, distance, streamed
from export.validation import lost
from training.frames import extract
from training.synthetic.scene import scene


class Changed:
    """The default artefact, its answers changed by a function."""

    def __init__(self, backend: OnnxBackend, change: object) -> None:
        self._backend, self._change = backend, change
        self.name, self.metadata, self.inputs, self.outputs = "", backend.metadata, backend.inputs, backend.outputs

    def run(
        self, frames: NDArray[np.float32], valid: NDArray[np.float32], output: str = "scores"
    ) -> NDArray[np.float32]:
        values = self._backend.run(frames, valid, output)
        changed: NDArray[np.float32] = self._change(values, output, len(frames))  # type: ignore[operator]
        return changed


@pytest.fixture(scope="module")
def backend() -> OnnxBackend:
    return OnnxBackend(DEFAULT_PATH.read_bytes())


@pytest.fixture(scope="module")
def model(backend: OnnxBackend) -> Model:
    return Model(DEFAULT_PATH.read_bytes(), backend)


@pytest.fixture(scope="module")
def compared(model: Model) -> ComparisonSet:
    whole = golden_comparison(model)
    few = slice(0, 24)
    return replace(
        whole,
        windows=Sample(whole.windows.frames[few], whole.windows.valid[few], 0),
        clips=Sample(whole.clips.frames[few], whole.clips.valid[few], 0),
    )


def test_an_artefact_is_at_no_distance_from_itself(backend: OnnxBackend, model: Model, compared: ComparisonSet) -> None:
    found = distance(backend, backend, compared, model)
    assert (found.largest, found.mean, found.top1, found.decisions, found.clip_top1) == (0, 0, 1, 1, 1)
    assert found.failed() == []


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (lambda v, o, _: v[..., ::-1].copy() if o == "scores" else v, {"cosine", "top1", "decisions"}),
        (lambda v, o, _: v[..., ::-1].copy() if o == "clip" else v, {"clip_cosine", "clip_top1"}),
        (lambda v, o, _: np.full_like(v, np.nan) if o == "scores" else v, {"cosine", "top1"}),
        (lambda v, o, _: v * 0.1 if o == "scores" else v, {"decisions"}),
        (lambda v, o, _: v * 2.0 if o == "clip" else v, set()),
    ],
)  # fmt: skip
def test_what_differs_too_much_is_named(
    backend: OnnxBackend, model: Model, compared: ComparisonSet, change: object, broken: set[str]
) -> None:
    failed = distance(backend, Changed(backend, change), compared, model).failed()
    assert broken <= {said.split()[0] for said in failed}
    assert bool(failed) == bool(broken)


def test_what_would_open_is_the_highest_class_that_reaches_its_threshold(model: Model) -> None:
    named = {name: i for i, name in enumerate(model.classes)}
    scores = np.zeros((4, len(named)), np.float32)
    scores[1, named["wheeze"]], scores[1, named["stridor"]] = 0.3, 0.5
    scores[2, named["fine_crackle"]] = model.thresholds["fine_crackle"] - 0.01
    scores[3, named["coarse_crackle"]] = 0.9
    assert decisions(scores, model).tolist() == [
        [-1, -1],
        [named["stridor"], -1],
        [-1, -1],
        [-1, named["coarse_crackle"]],
    ]


def test_streamed_and_offline_scores_are_the_same(backend: OnnxBackend, model: Model) -> None:
    assert streamed(model, backend, np.asarray(scene(7, 6.0)[0], np.float32)) < 1e-5


def test_scores_that_depend_on_the_size_of_a_batch_are_noticed(backend: OnnxBackend, model: Model) -> None:
    wrong = Changed(backend, lambda values, _, batch: values + np.float32(0.01 * (batch > 1)))
    assert streamed(model, wrong, np.asarray(scene(7, 6.0)[0], np.float32)) == pytest.approx(0.01, rel=0.1)


def test_windows_of_a_sound_decide_every_frame_of_it(model: Model) -> None:
    sample, spec = sample_of([np.zeros(8 * model.rate_hz, np.float32)], model), model.window
    first = spec.window_frames - spec.lookahead_frames - spec.hop_frames
    decided = sample.valid[:, first : first + spec.hop_frames].sum()
    frames = extract(np.zeros(8 * model.rate_hz, np.float32), FrontEnd(model.spec))
    assert decided == len(frames)


def _event(label: str, onset_s: float, end_s: float) -> Event:
    return Event("end", label, round(8000 * onset_s), round(8000 * end_s), 0.5, 0.5, 0.3, "quiet")


def test_events_are_alike_when_they_begin_and_end_within_the_collar() -> None:
    expected = [_event("wheeze", 1.0, 2.0)]
    assert differences(expected, [_event("wheeze", 1.19, 1.81)], 8000) == []
    assert "wheeze at 1.00 s" in differences(expected, [_event("wheeze", 1.21, 2.0)], 8000)[0]
    assert "found at 1.00 s to 2.21 s" in differences(expected, [_event("wheeze", 1.0, 2.21)], 8000)[0]


def test_another_sound_and_a_missing_one_are_differences() -> None:
    expected = [_event("wheeze", 1.0, 2.0)]
    assert differences(expected, [_event("stridor", 1.0, 2.0)], 8000) == ["expected wheeze; found stridor"]
    assert differences(expected, [], 8000) == ["expected wheeze; found nothing"]


def test_golden_sounds_are_the_same_each_time_and_hold_events(model: Model) -> None:
    sounds = golden_sounds(model.rate_hz)
    assert len({sound.name for sound in sounds}) == len(sounds) >= 8
    assert len(golden_events(model, sounds[0])) >= 3


def test_a_metric_may_lose_half_a_point_and_rates_are_no_metrics() -> None:
    expected = {"event F1 continuous": 0.40, "record AUC": 0.9, "false alarms per hour Normal": 5.0}
    enough = {"event F1 continuous": 0.40 - LOST + 1e-9, "record AUC": 0.99, "false alarms per hour Normal": 1.0}
    assert lost(expected, enough) == []
    less = lost(expected, enough | {"event F1 continuous": 0.394})
    assert less == ["event F1 continuous 0.3940 instead of 0.4000, at most 0.005 less"]
    assert len(lost(expected, {})) == 2
