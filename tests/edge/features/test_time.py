"""Frame t is at the same time whatever the device's rate: the rate adapter and the front-ends together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.features import Cwt, FeatureSpec, FrontEnd, Gammatone, Mel
from edge.sources.resample import RateAdapter
from edge.types import Block
from tests.edge.features.test_frontend import block, frames_by_index

RATES_HZ = [6000, 11025, 16000, 22050, 44100, 48000, 192000]
SPECS = {
    "log-mel": FeatureSpec(
        bands=32, high_hz=2000.0, analysis=Mel(windows_samples=(128,), fft_size=256), hop_samples=40
    ),
    "gammatone": FeatureSpec(bands=32, high_hz=2000.0, analysis=Gammatone(), hop_samples=40),
    "morlet": FeatureSpec(bands=32, high_hz=2000.0, analysis=Cwt(), hop_samples=40),
}
every_front_end = pytest.mark.parametrize("name", SPECS)


def _resampled_frames(spec: FeatureSpec, from_hz: int, sound: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """(T,) index and (T, M) levels of a sound that a device of `from_hz` gives in blocks of 30 ms."""
    adapter, front_end, size = RateAdapter(from_hz, spec.rate_hz), FrontEnd(spec), from_hz * 30 // 1000
    blocks = [adapter.push(block(i, sound[i : i + size].astype(np.float32))) for i in range(0, len(sound), size)]
    received = [item for items in [*blocks, adapter.flush()] for item in items if isinstance(item, Block)]
    index, values, valid = frames_by_index(
        [f for b in received for f in front_end.push(b)] + front_end.flush(), spec.width
    )
    return index[valid], values[valid]


def _breath(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tones that swell and fall within tens of milliseconds, so that a shift of a frame would show."""
    rng = np.random.default_rng(3)
    sound = np.zeros_like(time_s)
    for _ in range(60):
        hz, at_s, width_s = rng.uniform(80, 1700), rng.uniform(0, 2), rng.uniform(0.01, 0.05)
        sound += (
            0.1 * np.sin(2 * np.pi * hz * time_s + rng.uniform(0, 6)) * np.exp(-0.5 * ((time_s - at_s) / width_s) ** 2)
        )
    return sound


@every_front_end
@pytest.mark.parametrize("from_hz", RATES_HZ)
def test_frames_are_those_of_a_device_at_the_rate_of_the_spec(name: str, from_hz: int) -> None:
    spec = SPECS[name]
    index, levels = _resampled_frames(spec, spec.rate_hz, _breath(np.arange(2 * spec.rate_hz) / spec.rate_hz))
    other_index, other = _resampled_frames(spec, from_hz, _breath(np.arange(2 * from_hz) / from_hz))
    common, ours, theirs = np.intersect1d(index, other_index, return_indices=True)
    assert len(common) >= len(index) - 2
    loud = levels[ours] > -60
    assert np.abs(levels[ours] - other[theirs])[loud].max() < 0.5  # dB; the resampler's pass band ends at 0.46 of 6 kHz
    shifted = np.abs(levels[ours][1:] - other[theirs][:-1])[loud[1:]].max()
    assert shifted > 3  # dB: one frame of shift would be seen


@pytest.mark.parametrize("name", ["log-mel", "morlet"])
@pytest.mark.parametrize("from_hz", [8000, 16000, 44100, 48000])
def test_a_click_is_at_its_time_to_a_tenth_of_a_frame(name: str, from_hz: int) -> None:
    spec = SPECS[name]
    sound = np.zeros(2 * from_hz)
    click = round(0.9875 * from_hz)
    sound[click] = from_hz / spec.rate_hz
    index, levels = _resampled_frames(spec, from_hz, sound)
    energy = (10 ** (levels / 10))[:, 12:].sum(axis=1)  # wavelets of the lower bands are longer than a few frames
    length = spec.ahead_samples if name == "log-mel" else spec.hop_samples
    centre_s = (index * spec.hop_samples + length / 2) / spec.rate_hz
    assert (energy * centre_s).sum() / energy.sum() == pytest.approx(click / from_hz, abs=0.1 * 40 / 8000)
