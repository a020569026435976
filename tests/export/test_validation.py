"""Validation: a fold is heard by its own network through the graph; what fails with ranges alone is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from export import exporting
from export.acceptance import ArtefactResult, EvaluationData, HeldoutFold, measure, score_fold, validation_note
from export.build import FP32, PTQ, QAT
from export.build import make as build_all
from export.checkpoint import Checkpoint
from export.exporting import _Export
from export.parity import ComparisonSet, Sound
from tests.export.networks import RECIPE, small_sounds
from tests.export.runs import make_run
from training.datasets import Annotation, Recording
from training.detector.inference import stream_logits
from training.detector.model import class_scores


def _recordings() -> tuple[Recording, ...]:
    wheeze, normal = Annotation(0.5, 2.0, ("wheeze",)), Annotation(0.3, 1.5, ())
    return Recording(Path("a.wav"), "a", "CAS", (wheeze,)), Recording(Path("b.wav"), "b", "Normal", (normal,))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return Checkpoint.open(make_run(tmp_path_factory.mktemp("runs") / "small"))


@pytest.fixture(scope="module")
def fold() -> HeldoutFold:
    rng = np.random.default_rng(0)
    frames = tuple(rng.normal(0, 1, (count, RECIPE.features.width)).astype(np.float16) for count in (400, 333))
    return HeldoutFold(0, small_sounds(), _recordings(), tuple(Sound.whole(one) for one in frames))


@pytest.mark.rest
@pytest.mark.parity
def test_a_fold_has_the_same_scores_by_the_graph_as_by_its_network_in_torch(
    checkpoint: Checkpoint, fold: HeldoutFold
) -> None:
    scores_of = score_fold(checkpoint, fold, [FP32], PTQ)
    scorer = checkpoint.scorer("fold-0")
    for sound, scores in zip(fold.sounds, scores_of[FP32], strict=True):
        logits = torch.from_numpy(stream_logits(scorer.detector, sound.frames))
        np.testing.assert_allclose(scores, class_scores(logits, scorer.scale, scorer.bias), atol=1e-5)


def test_perfect_scores_have_perfect_metrics_and_silence_has_none(checkpoint: Checkpoint) -> None:
    length = 120
    perfect = np.zeros((2, length, 6), np.float32)
    perfect[0, round(0.5 / RECIPE.frame_s) : round(2.0 / RECIPE.frame_s), 0] = 0.9
    metrics = measure(checkpoint, _recordings(), list(perfect))
    assert metrics["event F1 continuous"] == metrics["segment F1 continuous"] == metrics["record AUC"] == 1.0
    assert metrics["false alarms per hour Normal"] == 0.0
    assert measure(checkpoint, _recordings(), list(0 * perfect))["event F1 continuous"] == 0.0


def test_it_says_on_whom_it_was_validated_or_why_on_nobody(checkpoint: Checkpoint, fold: HeldoutFold) -> None:
    comparison = ComparisonSet(small_sounds(), small_sounds(), "noise")
    assert "2 chest recordings of 2 patients in 1 of 5 folds" in validation_note(
        checkpoint, EvaluationData(small_sounds(), comparison, (fold,))
    )
    assert "has no network that left patients out" in validation_note(
        checkpoint, EvaluationData(small_sounds(), comparison, ())
    )
    assert "give DATA=folder" in validation_note(checkpoint, None)


@dataclass
class Strict:
    """An acceptance that lets int8 for TensorRT pass only when it was trained."""

    made: list[str]
    comparison: ComparisonSet

    def check(self, name: str, content: bytes) -> ArtefactResult:
        failed = ["top1 0.98, at least 0.99"] if name.startswith("trt-int8") and QAT not in self.made else []
        return ArtefactResult(name, "", len(content), {}, None, None, 0.0, [], "", failed)


@pytest.mark.rest
def test_int8_for_tensorrt_is_trained_where_ranges_alone_do_not_keep_the_bounds(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    sounds = small_sounds(2)
    comparison = ComparisonSet(sounds, sounds, "noise")
    kept = build_all(checkpoint.scorer(), checkpoint.metadata(), None, [FP32])[FP32]

    def make(_scorer: object, _metadata: object, _sample: object, names: list[str], how: str) -> dict[str, bytes]:
        made.append(how)
        return dict.fromkeys(names, kept)

    monkeypatch.setattr(exporting, "make", make)
    monkeypatch.setattr(exporting, "Acceptance", lambda *_: Strict(made, comparison))
    monkeypatch.setattr("export.report.ROUNDS", (1, 1, 1))
    said: list[str] = []
    left_out = ("cpu-int8", "trt-int8-fp16")
    report = _Export(checkpoint, EvaluationData(sounds, comparison, ()), left_out, said.append).report({})
    assert made == [PTQ, QAT]
    assert report.int8 == {"trt-int8": QAT}
    assert report.failed == []
    assert any("trt-int8 top1 0.98, at least 0.99" in line for line in said)
