"""What sounds beside the breath and is none: hum, filtered noise, rubbing, clicks; and a recording that is amplified.

Each is made as levels in dB and added as powers. What it looks like is not invented: white noise, sines and an impulse
went through `edge.features` once, so both spectrograms scatter and overlap in time as they do at the bedside; a draw
takes a stretch of that noise and gives it a colour, an envelope and a level over the stretch's
`training.detector.augment.reference`. What is added has no label and takes none away. Not for voices and cries: those
are recorded (`training.detector.examples`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.features import FeatureSpec, FrontEnd
from edge.features.logmel import mel_edges_hz
from training.detector.augment import DeviceSpec, DisturbanceSpec, add_powers, reference
from training.frames import extract

Levels = NDArray[np.float32]
MAINS_HZ = (50.0, 60.0)
HARMONICS = 8
NOISE_S = 40.0  # of noise to take stretches from
CLICK_FRAMES = 8  # frames of the longest window that hear one impulse


class Disturbances:
    """Draws what disturbs.

    Args:
        spec: what a frame is; levels in dB, mel bands.
        disturb: how often, and how loud.
        device: what it lets through of the heart.
    """

    def __init__(self, spec: FeatureSpec, disturb: DisturbanceSpec, device: DeviceSpec) -> None:
        self._spec, self._disturb, self._device, self._sounds = spec, disturb, device, _sounds(spec)
        self._hz = np.tile(mel_edges_hz(spec)[1:-1], spec.windows).astype(np.float32)
        self._octaves = np.log2(self._hz)
        self._hop_s = spec.hop_samples / spec.rate_hz

    def heart(self, count: int, rng: np.random.Generator) -> Levels:
        """(T, M) noise that ends between 60 and 200 Hz: beats of two sounds each, 60 to 180 a minute, or rumble."""
        curve = -rng.uniform(18, 36) * np.maximum(0, self._octaves - np.log2(rng.uniform(60, 200)))
        levels = self._stretch(count, rng) + self._levelled(curve)
        if rng.random() < 0.3:
            return levels + self._envelope(count, rng)[:, None]
        beat_s, times_s = rng.uniform(0.33, 1.0), np.arange(count) * self._hop_s + rng.uniform(0, 1)
        loud = np.zeros(count)
        for place, share in ((0.0, 1.0), (rng.uniform(0.28, 0.45), rng.uniform(0.3, 1.0))):
            apart_s = (times_s / beat_s - place + 0.5) % 1.0 * beat_s - 0.5 * beat_s
            loud += share * np.exp(-0.5 * (apart_s / rng.uniform(0.015, 0.04)) ** 2)
        return np.asarray(levels + 20 * np.log10(np.maximum(loud, 1e-4))[:, None], np.float32)

    def add(self, levels: Levels, valid: NDArray[np.bool_], rng: np.random.Generator) -> Levels:
        """(T, M) levels in dB with whatever is drawn added; `valid`, (T,), is where there is sound."""
        if not valid.any():
            return levels
        reference_db, disturb = reference(levels[:, : self._spec.bands], valid), self._disturb
        if rng.random() < self._device.heart:
            levels = add_powers(levels, self.heart(len(levels), rng) + _level(reference_db, self._device.heart_db, rng))
        if rng.random() < disturb.hum:
            levels = add_powers(levels, self.hum(rng) + _level(reference_db, disturb.hum_db, rng))
        if rng.random() < disturb.noise:
            levels = add_powers(levels, self.noise(len(levels), rng) + _level(reference_db, disturb.noise_db, rng))
        if rng.random() < disturb.rubbing:
            levels = levels.copy()
            for _ in range(int(rng.integers(1, 9))):
                self._put(levels, self.burst(rng) + _level(reference_db, disturb.rubbing_db, rng), rng)
        if rng.random() < disturb.clicks:
            levels = levels.copy()
            for _ in range(int(rng.integers(1, 4))):
                self._put(levels, self.click(rng) + _level(reference_db, disturb.clicks_db, rng), rng)
        return levels

    def amplified(self, levels: Levels, gain_db: float, rng: np.random.Generator) -> Levels:
        """A recording played louder, (T, M) dB: its noise comes up from below the converter's floor, where it was cut.

        Played more softly, more of it falls below the floor; `Changes.frames` cuts it there.
        """
        if gain_db <= 0:
            return levels + np.float32(gain_db)
        floor_db = self._spec.compression.floor  # type: ignore[union-attr]
        own_db = self._stretch(len(levels), rng) - self._sounds.white_db
        own_db += np.float32(floor_db - rng.uniform(*self._disturb.floor_db))
        hidden = levels <= floor_db + 0.1
        return np.where(hidden, np.minimum(own_db, floor_db), levels) + np.float32(gain_db)

    def hum(self, rng: np.random.Generator) -> Levels:
        """(M,) lines of the mains, the band in which they are strongest at 0 dB."""
        first = HARMONICS * int(rng.integers(len(MAINS_HZ)))
        lines_db = -rng.uniform(0, 30, HARMONICS)
        lines_db[int(rng.integers(0, 3))] = 0
        power = 10 ** ((self._sounds.lines[first : first + HARMONICS] + lines_db[:, None]) / 10)
        levels = 10 * np.log10(power.sum(0))
        return np.asarray(levels - levels.max(), np.float32)

    def noise(self, count: int, rng: np.random.Generator) -> Levels:
        """(T, M) noise of a band of frequencies; its mean is 0 dB in the band where it is strongest."""
        is_low = rng.random() < self._disturb.noise_low
        low_hz, high_hz = np.exp(rng.uniform(np.log(40), np.log(1200), 2))
        low_hz, high_hz = sorted((low_hz * (1 / 3 if is_low else 1), min(high_hz, 500.0) if is_low else high_hz))
        slopes_db = np.exp(rng.uniform(np.log(6), np.log(60), 2))  # an octave, below and above
        octaves = self._octaves
        curve = -rng.uniform(0, 6) * (octaves - np.log2(low_hz))
        curve -= slopes_db[0] * np.maximum(0, np.log2(low_hz) - octaves)
        curve -= slopes_db[1] * np.maximum(0, octaves - np.log2(high_hz))
        levels = self._stretch(count, rng) + self._levelled(curve)
        if rng.random() < self._disturb.noise_changes:
            levels += self._envelope(count, rng)[:, None]
        return levels

    def burst(self, rng: np.random.Generator) -> Levels:
        """(T, M) rubbing of .05 to .6 s, falling by 5 to 16 dB an octave from 60 to 300 Hz on, its grip uneven."""
        count = round(float(np.exp(rng.uniform(np.log(0.05), np.log(0.6)))) / self._hop_s)
        knee_hz = np.exp(rng.uniform(np.log(60), np.log(300)))
        curve = -rng.uniform(5, 16) * np.maximum(0, self._octaves - np.log2(knee_hz))
        levels = self._stretch(count, rng) + self._levelled(curve)
        knots = np.linspace(0, count - 1, max(3, count // 4))
        grip_db = np.interp(np.arange(count), knots, rng.normal(0, 4, len(knots)))
        edge_s = rng.uniform(0.01, 0.08)
        near_s = (np.minimum(np.arange(count), count - 1 - np.arange(count)) + 0.5) * self._hop_s
        return np.asarray(levels + (grip_db + 20 * np.log10(np.minimum(1, near_s / edge_s)))[:, None], np.float32)

    def click(self, rng: np.random.Generator) -> Levels:
        """(T, M) one click, its peak at 0 dB, falling by 2 to 14 dB an octave."""
        click = self._sounds.click - np.float32(rng.uniform(2, 14)) * (self._octaves - self._octaves[0])
        return np.asarray(click - click.max(), np.float32)

    def _stretch(self, count: int, rng: np.random.Generator) -> Levels:
        """(T, M) of the noise that was heard, from anywhere."""
        noise = self._sounds.noise
        first = int(rng.integers(0, len(noise)))
        return np.take(noise, np.arange(first, first + count) % len(noise), axis=0)

    def _levelled(self, curve: NDArray[np.floating]) -> Levels:
        """(M,) a colour that brings the strongest band of white noise to 0 dB."""
        return np.asarray(curve - (self._sounds.white_db + curve)[: self._spec.bands].max(), np.float32)

    def _envelope(self, count: int, rng: np.random.Generator) -> Levels:
        """(T,) dB: slow changes, and in half of the draws silence before or after some time."""
        knots = max(2, round(count * self._hop_s / rng.uniform(0.5, 3)))
        places = np.linspace(0, count - 1, knots)
        envelope = np.interp(np.arange(count), places, rng.normal(0, rng.uniform(1, 6), knots))
        if rng.random() < 0.5:
            edge, fade = rng.uniform(0, count), rng.uniform(0.05, 1) / self._hop_s
            outside = np.maximum(0, (edge - np.arange(count)) * (1 if rng.random() < 0.5 else -1))
            envelope -= 30 * outside / fade
        return np.asarray(np.maximum(envelope, -90), np.float32)

    def _put(self, levels: Levels, sound: Levels, rng: np.random.Generator) -> None:
        """Add a short sound somewhere, in place; what reaches beyond the end is cut."""
        first = int(rng.integers(0, max(1, len(levels))))
        part = levels[first : first + len(sound)]
        part[:] = add_powers(part, sound[: len(part)])


class _Sounds(NamedTuple):
    """What the front-end made of some sounds, dB."""

    noise: Levels  # (T, M) white noise of power 1
    white_db: Levels  # (M,) its mean power
    lines: Levels  # (mains x HARMONICS, M) sines of amplitude 1
    click: Levels  # (CLICK_FRAMES, M) an impulse


@lru_cache(maxsize=2)
def _sounds(spec: FeatureSpec) -> _Sounds:
    """Scaled by what is far above the floor: everything is as heard without it."""
    front_end, rng = FrontEnd(spec), np.random.default_rng(0)

    def heard(samples: NDArray[np.floating]) -> Levels:
        frames = extract(samples.astype(np.float32), front_end)
        return np.asarray(frames * np.array(spec.scale, np.float32) + np.array(spec.offset, np.float32), np.float32)

    noise = heard(rng.standard_normal(round(NOISE_S * spec.rate_hz)))
    times = np.arange(spec.rate_hz // 2) / spec.rate_hz
    lines = [heard(np.sin(2 * np.pi * hz * n * times)).mean(0) for hz in MAINS_HZ for n in range(1, HARMONICS + 1)]
    settled = -(-spec.history_samples // spec.hop_samples)  # frames before the first that hears what it is of
    impulse = np.zeros(spec.ahead_samples + (settled + CLICK_FRAMES) * spec.hop_samples)
    impulse[settled * spec.hop_samples + spec.ahead_samples - spec.hop_samples // 2] = 1e4
    white_db = 10 * np.log10(np.mean(10 ** (noise.astype(np.float64) / 10), axis=0))
    return _Sounds(noise, white_db.astype(np.float32), np.stack(lines), heard(impulse)[settled:][:CLICK_FRAMES])


def _level(reference_db: float, between_db: tuple[float, float], rng: np.random.Generator) -> np.float32:
    return np.float32(reference_db + rng.uniform(*between_db))
