"""What is played at another speed or pitch lies where its label lies, and sounds like what it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.features import FrontEnd
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS
from training.detector.hyperparameters import Recipe
from training.detector.truth import LabelSpec, Timeline
from training.detector.warp import Warp, WarpSpec
from training.frames import extract

SPEC = Recipe().features  # 8 ms to a frame, offset -75 dB, scale 20 dB
STRIDE = 4
PLAIN = Warp()


def _levels(samples: NDArray[np.floating]) -> NDArray[np.float32]:
    return extract(samples.astype(np.float32), FrontEnd(SPEC)) * 20 - 75


@pytest.fixture(scope="module")
def noise() -> NDArray[np.float32]:
    """Ten seconds of white noise, dB."""
    return _levels(np.random.default_rng(0).normal(0, 0.1, 80_000))


def _burst() -> NDArray[np.float32]:
    """A tone of 500 Hz from 3 to 3.4 s of 6 s, dB."""
    times = np.arange(48_000) / 8000
    return _levels(np.sin(2 * np.pi * 500 * times) * ((times >= 3) & (times < 3.4)) * 0.5)


@pytest.mark.parametrize("warp", [PLAIN, Warp(0.8), Warp(1.25), Warp(1.0, 1.25), Warp(0.9, 0.8), Warp(1.17, 1.17)])
@pytest.mark.parametrize("start", [101.0, 230.0])
def test_a_burst_lies_where_its_target_lies(warp: Warp, start: float) -> None:
    start += 0.37 * (warp.speed != 1)
    frames, valid = warp.frames(_burst(), start, 480, SPEC)
    # A frame is heard around its middle, half of the longest window (4 frames) after it begins
    loud = np.flatnonzero((frames[:, : SPEC.bands].max(1) > -30) & valid) + SPEC.ahead_samples / 2 / SPEC.hop_samples
    recording = Recording(Path("one.flac"), "p", "CAS", (Annotation(3.0, 3.4, ("wheeze",)),))
    target = Timeline(recording, LabelSpec()).truth(*_times(warp, start)).targets[:, COLUMNS.continuous]
    covered = np.flatnonzero(target > 0)
    first = (covered[0] + 1 - target[covered[0]]) * STRIDE
    last = (covered[-1] + target[covered[-1]]) * STRIDE
    assert valid.any()
    # The long window hears a tone a little before it begins: the same at both ends, and at every speed
    assert abs((loud[0] + loud[-1]) / 2 - (first + last) / 2) < 1.0
    assert abs((loud[-1] - loud[0]) - (last - first)) < 8


def _times(warp: Warp, start: float) -> tuple[float, int, float]:
    start_s, frame_s = warp.times(start, STRIDE, SPEC)
    return start_s, 120, frame_s


def test_at_speed_1_frames_are_those_of_the_recording_wherever_they_begin(noise: NDArray[np.float32]) -> None:
    for start in (0, 1, 7, 1000):
        frames, valid = PLAIN.frames(noise, start, 100, SPEC)
        np.testing.assert_array_equal(frames, noise[start : start + 100])
        assert valid.all()
    begins = {PLAIN.start(-3, 5, np.random.default_rng(seed)) for seed in range(60)}
    assert begins == set(range(-3, 5))


def test_outside_the_recording_nothing_is_heard(noise: NDArray[np.float32]) -> None:
    for warp in (PLAIN, Warp(1.1), Warp(0.8, 1.2)):
        frames, valid = warp.frames(noise, -10, 3000, SPEC)
        places = -10 + warp.speed * np.arange(3000)
        np.testing.assert_array_equal(valid, (places >= 0) & (places <= len(noise) - 1))
        assert not frames[~valid].any()
        assert not warp.frames(noise, len(noise) + 5, 20, SPEC)[1].any()


@pytest.mark.parametrize("pitch", [0.8, 0.9, 1.1, 1.25])
def test_a_tone_is_heard_at_the_pitch_asked_for(pitch: float) -> None:
    tone, required = (_levels(np.sin(2 * np.pi * hz * np.arange(8000) / 8000) * 0.1) for hz in (600.0, 600.0 * pitch))
    moved = Warp(1.0, pitch).frames(tone, 0, 50, SPEC)[0]
    for part in range(SPEC.windows):
        bands = slice(part * SPEC.bands, (part + 1) * SPEC.bands)
        assert abs(int(moved[25, bands].argmax()) - int(required[25, bands].argmax())) <= 1
        assert abs(moved[25, bands].max() - required[25, bands].max()) < 3


@pytest.mark.parametrize("warp", [Warp(0.8), Warp(1.07), Warp(1.25), Warp(1.0, 0.8), Warp(1.0, 1.25), Warp(1.2, 1.2)])
def test_noise_keeps_its_scatter(warp: Warp, noise: NDArray[np.float32]) -> None:
    frames, valid = warp.frames(noise, 0.4, 900, SPEC)
    for part in range(SPEC.windows):
        bands = slice(part * SPEC.bands, (part + 1) * SPEC.bands)
        before, after = noise[:, bands].std(0).mean(), frames[valid][:, bands].std(0).mean()
        assert 0.9 < after / before < 1.05


def test_a_recipe_draws_as_often_and_as_far_as_it_says() -> None:
    rng, spec = np.random.default_rng(0), WarpSpec(speed=0.3, pitch=0.2, resampled=0.1)
    drawn = [Warp.drawn(spec, rng) for _ in range(4000)]
    together = [w for w in drawn if w.speed == w.pitch != 1]
    assert len(together) / 4000 == pytest.approx(0.1, abs=0.02)
    assert sum(w.speed != 1 for w in drawn) / 4000 == pytest.approx(0.1 + 0.9 * 0.3, abs=0.03)
    assert sum(w.pitch != 1 for w in drawn) / 4000 == pytest.approx(0.1 + 0.9 * 0.2, abs=0.03)
    assert all(0.8 <= factor <= 1.25 for w in drawn for factor in (w.speed, w.pitch))
    assert {Warp.drawn(WarpSpec(0, 0, 0), rng) for _ in range(20)} == {PLAIN}
