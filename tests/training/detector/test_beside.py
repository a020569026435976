"""Sets on which nothing was chosen are judged by what their annotations say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.datasets import CLASSES, Annotation, Recording
from training.datasets.targets import frame_targets
from training.detector.beside import beside, cycle_set_metrics
from training.detector.hyperparameters import Recipe
from training.detector.thresholds import Calibration, Choice, Chosen, RecordingLogits, to_detection
from training.metrics.streaming import ScoredRecording

FRAME_S = 0.1
CYCLES = tuple(
    Annotation(start, start + 1.0, labels)
    for start, labels in ((0.0, ("wheeze",)), (1.0, ()), (2.0, ("wheeze", "crackle")), (3.0, ("crackle",)))
)


def _recording(patient: str) -> Recording:
    return Recording(Path(f"{patient}.wav"), patient, "CAS & DAS", CYCLES, dataset="icbhi", covers="cycle")


def _scored(patient: str, bursts: dict[int, float]) -> ScoredRecording:
    """Four seconds in which a wheeze is said in a few frames."""
    scores = np.zeros((40, len(CLASSES)), np.float32)
    for frame, value in bursts.items():
        scores[frame : frame + 2, CLASSES.index("wheeze")] = value
    return ScoredRecording(_recording(patient), scores, frame_targets(_recording(patient), 40, FRAME_S))


def test_a_short_wheeze_anywhere_in_its_cycle_counts_for_the_cycle() -> None:
    first = _scored("a", {7: 0.9, 12: 0.3, 25: 0.8})  # both cycles with a wheeze before the normal one
    second = _scored("b", {5: 0.2, 15: 0.5, 21: 0.9})  # one of them below it
    found = {m.name: m.estimate().value for m in cycle_set_metrics([(first, []), (second, [])], 8000, FRAME_S)}
    # Four cycles with a wheeze against four without (0, 0, .3, .5): only .2 loses, to two of them
    assert found["cycle AUC continuous"] == pytest.approx(14 / 16)
    assert found["cycle AUC discontinuous"] == pytest.approx(0.5)  # nothing was said of crackles


def test_each_set_is_reported_by_itself_with_the_choices_of_the_fold_that_it_is_in() -> None:
    chosen = {
        fold: Chosen(
            Calibration((1.0,) * 3, (0.0,) * 3),
            to_detection({"continuous": Choice(threshold), "discontinuous": Choice()}, Recipe()),
            (),
        )
        for fold, threshold in ((0, 0.2), (1, 0.9))
    }
    scored = []
    for fold, patient in enumerate(("a", "b")):
        logits = np.full((120, 8), -5.0, np.float32)
        logits[30:60, 1] = 0.0  # p = .5: an event where the threshold is .2
        logits[:, 3] = 20.0  # if anything, a wheeze
        targets = frame_targets(_recording(patient), 120, Recipe().frame_s)
        scored.append(RecordingLogits(_recording(patient), logits, targets, fold))
    found = beside(scored, chosen)
    assert list(found) == ["icbhi"]
    assert (found["icbhi"]["patients"], found["icbhi"]["recordings"]) == (2, 2)
    assert found["icbhi"]["validation"]["record sensitivity"] == 0.5
    assert not any("frame AP" in name or "event F1" in name for name in found["icbhi"]["validation"])
