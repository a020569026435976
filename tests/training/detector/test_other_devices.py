"""Another stethoscope in training: its curve, its style, and what an earlier network says where nobody annotated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge.features.logmel import mel_edges_hz
from tests.training.detector.edge import PLAIN
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS
from training.detector.augment import Changes, DeviceSpec, mixed_style, shelf
from training.detector.hyperparameters import Recipe
from training.detector.truth import BELIEVED_WEIGHT, Believed, LabelSpec, Timeline

SPEC = Recipe().features
BANDS_HZ = mel_edges_hz(SPEC)[1:-1]
NONE = DeviceSpec(low_shelf=0, high_shelf=0, equaliser=0, heart=0, mix_style=0)
FLAT = np.full((10, SPEC.width), -60.0, np.float32)


def _curves(device: DeviceSpec, count: int = 200) -> np.ndarray:
    """(count, bands) what is added to the spectrogram of the longest window."""
    changes, rng = Changes(SPEC, replace(PLAIN, device=device)), np.random.default_rng(0)
    drawn = [changes.device(FLAT, rng) + 60 for _ in range(count)]
    assert all(np.ptp(levels, axis=0).max() == 0 for levels in drawn)  # the same at all times
    assert all((levels[:, : SPEC.bands] == levels[:, SPEC.bands :]).all() for levels in drawn)  # in both windows
    return np.stack([levels[0, : SPEC.bands] for levels in drawn])


def test_a_shelf_has_half_its_gain_at_the_corner_and_nearly_all_an_octave_on() -> None:
    assert shelf(np.array([-1.0, 0.0, 1.0])).round(2).tolist() == [0.02, 0.5, 0.98]


def test_a_low_shelf_lifts_what_is_below_and_leaves_what_is_above() -> None:
    curves = _curves(replace(NONE, low_shelf=1.0, low_shelf_db=(40.0, 40.0), low_shelf_hz=(110.0, 110.0)))
    assert 30 < curves[:, BANDS_HZ < 80].min() <= 40
    assert curves[:, BANDS_HZ > 400].max() < 1


def test_a_high_shelf_lifts_what_is_above_and_leaves_what_is_below() -> None:
    curves = _curves(replace(NONE, high_shelf=1.0, high_shelf_db=(30.0, 30.0), high_shelf_hz=(400.0, 400.0)))
    assert curves[:, BANDS_HZ > 1000].min() > 28
    assert curves[:, BANDS_HZ < 150].max() < 1


def test_curves_of_devices_are_as_wide_as_those_that_were_measured() -> None:
    curves = _curves(DeviceSpec())
    middle = np.abs(BANDS_HZ - 300).argmin()
    low, high = curves[:, 0] - curves[:, middle], curves[:, -1] - curves[:, middle]
    assert np.quantile(low, 0.9) > 20  # dB more at 60 Hz, and what the high-pass took comes on top
    assert np.quantile(high, 0.9) > 18  # dB more above 800 Hz
    assert (_curves(NONE) == 0).all()


def test_a_style_is_shared_within_the_batch_and_takes_no_shape_away() -> None:
    rng = np.random.default_rng(0)
    frames = rng.normal([[[0.0]], [[3.0]]], [[[1.0]], [[0.2]]], (2, 400, 5)).astype(np.float32)
    valid = np.ones((2, 400), np.float32)
    valid[:, 300:] = 0
    frames *= valid[:, :, None]
    mixed = mixed_style(frames, valid, np.random.default_rng(3))
    assert not mixed[:, 300:].any()
    means = mixed[:, :300].mean(1)
    assert ((means > -0.2) & (means < 3.2)).all()  # between the two
    for before, after in zip(frames, mixed, strict=True):
        for band in range(5):
            assert np.corrcoef(before[:300, band], after[:300, band])[0, 1] == pytest.approx(1, abs=1e-4)


def test_a_stretch_of_nothing_gives_no_style_to_another() -> None:
    frames = np.stack([np.zeros((50, 3)), np.random.default_rng(0).normal(2, 1, (50, 3))]).astype(np.float32)
    valid = np.array([[0.0] * 50, [1.0] * 50], np.float32)
    for seed in range(8):
        mixed = mixed_style(frames, valid, np.random.default_rng(seed))
        np.testing.assert_allclose(mixed[1], frames[1], atol=1e-4)
        assert not mixed[0].any()


def _believed(label: str, probabilities: list[list[float]]) -> tuple[list[list[float]], list[list[float]]]:
    """Targets and weights of both groups, of frames of .1 s; a wheeze is annotated in frame 0."""
    recording = Recording(Path("a.flac"), "a", label, (Annotation(0.0, 0.1, ("wheeze",) if label == "CAS" else ()),))
    believed = Believed(np.array(probabilities, np.float32), 0.1)
    truth = Timeline(recording, LabelSpec(), len(probabilities) / 10, believed).truth(0.0, len(probabilities), 0.1)
    sounds = slice(COLUMNS.continuous, COLUMNS.discontinuous + 1)
    return truth.targets[:, sounds].astype(np.float64).round(3).tolist(), truth.weights[:, sounds].tolist()


def test_where_nobody_annotated_an_earlier_network_is_believed_half_where_it_is_sure() -> None:
    targets, weights = _believed("CAS", [[0.02, 0.9], [0.05, 0.3], [0.8, 0.09]])
    assert targets == [[1.0, 0.0], [0.05, 0.0], [0.8, 0.09]]  # the annotation stays
    assert weights == [[1.0, 1.0], [BELIEVED_WEIGHT, 0.0], [BELIEVED_WEIGHT, BELIEVED_WEIGHT]]


def test_a_sound_that_an_earlier_network_hears_in_a_normal_recording_is_no_longer_taken_for_silence() -> None:
    targets, weights = _believed("Normal", [[0.9, 0.9], [0.29, 0.31], [0.0, 0.0]])
    assert not np.any(targets)
    assert weights == [[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]


def test_of_poor_quality_an_earlier_network_says_nothing() -> None:
    assert not np.any(_believed("Poor Quality", [[0.0, 0.9], [0.02, 0.9]])[1])
