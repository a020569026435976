"""The artefacts that are committed are those of the committed report and checkpoint, and keep their bounds here too."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edge.artefact.backends.onnx import OnnxBackend
from edge.artefact.model import DEFAULT_PATH, Model, load_model
from edge.artefact.variants import variant_paths
from export.acceptance import BOUNDS
from export.build import KINDS, artefacts
from export.calibration import Sample
from export.check import conformance
from export.checkpoint import Checkpoint
from export.golden import clips_of, differences, golden_events, golden_sounds, sample_of
from export.onnx import to_graph, versions, weights_sha256
from export.parity import ComparisonSet, distance, from_torch
from export.validation import lost
from tests.export.graphs import taken_apart

RELEASED = Path(__file__).parents[2] / "training" / "released" / "default"
REPORT: dict[str, Any] = json.loads(DEFAULT_PATH.with_suffix(".report.json").read_text())
ARTEFACTS: list[dict[str, Any]] = REPORT["artefacts"]
FILES = {"fp32": DEFAULT_PATH, **variant_paths(DEFAULT_PATH)}
VARIANTS = [name for name in KINDS if name != "fp32"]


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint.open(RELEASED)


@pytest.fixture(scope="module")
def fp32() -> Model:
    return load_model(DEFAULT_PATH)


@pytest.fixture(scope="module")
def compared(fp32: Model) -> ComparisonSet:
    """Some windows and all clips of two golden sounds."""
    sounds = golden_sounds(fp32.rate_hz)[1:3]
    windows = sample_of([sound.samples for sound in sounds], fp32)
    few = slice(0, None, 3)
    return ComparisonSet(Sample(windows.frames[few], windows.valid[few], 0), clips_of(sounds, fp32), "golden sounds")


def test_every_committed_artefact_is_the_one_of_the_report_and_every_verdict_is_a_pass() -> None:
    assert [one["name"] for one in ARTEFACTS] == list(KINDS)
    assert set(FILES) == set(KINDS)
    assert {one["file"]: one["sha256"] for one in ARTEFACTS} == {p.name: load_model(p).sha256 for p in FILES.values()}
    assert REPORT["passes"] is True
    assert [one["name"] for one in ARTEFACTS if one["failed"] or not one["passes"]] == []


def test_the_bounds_of_the_report_are_those_of_today() -> None:
    assert REPORT["bounds"] == BOUNDS


def test_the_report_has_a_validation_and_no_metric_lost_more_than_the_bound() -> None:
    assert REPORT["validation"].startswith("Validation: ")
    expected = ARTEFACTS[0]["metrics"]
    assert {"record AUC", "event F1 continuous", "segment F1 discontinuous", "frame AP breath"} <= set(expected)
    assert {one["name"]: lost(expected, one["metrics"]) for one in ARTEFACTS} == {name: [] for name in KINDS}


def test_the_artefacts_are_of_the_released_weights_and_one_sample(checkpoint: Checkpoint) -> None:
    found = [load_model(path).variant for path in FILES.values()]
    assert {v.checkpoint for v in found} == {weights_sha256(checkpoint.scorer().detector)} == {REPORT["checkpoint"]}
    assert all(v.calibration == (REPORT["calibration"] if "int8" in v.name else None) for v in found)


def test_all_variants_say_the_same_of_everything_but_themselves(fp32: Model) -> None:
    for path in FILES.values():
        model = load_model(path)
        assert (model.spec, model.window, model.classes, model.groups) == (
            fp32.spec,
            fp32.window,
            fp32.classes,
            fp32.groups,
        )
        assert (model.thresholds, model.tasks, model.card) == (fp32.thresholds, fp32.tasks, fp32.card)


@pytest.mark.parity
def test_the_fp32_artefact_says_what_the_released_network_says(checkpoint: Checkpoint, compared: ComparisonSet) -> None:
    assert from_torch(checkpoint.scorer(), OnnxBackend(DEFAULT_PATH.read_bytes()), compared) <= BOUNDS["torch"]


@pytest.mark.parity
def test_the_released_checkpoint_gives_the_committed_artefact(checkpoint: Checkpoint, fp32: Model) -> None:
    scorer, metadata = checkpoint.scorer(), checkpoint.metadata()
    again = artefacts({"fp32": to_graph(scorer, metadata)}, metadata, scorer, None)["fp32"]
    if fp32.variant.made_with == versions(*KINDS["fp32"].packages):
        (made, numbers), (kept, expected) = taken_apart(again), taken_apart(DEFAULT_PATH.read_bytes())
        assert made == kept
        assert numbers.keys() == expected.keys()
        for name, values in expected.items():  # another processor folds batch norms to other last bits
            np.testing.assert_allclose(numbers[name], values, rtol=1e-5, atol=1e-7, err_msg=name)
    one, other = OnnxBackend(again), OnnxBackend(DEFAULT_PATH.read_bytes())
    rng = np.random.default_rng(0)
    frames = rng.normal(0, 1, (2, fp32.window.window_frames, fp32.spec.width)).astype(np.float32)
    valid = np.ones(frames.shape[:2], np.float32)
    np.testing.assert_allclose(one.run(frames, valid), other.run(frames, valid), atol=1e-6)


@pytest.mark.parity
@pytest.mark.parametrize("name", VARIANTS)
def test_a_committed_variant_keeps_its_rules_and_bounds_on_golden_sounds(
    name: str, fp32: Model, compared: ComparisonSet
) -> None:
    content = FILES[name].read_bytes()
    assert conformance(onnx.load_from_string(content), name) == []
    reference = OnnxBackend(DEFAULT_PATH.read_bytes())
    found = distance(reference, OnnxBackend(content), compared, fp32)
    assert found.clip_top1 >= 1 - 1.5 / len(compared.clips.frames), "one of so few clips may tip"
    assert replace(found, clip_top1=1.0).failed() == []


@pytest.mark.parity
@pytest.mark.golden
@pytest.mark.parametrize("name", VARIANTS)
def test_the_demo_has_the_same_events_in_every_variant(name: str, fp32: Model) -> None:
    demo = golden_sounds(fp32.rate_hz)[0]
    expected = golden_events(fp32, demo)
    assert len(expected) >= 3
    assert differences(expected, golden_events(load_model(FILES[name]), demo), fp32.rate_hz) == []
