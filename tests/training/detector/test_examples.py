"""Windows for training: what is mixed keeps the labels of both, what disturbs is as loud as it was asked to be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.artefact.specs import WindowSpec
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS
from training.detector.augment import AugmentSpec, Changes, as_loud
from training.detector.examples import WindowSampler
from training.detector.hyperparameters import Recipe
from training.detector.truth import LabelSpec, truth_of

WINDOW = WindowSpec(80, 20, 20, 4)
SPEC = Recipe().features  # offset -75 dB, scale 20 dB
WHEEZE, FINE_CRACKLE = COLUMNS.which_continuous.start, COLUMNS.which_discontinuous.start
PLAIN = AugmentSpec(
    negative=0, disturb=0, mix=0, gain_db=0, colour_db=0, low_pass=0, noise=0, band_mask=0, gap=0
)  # fmt: skip


def _sampler(augment: AugmentSpec, *levels_db: tuple[str, float]) -> WindowSampler:
    """One recording of 400 frames for each label, sounding all the time at one level."""
    recordings = [
        Recording(Path(f"{label}.flac"), label, "CAS", (Annotation(0, 99, (label,)),))
        if label != "cough"
        else Recording(Path("cough.flac"), "cough", "cough", (), is_negative=True)
        for label, _ in levels_db
    ]
    frames = [np.full((400, SPEC.width), (level + 75) / 20, np.float16) for _, level in levels_db]
    truths = [truth_of(r, 100, 0.032, LabelSpec()) for r in recordings]
    return WindowSampler(recordings, frames, truths, WINDOW, Changes(SPEC, augment), LabelSpec())


def _labels(augment: AugmentSpec) -> list[tuple[bool, bool]]:
    sampler, rng = _sampler(augment, ("wheeze", -45.0), ("fine_crackle", -45.0)), np.random.default_rng(0)
    drawn = [sampler.draw(rng).truth.targets for _ in range(40)]
    for targets in drawn:
        assert set(np.unique(targets)) <= {0.0, 1.0}
    return [(bool(t[:, WHEEZE].any()), bool(t[:, FINE_CRACKLE].any())) for t in drawn]


def test_two_windows_that_are_mixed_keep_the_labels_of_both() -> None:
    mixed, alone = _labels(AugmentSpec(**{**_fields(PLAIN), "mix": 1.0})), _labels(PLAIN)
    assert set(alone) == {(True, False), (False, True)}
    assert set(mixed) == {(True, False), (False, True), (True, True)}
    assert 10 <= mixed.count((True, True)) <= 30  # half of the pairs are of two recordings


def _fields(augment: AugmentSpec) -> dict[str, object]:
    return {name: getattr(augment, name) for name in augment.__slots__}


def test_two_equal_sounds_together_are_3_db_louder_and_only_where_both_are_heard() -> None:
    sampler = _sampler(AugmentSpec(**{**_fields(PLAIN), "mix": 1.0}), ("wheeze", -45.0))
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = sampler.draw(rng)
        levels = drawn.frames[drawn.valid > 0] * 20 - 75
        assert np.allclose(levels, -45 + 10 * np.log10(2), atol=0.02) or np.allclose(levels, -45, atol=0.02)
        assert not drawn.frames[drawn.valid == 0].any()


def test_another_sound_is_made_as_loud_at_its_peak() -> None:
    other = np.array([[-40.0], [-30.0], [-10.0]], np.float32)
    levels = np.array([[-20.0], [-25.0], [5.0]], np.float32)
    both = np.array([True, True, False])
    # The peaks of what is there are -30 and -20 dB
    assert as_loud(other, both, levels, both).tolist() == [[-30.0], [-20.0], [0.0]]
    nothing = np.zeros(3, np.bool_)
    assert as_loud(other, nothing, levels, both) is as_loud(other, both, levels, nothing) is other


@pytest.mark.parametrize("own_db", [-85.0, -45.0, -5.0])
def test_what_disturbs_is_as_far_below_the_sound_as_was_asked_whatever_its_own_level(own_db: float) -> None:
    sampler = _sampler(PLAIN, ("wheeze", -45.0), ("cough", own_db))
    levels, heard = np.full((80, SPEC.width), -25.0, np.float32), np.ones(80, np.bool_)
    disturbed = sampler.disturb(levels, heard, (-10.0, -10.0), np.random.default_rng(0))
    # -25 and -35 dB together: 10 log10(10^-2.5 + 10^-3.5) = -24.586; where the cough is over, -25
    present = np.abs(disturbed[:, 0] + 24.586) < 0.01
    assert present.sum() >= 40
    np.testing.assert_allclose(disturbed[~present], -25.0, atol=1e-4)


def test_without_a_negative_nothing_disturbs() -> None:
    levels = np.full((80, SPEC.width), -25.0, np.float32)
    sampler = _sampler(PLAIN, ("wheeze", -45.0))
    assert sampler.disturb(levels, np.ones(80, np.bool_), (-5, 5), np.random.default_rng(0)) is levels
