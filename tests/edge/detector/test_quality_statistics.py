"""Levels, voiced frames and lines of two seconds are what physics says; a gain changes no voice and no line."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector.quality_measures import BREATH, LOW, MID, SegmentMeter
from tests.edge.chests import RATE_HZ, TIME_S, chest, voice
from tests.edge.knowing import noise

METER = SegmentMeter(RATE_HZ)


def _sine(hz: float, amplitude: float = 0.5) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return (amplitude * np.sin(2 * np.pi * hz * TIME_S[: METER.samples])).astype(np.float32)


@pytest.mark.parametrize(("hz", "band"), [(437.5, BREATH), (875.0, MID)])
def test_a_sine_of_half_of_full_scale_is_9_db_below_it_in_its_band_and_nowhere_else(hz: float, band: int) -> None:
    levels = METER.measure(_sine(hz)).levels_db
    assert levels[:, band] == pytest.approx(10 * np.log10(0.125), abs=0.05)
    assert np.delete(levels, band, axis=1).max() < -55


def test_a_constant_is_no_low_frequency() -> None:
    levels = METER.measure(np.full(METER.samples, 0.3, np.float32)).levels_db
    assert levels[:, LOW].max() < -90


def test_white_noise_has_in_each_band_what_falls_to_its_bins() -> None:
    levels = METER.measure(noise(-40.0, 2.0)).levels_db
    power = 10 * np.log10((10 ** (levels / 10)).mean(axis=0))
    bins = np.array([1, 2, 3, 9, 19])  # of 31.25 Hz, 128 of which hold all of it
    assert power == pytest.approx(-40 + 10 * np.log10(bins / 128), abs=1.0)


@pytest.mark.parametrize("hz", [60, 440, 1500])
def test_a_tone_is_a_line_in_the_bins_of_its_taper_alone(hz: int) -> None:
    found = np.flatnonzero(METER.measure(_sine(hz) + noise(-40.0, 2.0)).lines)
    assert hz // 2 in found
    assert set(found) <= {hz // 2 - 2, hz // 2 - 1, hz // 2, hz // 2 + 1, hz // 2 + 2}


def test_noise_has_no_line_in_a_hundred_stretches() -> None:
    assert sum(METER.measure(noise(-40.0, 2.0, seed)).lines.sum() for seed in range(100)) == 0


def test_a_voice_that_a_chest_muffles_is_found_in_the_band_of_a_chest() -> None:
    spectrum = np.fft.rfft(voice()[: METER.samples])
    spectrum[np.fft.rfftfreq(METER.samples, 1 / RATE_HZ) > 700] = 0
    muffled = np.fft.irfft(spectrum, METER.samples).astype(np.float32)
    found = METER.measure(muffled + noise(-60.0, 2.0))
    assert (found.voiced, found.chest_voiced) == (0, pytest.approx(4, abs=1))
    assert METER.measure(chest()[: METER.samples]).chest_voiced == 0


def test_the_harmonics_of_a_voice_are_voiced_and_noise_a_tone_and_breath_are_not() -> None:
    loud = voice()[: METER.samples]
    silent = int((np.arange(8) * 0.25 % 1 >= 0.5).sum())
    assert METER.measure(loud + noise(-60.0, 2.0)).voiced == pytest.approx(8 - silent, abs=1)
    assert METER.measure(noise(-40.0, 2.0)).voiced == 0
    assert METER.measure(_sine(440) + noise(-60.0, 2.0)).voiced == 0
    assert METER.measure(chest()[: METER.samples]).voiced == 0


@pytest.mark.parametrize("gain_db", [-20.0, 6.0])
def test_a_gain_moves_the_levels_by_itself_and_changes_nothing_else(gain_db: float) -> None:
    samples = chest()[: METER.samples] + voice()[: METER.samples]
    before, after = METER.measure(samples), METER.measure(samples * np.float32(10 ** (gain_db / 20)))
    moved = (after.levels_db - before.levels_db)[before.levels_db > -80]  # the floor is at -120
    assert moved == pytest.approx(np.full(len(moved), gain_db), abs=0.1)
    assert (after.voiced, after.lines.tolist()) == (before.voiced, before.lines.tolist())


@pytest.mark.parametrize("rate_hz", [4000, 16_000, 44_100])
def test_any_rate_has_its_two_seconds(rate_hz: int) -> None:
    meter = SegmentMeter(rate_hz)
    time_s = np.arange(meter.samples) / rate_hz
    segment = meter.measure((0.5 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32))
    assert meter.samples / rate_hz == pytest.approx(2.0, rel=2e-3)
    assert segment.levels_db[:, BREATH].mean() == pytest.approx(-9.0, abs=0.3)
    assert segment.lines[220]
