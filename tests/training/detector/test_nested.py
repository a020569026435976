"""What judges a fold is chosen without it: nothing of its answers or its annotation reaches the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import training.detector.budget
from tests.training.detector.edge import RECIPE
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS, frame_targets
from training.detector.budget import nested_points
from training.detector.thresholds import RecordingLogits, calibrate, choose, cross_calibrated, halves, judged, nested

FEW = {"threshold": (0.1, 0.3, 0.5, 0.7), "step_frames": (6, 12)}


def _scores_of(patient: int, fold: int, label: str = "") -> RecordingLogits:
    """Four seconds with a wheeze and a crackle that the network hears more or less; every third one is Normal."""
    rng = np.random.default_rng(patient)
    label = label or ("Normal" if patient % 3 == 0 else "CAS & DAS")
    labels = () if label == "Normal" else ("wheeze", "fine_crackle")
    events = (Annotation(0.96, 1.92, labels), Annotation(2.4, 3.2, labels))
    recording = Recording(Path(f"{patient}.flac"), f"p{patient:02}", label, events)
    targets = frame_targets(recording, 125, RECIPE.frame_s)
    logits = (4 * (targets - 0.5) + rng.normal(0, 1.5, targets.shape) + 0.5 * (fold - 1)).astype(np.float32)
    return RecordingLogits(recording, logits, targets, fold)


def _ward() -> list[RecordingLogits]:
    return [_scores_of(patient, patient // 3 % 3) for patient in range(12)]


def _tampered(scored_sounds: Sequence[RecordingLogits], fold: int) -> list[RecordingLogits]:
    """One fold answered at random and annotated the other way round."""
    rng = np.random.default_rng(9)
    changed = []
    for one in scored_sounds:
        noise = rng.normal(0, 3, one.logits.shape).astype(np.float32)
        changed.append(replace(one, logits=noise, targets=1 - one.targets) if one.fold == fold else one)
    return changed


def test_no_number_of_a_fold_decides_how_it_is_judged() -> None:
    scored_sounds = _ward()
    before, after = nested(scored_sounds, RECIPE, FEW), nested(_tampered(scored_sounds, 1), RECIPE, FEW)
    assert before[1].calibration == after[1].calibration
    assert before[1].detection == after[1].detection
    for one, other in zip(before[1].scored, after[1].scored, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
    assert before[0].calibration != after[0].calibration  # of the others it does


def test_the_thresholds_of_a_budget_come_from_the_other_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training.detector.budget, "CAP", 1.0)  # of so few patients nothing could be promised
    scored_sounds = _ward()
    tampered = _tampered(scored_sounds, 1)
    outer = nested(scored_sounds, RECIPE, FEW)
    shipped = choose(scored_sounds, RECIPE, FEW)
    for several in (scored_sounds, tampered):  # the same choice judges both; only what it finds differs
        for point in nested_points(shipped, outer, several):
            assert set(point.thresholds) == set(shipped.detection.thresholds)
    found = [nested_points(shipped, outer, several) for several in (scored_sounds, tampered)]
    assert [p.thresholds for p in found[0]] == [p.thresholds for p in found[1]]
    assert [p.segment_f1 for p in found[0]] != [p.segment_f1 for p in found[1]]


def test_every_recording_is_judged_once_in_order_by_the_choice_without_its_fold() -> None:
    scored_sounds = _ward()
    chosen = nested(scored_sounds, RECIPE, FEW)
    pairs = judged(scored_sounds, chosen)
    assert [s.recording for s, _ in pairs] == [h.recording for h in scored_sounds]
    for one, (scored, events) in zip(scored_sounds, pairs, strict=True):
        others = [h for h in scored_sounds if h.fold != one.fold]
        np.testing.assert_array_equal(scored.scores, calibrate(others).score(one).scores)
        assert events == chosen[one.fold].detection.events(scored.scores)


def test_inner_folds_are_calibrated_on_each_other() -> None:
    scored_sounds = [h for h in _ward() if h.fold != 1]
    chosen = choose(scored_sounds, RECIPE, FEW)
    for one, scored in zip(scored_sounds, chosen.scored, strict=True):
        others = [h for h in scored_sounds if h.fold != one.fold]
        np.testing.assert_array_equal(scored.scores, calibrate(others).score(one).scores)


def test_where_the_others_have_no_sound_all_calibrate() -> None:
    scored_sounds = [_scores_of(0, 0), _scores_of(3, 0), _scores_of(1, 1)]  # fold 0 is Normal alone
    scored = cross_calibrated(scored_sounds)
    np.testing.assert_array_equal(scored[2].scores, calibrate(scored_sounds).score(scored_sounds[2]).scores)


def test_a_fold_in_two_halves_has_each_patient_in_one() -> None:
    twice = [replace(one, fold=90) for one in (*_ward(), *_ward())]
    parted = halves(twice)
    of = {one.recording.patient: one.fold for one in parted}
    assert all(of[one.recording.patient] == one.fold for one in parted)
    assert sorted(of.values()) == [0] * 6 + [1] * 6
    assert COLUMNS.breath == 0  # the targets above are presence first
