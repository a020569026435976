"""Stretches for training: what is mixed keeps the labels of both, what disturbs is as loud as it was asked to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.detector.edge import PLAIN
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS
from training.detector.augment import AugmentSpec, Changes
from training.detector.examples import StretchSampler
from training.detector.hyperparameters import Recipe
from training.detector.truth import LabelSpec, Timeline

LENGTH = 80  # frames
SPEC = Recipe().features  # offset -75 dB, scale 20 dB
WHEEZE, FINE_CRACKLE = COLUMNS.which_continuous.start, COLUMNS.which_discontinuous.start


def _sampler(augment: AugmentSpec, *levels_db: tuple[str, float]) -> StretchSampler:
    """One recording of 400 frames for each label, sounding all the time at one level."""
    recordings = [
        Recording(Path(f"{label}.flac"), label, "CAS", (Annotation(0, 99, (label,)),))
        if label != "cough"
        else Recording(Path("cough.flac"), "cough", "cough", (), is_negative=True)
        for label, _ in levels_db
    ]
    frames = [np.full((400, SPEC.width), (level + 75) / 20, np.float16) for _, level in levels_db]
    timelines = [Timeline(r, LabelSpec()) for r in recordings]
    return StretchSampler(recordings, frames, timelines, LENGTH, Changes(SPEC, augment), LabelSpec())


def _labels(augment: AugmentSpec) -> list[tuple[bool, bool]]:
    sampler, rng = _sampler(augment, ("wheeze", -45.0), ("fine_crackle", -45.0)), np.random.default_rng(0)
    drawn = [sampler.draw(rng).truth.targets for _ in range(40)]
    for targets in drawn:
        assert set(np.unique(4 * targets)) <= {0, 1, 2, 3, 4}  # the recording may begin within a score frame
    return [(bool(t[:, WHEEZE].any()), bool(t[:, FINE_CRACKLE].any())) for t in drawn]


def test_two_stretches_that_are_mixed_keep_the_labels_of_both() -> None:
    mixed, alone = _labels(replace(PLAIN, mix=1.0)), _labels(PLAIN)
    assert set(alone) == {(True, False), (False, True)}
    assert set(mixed) == {(True, False), (False, True), (True, True)}
    assert 10 <= mixed.count((True, True)) <= 30  # half of the pairs are of two recordings


def test_two_equal_sounds_together_are_3_db_louder_and_only_where_both_are_heard() -> None:
    sampler = _sampler(replace(PLAIN, mix=1.0), ("wheeze", -45.0))
    rng, louder_db = np.random.default_rng(0), []
    for _ in range(20):
        drawn = sampler.draw(rng)
        levels = drawn.frames[drawn.valid > 0] * 20 - 75
        assert np.ptp(levels) < 0.02
        louder_db.append(round(float(levels[0, 0] + 45)))
        assert not drawn.frames[drawn.valid == 0].any()
    assert louder_db.count(3) >= 15  # 10 log10(2)
    assert set(louder_db) <= {0, 3}  # too little of both was heard


@pytest.mark.parametrize("own_db", [-85.0, -45.0, -5.0])
def test_what_disturbs_is_as_far_below_the_sound_as_was_asked_whatever_its_own_level(own_db: float) -> None:
    sampler = _sampler(PLAIN, ("wheeze", -45.0), ("cough", own_db))
    levels, is_valid = np.full((80, SPEC.width), -25.0, np.float32), np.ones(80, np.bool_)
    disturbed = sampler.disturb(levels, is_valid, (-10.0, -10.0), np.random.default_rng(0))
    # -25 and -35 dB together: 10 log10(10^-2.5 + 10^-3.5) = -24.586; where the cough is over, -25
    present = np.abs(disturbed[:, 0] + 24.586) < 0.01
    assert present.sum() >= 40
    np.testing.assert_allclose(disturbed[~present], -25.0, atol=1e-4)


def test_without_a_negative_nothing_disturbs() -> None:
    levels = np.full((80, SPEC.width), -25.0, np.float32)
    sampler = _sampler(PLAIN, ("wheeze", -45.0))
    assert sampler.disturb(levels, np.ones(80, np.bool_), (-5, 5), np.random.default_rng(0)) is levels


@pytest.mark.parametrize(("label", "known"), [("CAS", 1.0), ("Normal", 1.0), ("Poor Quality", 0.0), ("cough", 0.0)])
def test_breath_is_known_where_somebody_annotated_it(label: str, known: float) -> None:
    recording = Recording(Path("one.flac"), "p", label, (), is_negative=label == "cough")
    frames, timeline = np.zeros((400, SPEC.width), np.float16), Timeline(recording, LabelSpec())
    augment = replace(PLAIN, negative=float(label == "cough"))
    sampler = StretchSampler([recording], [frames], [timeline], LENGTH, Changes(SPEC, augment), LabelSpec())
    example = sampler.draw(np.random.default_rng(0))
    inside = example.valid.reshape(-1, 4).all(axis=1)
    assert set(example.truth.weights[inside, COLUMNS.breath]) == {known}


def test_targets_are_cut_where_the_sound_is_cut() -> None:
    recording = Recording(Path("one.flac"), "p", "CAS", (Annotation(50 * 0.032, 60 * 0.032, ("wheeze",)),))
    frames, timeline = np.full((400, SPEC.width), -1.0, np.float16), Timeline(recording, LabelSpec())
    frames[200:240] = 1.0
    sampler = StretchSampler([recording], [frames], [timeline], LENGTH, Changes(SPEC, PLAIN), LabelSpec())
    drawn, rng = [], np.random.default_rng(0)
    for _ in range(40):
        example = sampler.draw(rng)
        loud, targets = (example.frames[:, 0] > 0).reshape(-1, 4), example.truth.targets[:, WHEEZE]
        np.testing.assert_allclose(loud.mean(axis=1), targets, atol=1e-5)
        drawn.append(loud.any())
    assert 3 <= sum(drawn) < 40


def test_gaps_are_of_4_to_39_frames_and_three_at_most() -> None:
    changes, rng, lost = Changes(SPEC, replace(PLAIN, gap=1.0)), np.random.default_rng(0), []
    for _ in range(50):
        is_valid = np.ones(1000, np.bool_)
        changes.blank(np.zeros((1000, SPEC.width), np.float32), is_valid, rng)
        lost.append(int((~is_valid).sum()))
    assert 1 <= min(lost) < max(lost) <= 3 * 39
    assert np.mean(lost) > 20
