"""Scenes of synthetic breath: what was asked for is there and told, and their spectra span those of real recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from training.synthetic.scene import scene

RATE_HZ = 8000.0


def test_the_seed_decides_the_scene() -> None:
    samples, sounds = scene(7, 3.0)
    again, told_again = scene(np.random.default_rng(7), 3.0)
    np.testing.assert_array_equal(samples, again)
    assert sounds == told_again
    assert not np.array_equal(samples, scene(8, 3.0)[0])


@pytest.mark.parametrize("label", ["wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle"])
def test_a_scene_holds_what_was_asked_for_and_tells_it(label: str) -> None:
    found = []
    for seed in range(6):
        _, sounds = scene(seed, 10.0, RATE_HZ, [label])
        assert {sound.label for sound in sounds} <= {"breath", label}
        assert all(0.0 <= sound.onset_s < sound.end_s for sound in sounds)
        assert sounds == sorted(sounds, key=lambda sound: sound.onset_s)
        found += [sound for sound in sounds if sound.label == label]
    assert len(found) >= 6


def test_a_scene_without_labels_is_normal_breathing() -> None:
    assert {sound.label for sound in scene(3, 10.0, RATE_HZ, [])[1]} == {"breath"}


def test_random_scenes_hold_every_label_and_healthy_patients_too() -> None:
    drawn = [frozenset(sound.label for sound in scene(seed, 6.0)[1]) - {"breath"} for seed in range(60)]
    assert frozenset() in drawn
    assert set().union(*drawn) == {"wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle"}


@pytest.mark.parametrize("rate_hz", [4000.0, 16000.0, 44100.0])
def test_a_scene_is_16_bit_sound_of_the_length_and_rate_asked_for(rate_hz: float) -> None:
    samples, _ = scene(4, 2.5, rate_hz)
    assert len(samples) == round(2.5 * rate_hz)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1.0
    np.testing.assert_array_equal(samples * 32768.0, np.rint(samples * 32768.0))


def psd_db(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """Median power density in 16 Hz steps, dB re full scale per Hz."""
    window = np.hanning(512)
    frames = np.lib.stride_tricks.sliding_window_view(samples, 512)[::256] * window
    density = 2 * np.abs(np.fft.rfft(frames)) ** 2 / (8000 * np.sum(window**2))
    return np.asarray(10 * np.log10(np.median(density, axis=0) + 1e-15))


def test_real_recordings_lie_within_what_the_scenes_span(real_data: Path) -> None:
    paths = sorted((real_data / "sprsound" / "train").glob("*.flac"))[::50]
    real = np.median([psd_db(soundfile.read(path, dtype="float32")[0]) for path in paths], axis=0)
    drawn = np.array([psd_db(scene(seed, 6.0)[0]) for seed in range(60)])
    hz = np.fft.rfftfreq(512, 1 / 8000)
    scored = (hz >= 60) & (hz <= 3000)
    low, high = np.percentile(drawn, [3, 97], axis=0)
    outside = scored & ((real < low - 1.0) | (real > high + 1.0))
    assert not outside.any(), f"at {hz[outside]} Hz"
