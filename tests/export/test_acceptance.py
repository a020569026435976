"""Validation: a fold is heard by its own network through the graph, and no metric may lose more than half a point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from export.acceptance import lost, measure, score_fold
from export.artefacts import FP32, PTQ
from export.checkpoint import Checkpoint
from export.parity import LOST
from export.recordings import HeldoutFold
from export.streams import Sound
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


def test_a_metric_may_lose_half_a_point_and_rates_are_no_metrics() -> None:
    expected = {"event F1 continuous": 0.40, "record AUC": 0.9, "false alarms per hour Normal": 5.0}
    enough = {"event F1 continuous": 0.40 - LOST + 1e-9, "record AUC": 0.99, "false alarms per hour Normal": 1.0}
    assert lost(expected, enough) == []
    less = lost(expected, enough | {"event F1 continuous": 0.394})
    assert less == ["event F1 continuous 0.3940 instead of 0.4000, at most 0.005 less"]
    assert len(lost(expected, {})) == 2
