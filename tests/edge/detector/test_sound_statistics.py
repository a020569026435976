"""Level, contrast and spectrum have the values that the sound was made with, and segments add up."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector.statistics import GROUPS, SoundStatistics, group_edges_hz, is_measurable
from edge.features import FeatureSpec, FrontEnd, Mel
from edge.features.spec import GAMMATONE, LOG_MEL, PCEN
from tests.edge.knowing import RATE_HZ, block, noise, statistics

TWO_WINDOWS = FeatureSpec(
    hop_samples=64,
    bands=48,
    high_hz=2000.0,
    analysis=Mel(windows_samples=(512, 128), fft_size=512),
    offset=(-75.0,),
    scale=(20.0,),
)


@pytest.mark.parametrize("spec", [LOG_MEL, TWO_WINDOWS])
@pytest.mark.parametrize("level_db", [-20.0, -50.0])
def test_the_level_of_noise_is_its_rms_within_the_bands(spec: FeatureSpec, level_db: float) -> None:
    within_db = 10 * np.log10((spec.high_hz - spec.low_hz) / (RATE_HZ / 2))
    measured = statistics(noise(level_db, 20.0), spec).measured()
    assert measured.level_db == pytest.approx(level_db + within_db, abs=1.0)  # the quantile is above the mean
    assert 0 < measured.contrast_db < 3


def test_a_full_scale_sine_has_3_db_less_than_full_scale() -> None:
    sine = np.sin(2 * np.pi * 500 / RATE_HZ * np.arange(4 * RATE_HZ)).astype(np.float32)
    measured = statistics(sine, TWO_WINDOWS).measured()
    assert measured.level_db == pytest.approx(-3.0, abs=0.5)
    edges_hz = group_edges_hz(TWO_WINDOWS)
    loudest = int(np.argmax(measured.spectrum_db))
    assert edges_hz[loudest] < 500 < edges_hz[loudest + 1]


def test_the_contrast_is_that_of_loud_sounds_over_the_pauses() -> None:
    sound = np.concatenate([noise(-30 if k % 2 else -60, 0.5, seed=k) for k in range(20)])
    assert statistics(sound).measured().contrast_db == pytest.approx(30.0, abs=2.0)


def test_a_gain_moves_level_and_every_group_and_leaves_the_contrast() -> None:
    before, after = (statistics(noise(level_db, 5.0)).measured() for level_db in (-50.0, -40.0))
    assert after.level_db - before.level_db == pytest.approx(10.0, abs=0.1)
    assert np.allclose(after.spectrum_db - before.spectrum_db, 10.0, atol=0.01)
    assert after.contrast_db == pytest.approx(before.contrast_db, abs=0.3)


def test_stretches_add_up_in_any_order_and_frames_that_are_not_valid_do_not_count() -> None:
    front_end = FrontEnd(TWO_WINDOWS)
    (frames,) = front_end.push(block(noise(-40, 4.0)))
    whole = SoundStatistics(TWO_WINDOWS)
    whole.push(frames.values, frames.valid)
    parts = [SoundStatistics(TWO_WINDOWS) for _ in range(2)]
    for first in range(0, len(frames.valid), 60):
        part = slice(first, first + 60)
        parts[first // 60 % 2].push(frames.values[part], frames.valid[part])
        parts[0].push(frames.values[part], np.zeros_like(frames.valid[part]))
    parts[1].add(parts[0])
    assert parts[1].frames == whole.frames == len(frames.valid)
    assert parts[1].measured().level_db == whole.measured().level_db
    assert np.array_equal(parts[1].measured().spectrum_db, whole.measured().spectrum_db)


def test_frames_without_levels_are_refused_and_nothing_heard_has_no_level() -> None:
    assert [is_measurable(spec) for spec in (LOG_MEL, TWO_WINDOWS, PCEN, GAMMATONE)] == [True, True, False, False]
    assert not is_measurable(FeatureSpec(bands=GROUPS - 1))
    with pytest.raises(ValueError, match="mel frames in dB"):
        SoundStatistics(PCEN)
    with pytest.raises(ValueError, match="no valid frame"):
        SoundStatistics(LOG_MEL).measured()
