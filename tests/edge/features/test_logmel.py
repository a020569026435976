"""Log-mel: physics, an independent calculation in NumPy, and the law that the cut does not matter."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import FeatureSpec, LogMel
from edge.features.logmel import mel_filters
from edge.types import Block, Frames

SPEC = FeatureSpec(windows_samples=(512, 128), fft_size=512, bands=48, high_hz=2000.0)


def _whole(samples: NDArray[np.float32], start: int = 0, spec: FeatureSpec = SPEC) -> Frames:
    frames = LogMel(spec).push(Block(start, samples, np.ones(len(samples), np.bool_)))
    return _join(frames, spec)


def _join(frames: list[Frames], spec: FeatureSpec = SPEC) -> Frames:
    if not frames:
        return Frames(0, np.zeros((0, spec.width), np.float32), np.zeros(0, np.bool_))
    return Frames(
        frames[0].start, np.concatenate([f.values for f in frames]), np.concatenate([f.valid for f in frames])
    )


def _noise(count: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.1, count).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    start=st.sampled_from([0, 77, 2**31 - 1500, 2**32 - 1500]),
    cuts=st.lists(st.integers(0, 9000), max_size=20),
    lost=st.lists(st.integers(0, 8999), max_size=4),
)
def test_features_any_cut_equals_offline(start: int, cuts: list[int], lost: list[int]) -> None:
    samples = _noise(9000)
    valid = np.ones(9000, np.bool_)
    valid[lost] = False
    whole = _join(LogMel(SPEC).push(Block(start, samples, valid)))
    extractor, pieces = LogMel(SPEC), []
    edges = [0, *sorted(cuts), 9000]
    for a, b in pairwise(edges):
        pieces += extractor.push(Block(start + a, samples[a:b], valid[a:b]))
    cut = _join(pieces + extractor.flush())
    assert cut.start == whole.start
    np.testing.assert_array_equal(cut.values, whole.values)
    np.testing.assert_array_equal(cut.valid, whole.valid)


@given(size=st.sampled_from([128, 256, 512, 1024]), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_a_frame_agrees_with_numpy_within_a_hundredth_of_a_decibel(size: int, seed: int) -> None:
    spec = FeatureSpec(windows_samples=(size,), fft_size=size, bands=20, floor_db=-120.0)
    samples = _noise(size, seed)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    power = np.abs(np.fft.rfft(samples.astype(np.float64) * hann / (hann.sum() / 2))) ** 2
    expected_db = 10 * np.log10(np.maximum(mel_filters(spec) @ power, 1e-12))
    found_db = _whole(samples, spec=spec).values[0] * spec.scale_db + spec.offset_db
    np.testing.assert_allclose(found_db, expected_db, atol=0.01)


def test_a_full_scale_sine_in_the_middle_of_a_band_reads_zero_decibels() -> None:
    spec = FeatureSpec(windows_samples=(512,), fft_size=512, bands=20, offset_db=0.0, scale_db=1.0)
    weights = mel_filters(spec)
    band = 12
    peak_bin = int(np.argmax(weights[band]))
    sine = np.sin(2 * np.pi * peak_bin / 512 * np.arange(512)).astype(np.float32)
    expected_db = 10 * np.log10(
        weights[band, peak_bin] + (weights[band, peak_bin - 1] + weights[band, peak_bin + 1]) / 4
    )
    assert _whole(sine, spec=spec).values[0, band] == pytest.approx(expected_db, abs=0.05)


def test_a_click_is_seen_by_the_short_window_only_in_the_frames_around_it() -> None:
    samples = np.zeros(4000, np.float32)
    samples[2000] = 0.5
    values = _whole(samples).values * SPEC.scale_db + SPEC.offset_db
    heard = np.flatnonzero(values[:, SPEC.bands :].max(axis=1) > SPEC.floor_db + 1)
    centre = heard * SPEC.hop_samples + SPEC.span_samples // 2
    assert len(heard) >= 1
    assert np.abs(centre - 2000).max() <= 64  # half the short window, samples


def test_frames_that_touch_an_invalid_sample_are_invalid_and_no_others() -> None:
    samples, valid = _noise(4000), np.ones(4000, np.bool_)
    valid[2000] = False
    frames = _join(LogMel(SPEC).push(Block(0, samples, valid)))
    first = np.arange(len(frames.valid)) * SPEC.hop_samples
    touches = (first <= 2000) & (first + SPEC.span_samples > 2000)
    np.testing.assert_array_equal(frames.valid, ~touches)


def test_frames_never_span_a_jump_in_the_index() -> None:
    extractor = LogMel(SPEC)
    before = _join(extractor.push(Block(0, _noise(1000), np.ones(1000, np.bool_))))
    after = _join(extractor.push(Block(5000, _noise(1000, 1), np.ones(1000, np.bool_))))
    assert (before.start + len(before.valid) - 1) * SPEC.hop_samples + SPEC.span_samples <= 1000
    assert after.start * SPEC.hop_samples >= 5000
    np.testing.assert_array_equal(after.values, _whole(_noise(1000, 1), 5000).values)


def test_reset_leaves_nothing_behind() -> None:
    extractor = LogMel(SPEC)
    extractor.push(Block(0, _noise(3000, 5), np.ones(3000, np.bool_)))
    extractor.reset()
    again = _join(extractor.push(Block(0, _noise(3000), np.ones(3000, np.bool_))))
    np.testing.assert_array_equal(again.values, _whole(_noise(3000)).values)


@pytest.mark.parametrize("level", [0.0, 1e-42, 0.5, 1.0])
def test_constant_sound_of_any_level_gives_finite_frames(level: float) -> None:
    assert np.isfinite(_whole(np.full(2000, level, np.float32)).values).all()


def test_every_band_hears_something_even_when_narrower_than_a_bin() -> None:
    assert (mel_filters(FeatureSpec(windows_samples=(128,), fft_size=128, bands=40)).max(axis=1) > 0).all()
