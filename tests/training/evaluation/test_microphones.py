"""Simulated microphones do to a tone what their curve says, and write a folder that is read as any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.training.clips.ward import make_ward
from training.datasets import read_datasets
from training.evaluation.microphones import MICROPHONES, RATE_HZ, Microphone, quantised, through, write

BASS = Microphone("12 dB less below 200 Hz", ((0, -12), (200, -12), (400, 0), (4000, 0)))


def _tone(frequency_hz: float, level: float = 0.1) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency_hz * np.arange(4 * RATE_HZ) / RATE_HZ)).astype(np.float32)


def _level_db(samples: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(samples[RATE_HZ:-RATE_HZ] ** 2)))


@pytest.mark.parametrize(("frequency_hz", "gain_db"), [(100, -12), (300, -4.1), (1000, 0), (3000, 0)])
def test_a_tone_is_changed_by_the_curve_at_its_frequency(frequency_hz: float, gain_db: float) -> None:
    tone = _tone(frequency_hz)
    assert _level_db(through(tone, BASS, 0)) - _level_db(tone) == pytest.approx(gain_db, abs=1.0)


def test_the_noise_has_the_level_that_it_says_and_is_that_of_its_seed() -> None:
    noisy = Microphone("noise", ((0, 0), (4000, 0)), -60.0)
    silence = np.zeros(4 * RATE_HZ, np.float32)
    assert _level_db(through(silence, noisy, 1)) == pytest.approx(-60, abs=0.2)
    np.testing.assert_array_equal(through(silence, noisy, 1), through(silence, noisy, 1))
    assert not np.array_equal(through(silence, noisy, 1), through(silence, noisy, 2))


def test_a_converter_has_steps_and_an_end() -> None:
    found = quantised(np.array([0.4 / 32768, 0.6 / 32768, 2.0, -2.0]))
    np.testing.assert_array_equal(found, np.array([0, 1 / 32768, 32767 / 32768, -1], np.float32))


@pytest.mark.parametrize("microphone", MICROPHONES, ids=lambda one: one.name)
def test_every_curve_reaches_to_half_the_rate(microphone: Microphone) -> None:
    frequencies = [at for at, _ in microphone.curve]
    assert (frequencies[0], frequencies[-1]) == (0, RATE_HZ / 2)
    assert frequencies == sorted(frequencies)


def test_what_is_written_is_read_with_its_labels(tmp_path: Path) -> None:
    ward = [r for r in read_datasets(make_ward(tmp_path / "ward", 4)) if r.is_real_chest]
    write(ward, BASS, tmp_path / "out")
    found = read_datasets(tmp_path / "out")
    assert {(r.path.stem, r.patient, r.record_label, r.events) for r in found} == {
        (r.path.stem, r.patient, r.record_label, r.events) for r in ward
    }
    assert soundfile.info(found[0].path).subtype == "PCM_16"
