"""Speech is found over chest sound; noise, a wheeze and a heartbeat are none. Real words and chests where there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.clips.speech import FRAMES, LIMIT, has_speech, statistic, voicing

RATE_HZ = 8000
Sound = NDArray[np.float32]


def noise(seconds: float, seed: int = 0) -> Sound:
    return (0.01 * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def vowel(seconds: float, pitch_hz: float = 120.0) -> Sound:
    """Harmonics that fall by 6 dB an octave."""
    at_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    parts = [np.sin(2 * np.pi * pitch_hz * k * at_s) / k for k in range(1, int(3000 / pitch_hz))]
    return (0.05 * np.sum(parts, axis=0)).astype(np.float32)


def tone(seconds: float, *hz: float) -> Sound:
    at_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.1 * np.sum([np.sin(2 * np.pi * each * at_s) for each in hz], axis=0)).astype(np.float32)


def speaks(sound: Sound, valid: NDArray[np.bool_] | None = None) -> bool:
    return has_speech(sound, np.ones(len(sound), np.bool_) if valid is None else valid, RATE_HZ)


@pytest.mark.parametrize("pitch_hz", [80.0, 120.0, 200.0, 300.0])
@pytest.mark.parametrize("gain", [1.0, 1e-2])
def test_a_vowel_in_noise_is_speech_at_any_level(pitch_hz: float, gain: float) -> None:
    sound = noise(8.0)
    sound[30_000:33_000] += vowel(3000 / RATE_HZ, pitch_hz)
    assert speaks(np.float32(gain) * sound)


@pytest.mark.parametrize("sound", [noise(20.0), noise(2.0) + tone(2.0, 450.0), noise(2.0) + tone(2.0, 330.0, 660.0)])
def test_noise_and_wheezes_are_none(sound: Sound) -> None:
    assert not speaks(sound)


def test_a_click_a_frame_long_is_too_short() -> None:
    sound = noise(4.0)
    sound[8000:8400] += vowel(0.05)
    assert not speaks(sound)


@given(st.integers(0, 511))
def test_nothing_silence_and_what_is_shorter_than_a_frame_say_nothing(count: int) -> None:
    assert statistic(np.zeros(count, np.float32), np.ones(count, np.bool_), RATE_HZ) == 0.0
    assert statistic(np.zeros(RATE_HZ, np.float32), np.ones(RATE_HZ, np.bool_), RATE_HZ) < LIMIT


def test_frames_that_touch_lost_sound_count_for_nothing() -> None:
    sound, valid = noise(2.0) + vowel(2.0), np.ones(2 * RATE_HZ, np.bool_)
    valid[:12_000] = False
    peaks = voicing(sound, valid, RATE_HZ)
    assert (peaks[: 12_000 // 256 - 1] == 0).all()
    assert (peaks[12_000 // 256 + 1 :] > LIMIT).sum() > FRAMES
    valid[:] = False
    assert not speaks(sound, valid)


def test_a_long_clip_gives_what_its_strongest_second_gives() -> None:
    sound = noise(60.0)
    sound[300 * 256 : 300 * 256 + 4096] += vowel(4096 / RATE_HZ)
    part = sound[290 * 256 : 340 * 256]
    ones = np.ones(len(sound), np.bool_)
    assert statistic(sound, ones, RATE_HZ) == pytest.approx(statistic(part, ones[: len(part)], RATE_HZ), rel=1e-5)


def test_words_over_real_chest_sound_are_found_and_chest_sound_passes(real_data: Path) -> None:
    """A sample of what the figures of `edge.clips.speech` were measured on."""
    chests = [
        soundfile.read(path, dtype="float32")[0] for path in sorted(real_data.glob("sprsound/train/*.flac"))[::25]
    ]
    words = [
        soundfile.read(path, dtype="float32")[0] for path in sorted(real_data.glob("negatives/speech/*.flac"))[::9]
    ]
    found = []
    for number, chest in enumerate(chests[:40]):
        some = np.concatenate([words[(4 * number + k) % len(words)] for k in range(4)])[: len(chest)]
        mixed = chest.copy()
        mixed[: len(some)] += some * np.float32(np.sqrt(np.mean(chest**2) / np.mean(some**2)))
        found.append(speaks(mixed))
    passed = [not speaks(chest) for chest in chests]
    assert len(passed) > 70
    assert np.mean(found) >= 0.95
    assert np.mean(passed) >= 0.95
