"""The high-pass is Butterworth's, starts anew behind every hole, and old specs keep their hash."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfilt, sosfilt_zi

from edge.errors import ConfigError
from edge.features import FeatureSpec, FrontEnd, Mel
from edge.features.high_pass import high_pass, make_high_pass, settle_samples
from edge.features.ring import SILENCE
from edge.types import Block

RATE_HZ, CORNER_HZ = 8000, 110.0
SETTLE = settle_samples(CORNER_HZ, RATE_HZ)


def filtered(samples: np.ndarray, valid: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    valid = np.ones(len(samples), np.bool_) if valid is None else valid
    out, out_valid = np.empty(len(samples), np.float32), np.empty(len(samples), np.bool_)
    high_pass(tuple(make_high_pass(CORNER_HZ, RATE_HZ)), samples.astype(np.float32), valid, out, out_valid)
    return out, out_valid


def test_it_is_the_butterworth_filter_of_scipy_started_at_rest_for_the_first_sample() -> None:
    sound = np.random.default_rng(0).normal(0.2, 0.1, 6000).astype(np.float32)
    sections = butter(4, CORNER_HZ, "highpass", fs=RATE_HZ, output="sos")
    expected, _ = sosfilt(sections, sound, zi=sosfilt_zi(sections) * sound[0])
    out, valid = filtered(sound)
    assert valid.tolist() == [False] * SETTLE + [True] * (6000 - SETTLE)
    np.testing.assert_allclose(out[SETTLE:], expected[SETTLE:], atol=1e-7)


@pytest.mark.parametrize(
    ("hz", "least_db", "most_db"), [(27.5, -49, -47), (55, -25, -23), (110, -3.1, -2.9), (220, -0.1, 0.1)]
)
def test_a_tone_passes_as_the_order_says(hz: float, least_db: float, most_db: float) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(4 * RATE_HZ) / RATE_HZ)
    out, _ = filtered(tone)
    level_db = 20 * np.log10(np.sqrt(2 * np.mean(out[RATE_HZ:].astype(np.float64) ** 2)))
    assert least_db <= level_db <= most_db


def test_behind_a_hole_nothing_is_trusted_before_a_wrong_start_has_decayed_by_sixty_decibels() -> None:
    rumble = np.sin(2 * np.pi * 30 * np.arange(8000) / RATE_HZ)
    valid = np.ones(8000, np.bool_)
    valid[4000:4100] = False
    whole, _ = filtered(rumble)
    broken, trusted = filtered(rumble, valid)
    assert np.flatnonzero(~trusted).tolist() == [*range(SETTLE), *range(4000, 4100 + SETTLE)]
    assert np.abs(broken[trusted] - whole[trusted]).max() < 1e-3
    assert not broken[~trusted].any()


def test_silence_after_sound_never_becomes_denormal_numbers_which_are_slow() -> None:
    plan, samples = make_high_pass(CORNER_HZ, RATE_HZ), np.zeros(60 * RATE_HZ, np.float32)
    samples[:1000] = np.random.default_rng(0).normal(0, 0.1, 1000)
    out, valid = np.empty(len(samples), np.float32), np.empty(len(samples), np.bool_)
    high_pass(tuple(plan), samples, np.ones(len(samples), np.bool_), out, valid)
    state = np.abs(plan.state)
    assert ((state == 0) | (state > np.finfo(np.float64).tiny)).all()
    assert np.abs(out[-RATE_HZ:]).max() < SILENCE


def test_a_spec_without_it_keeps_its_hash_and_one_with_it_travels_as_json() -> None:
    plain, passed = FeatureSpec(), FeatureSpec(high_pass_hz=110)
    assert "high_pass" not in plain.to_json()
    assert FeatureSpec.from_json(plain.to_json()) == plain
    assert FeatureSpec.from_json(passed.to_json()) == passed
    assert plain.sha256 != passed.sha256
    with pytest.raises(ConfigError, match="high_pass_hz = 3000"):
        FeatureSpec(high_pass_hz=3000)


def test_thirty_hertz_forty_decibels_louder_leaves_the_bands_of_breath_alone() -> None:
    rng = np.random.default_rng(0)
    breath = rng.normal(0, 1e-3, 4 * RATE_HZ).astype(np.float32)
    rumble = 0.1 * np.sin(2 * np.pi * 30 * np.arange(4 * RATE_HZ) / RATE_HZ).astype(np.float32)

    def bands(sound: np.ndarray, high_pass_hz: float) -> np.ndarray:
        front_end = FrontEnd(FeatureSpec(hop_samples=64, analysis=Mel((128,)), high_pass_hz=high_pass_hz))
        frames = front_end.push(Block(0, sound, np.ones(len(sound), np.bool_)))
        values = np.concatenate([f.values for f in frames])
        return values[:, 10:].mean(0)  # from 200 Hz on

    assert np.abs(bands(breath + rumble, 0.0) - bands(breath, 0.0)).max() > 10
    assert np.abs(bands(breath + rumble, 110.0) - bands(breath, 110.0)).max() < 1
