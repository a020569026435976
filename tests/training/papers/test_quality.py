"""Audio quality: entropy of known spectra, known loudness, and sounds of known order."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.papers.qlung import AudioQuality, mean_power, rms, spectral_entropy

RATE_HZ = 8000


def _score(quality: AudioQuality, samples: np.ndarray) -> float:
    return quality.combine(spectral_entropy(mean_power(samples)), rms(samples))


def test_entropy_of_known_spectra() -> None:
    assert spectral_entropy(np.ones(64)) == pytest.approx(1.0)
    assert spectral_entropy(np.eye(64)[5]) == 0.0
    assert spectral_entropy(np.array([0.5, 0.25, 0.25, 0.0])) == pytest.approx(1.5 * math.log(2) / math.log(4))
    assert spectral_entropy(np.zeros(64)) == 1.0


@settings(deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=30), st.floats(0.01, 100))
def test_entropy_ignores_loudness_and_lies_between_0_and_1(power: list[float], gain: float) -> None:
    entropy = spectral_entropy(np.array(power))
    assert -1e-9 <= entropy <= 1 + 1e-9
    if sum(power) > 1e-100:
        assert spectral_entropy(np.array(power) * gain) == pytest.approx(entropy, abs=1e-6)


def test_score_by_hand() -> None:
    quality = AudioQuality(low_rms=0.1, high_rms=0.3)
    assert quality.combine(0.5, 0.2) == pytest.approx(1 - 0.7 * 0.5 + 0.3 * 0.5)
    assert quality.combine(1.0, 0.1) == pytest.approx(0.3)
    assert quality.combine(0.0, 0.3) == 1.0
    assert quality.combine(0.9, 99.0) == pytest.approx(1 - 0.63 + 0.3)
    assert quality.combine(0.9, 0.0) == pytest.approx(1 - 0.63)


def test_loudness_is_relative_to_the_5th_and_95th_percentile() -> None:
    quality = AudioQuality.fit(np.arange(101) / 100)
    assert (quality.low_rms, quality.high_rms) == pytest.approx((0.05, 0.95))
    with pytest.raises(ConfigError, match="found none"):
        AudioQuality.fit([])


def test_one_loudness_for_all_clips_divides_nothing_by_zero() -> None:
    quality = AudioQuality.fit([0.2, 0.2])
    assert quality.combine(1.0, 0.2) == pytest.approx(0.6)
    assert quality.combine(1.0, 0.1) == pytest.approx(0.3)


def test_a_tone_scores_above_noise_of_the_same_loudness_and_loud_above_faint() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=RATE_HZ)
    tone = np.sin(2 * np.pi * 400 * np.arange(RATE_HZ) / RATE_HZ) * np.sqrt(2)
    quality = AudioQuality(0.0, 2.0)
    assert rms(tone) == pytest.approx(1.0, rel=1e-3)
    assert spectral_entropy(mean_power(noise)) > 0.98
    assert spectral_entropy(mean_power(tone)) < 0.25
    assert _score(quality, tone) > _score(quality, noise) > _score(quality, noise / 4)


def test_silence_and_short_clips_have_a_score() -> None:
    quality = AudioQuality(0.1, 0.3)
    assert _score(quality, np.zeros(RATE_HZ)) == pytest.approx(0.3)
    assert 0 <= _score(quality, np.ones(3, np.float32)) <= 1
