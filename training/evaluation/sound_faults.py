"""Devices and faults that nobody recorded, made from recordings: for fitting and judging the quality of sound.

A device is a curve of gains (`heard_by`): a shelf below 60 to 110 Hz, one above 400 to 800 Hz, and a smooth curve
between. A fault is what a sensor hears when something is wrong (`FAULTS`), or when only something low sounds beside the
chest, which is no fault (`LOW`). Every fault goes through the same device as its chest, at a level relative to the
300 to 590 Hz of the chest. Not for training the detector (`training.detector.disturbances`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8000
BREATH_HZ = (300.0, 590.0)
LOW_SHELF_HZ, LOW_SHELF_DB = (60.0, 110.0), (-5.0, 40.0)
HIGH_SHELF_HZ, HIGH_SHELF_DB = (400.0, 800.0), (-5.0, 30.0)
SMOOTH_DB, SMOOTH_KNOTS = 3.0, 9
FRAME = 256
QUIET, QUIET_OF_MEAN = 0.25, 0.2877  # a quantile of the power of noise, and what it is of its mean: -ln(1 - 0.25)
LOUDEST = 0.9

Sound = NDArray[np.float32]
Rng = np.random.Generator
Chest = tuple[Sound, Callable[[Sound], Sound], Sequence[Sound]]
"""What is heard of a chest; the device; voices and cries to take from."""


def heard_by(rng: Rng) -> Callable[[Sound], Sound]:
    """A device: what it makes of (N,) sound."""
    low_db, high_db = rng.uniform(*LOW_SHELF_DB), rng.uniform(*HIGH_SHELF_DB)
    low, high = np.log2(rng.uniform(*LOW_SHELF_HZ)), np.log2(rng.uniform(*HIGH_SHELF_HZ))
    knots, curve_db = np.linspace(np.log2(20), np.log2(4000), SMOOTH_KNOTS), rng.normal(0, SMOOTH_DB, SMOOTH_KNOTS)

    def heard(sound: Sound) -> Sound:
        octaves = np.log2(np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE_HZ), 5))
        gain_db = low_db * _shelf(low - octaves) + high_db * _shelf(octaves - high)
        gain_db += np.interp(octaves, knots, curve_db)
        return np.fft.irfft(np.fft.rfft(sound) * 10 ** (gain_db / 20), len(sound)).astype(np.float32)

    return heard


def _shelf(octaves: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + 2.0 ** (-4 * octaves)))


def rms(sound: Sound, band_hz: tuple[float, float] = BREATH_HZ) -> float:
    """Of a band, full scale = 1."""
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    within = np.fft.rfft(sound)[(hz >= band_hz[0]) & (hz < band_hz[1])]
    return float(np.sqrt(2 * np.sum(np.abs(within) ** 2)) / len(sound)) + 1e-9


def noise(length: int, hz: NDArray[np.floating], power: NDArray[np.floating], rng: Rng) -> Sound:
    """Noise of some power at some frequencies."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    gains = np.sqrt(np.interp(np.fft.rfftfreq(length, 1 / RATE_HZ), hz, power))
    return np.fft.irfft(spectrum * gains, length).astype(np.float32)


def coloured(length: int, slope: float, rng: Rng) -> Sound:
    """Noise whose power falls with this power of the frequency: 0 white, 1 pink, 2 brown."""
    hz = np.geomspace(10, 4000, 60)
    return noise(length, hz, (hz / 400) ** -slope, rng)


def own_noise(sound: Sound) -> Callable[[Rng], Sound]:
    """Noise as loud, at each frequency, as the quiet of a recording is."""
    hann = np.hanning(FRAME + 1)[:-1]
    frames = sound[: len(sound) // FRAME * FRAME].reshape(-1, FRAME) * hann
    power = np.quantile(np.abs(np.fft.rfft(frames)) ** 2, QUIET, axis=0) / QUIET_OF_MEAN / np.sum(hann**2)
    return lambda rng: noise(len(sound), np.fft.rfftfreq(FRAME, 1 / RATE_HZ), power, rng)


def strokes(length: int, rng: Rng, pause_s: tuple[float, float]) -> Sound:
    """An envelope of strokes of 0.1 to 0.6 s."""
    out, at_s = np.zeros(length, np.float32), 0.2
    while at_s < length / RATE_HZ:
        for_s = rng.uniform(0.1, 0.6)
        begin, end = round(at_s * RATE_HZ), min(length, round((at_s + for_s) * RATE_HZ))
        out[begin:end] = np.hanning(end - begin + 2)[1:-1] ** 0.3 * 10 ** (rng.uniform(-6, 6) / 20)
        at_s += for_s + rng.uniform(*pause_s)
    return out


def drift(length: int, rng: Rng, spread_db: float, per_s: float) -> Sound:
    """Gains that wander."""
    times = np.arange(length) * per_s / RATE_HZ
    knots = rng.normal(0, spread_db, int(times[-1]) + 3)
    return (10 ** (np.interp(times, np.arange(len(knots)), knots) / 20)).astype(np.float32)


def heart(length: int, rng: Rng) -> Sound:
    """Two sounds a beat, 55 to 180 a minute."""
    times_s, beat_s, begin_s = np.arange(length) / RATE_HZ, rng.uniform(0.33, 1.1), 0.0
    loud = np.zeros(length)
    while begin_s < length / RATE_HZ + 1:
        for later_s, share in ((0.0, 1.0), (rng.uniform(0.28, 0.42) * beat_s, rng.uniform(0.3, 1.0))):
            loud += share * np.exp(-0.5 * ((times_s - begin_s - later_s) / rng.uniform(0.015, 0.035)) ** 2)
        begin_s += beat_s * rng.normal(1, 0.03)
    low = noise(length, np.array([0, 25, 40, 80, 160, 400]), np.array([0, 1, 1, 0.3, 3e-3, 1e-7]), rng)
    return (low * loud).astype(np.float32)


def below(sound: Sound, corner_hz: float) -> Sound:
    """What of it lies below a corner; it falls by 36 dB an octave."""
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return np.fft.irfft(np.fft.rfft(sound) / np.sqrt(1 + (hz / corner_hz) ** 12), len(sound)).astype(np.float32)


def _at(sound: Sound, chest: Sound, over_db: float, band_hz: tuple[float, float] = BREATH_HZ) -> Sound:
    """A sound, so many dB over the breath band of the chest within a band."""
    return (sound * np.float32(rms(chest) * 10 ** (over_db / 20) / rms(sound, band_hz))).astype(np.float32)


def _air(chest: Chest, rng: Rng, slope: float, spread_db: float = 0.0, per_s: float = 1.0) -> Sound:
    sound, device, _ = chest
    air = device(coloured(len(sound), slope, rng) * drift(len(sound), rng, spread_db, per_s))
    return _at(air, sound, rng.uniform(-25, 10))


def _rubs(chest: Chest, rng: Rng, under: Sound, over_db: tuple[float, float], pause_s: tuple[float, float]) -> Sound:
    sound, device, _ = chest
    stroke = device(coloured(len(sound), rng.uniform(1, 2.5), rng) * strokes(len(sound), rng, pause_s))
    return under + _at(stroke, sound, rng.uniform(*over_db))


def _pause(chest: Chest, rng: Rng) -> Sound:
    """The breath is replaced by the recording's own quiet, what is below 110 Hz stays."""
    still = own_noise(chest[0])(rng)
    return below(chest[0], 110) + still - below(still, 110)


def _hum(chest: Chest, rng: Rng) -> Sound:
    sound, device, _ = chest
    times_s, mains_hz = np.arange(len(sound)) / RATE_HZ, (50, 60)[int(rng.integers(2))]
    lines = [10 ** (-rng.uniform(0, 25) / 20) * np.sin(2 * np.pi * mains_hz * k * times_s) for k in range(1, 9)]
    return sound + _as_strong(device(np.sum(lines, axis=0).astype(np.float32)), sound, 6.0)


def _tone(chest: Chest, rng: Rng) -> Sound:
    times_s = np.arange(len(chest[0])) / RATE_HZ
    tone = np.sin(2 * np.pi * rng.uniform(150, 900) * times_s + rng.uniform(0, 6)).astype(np.float32)
    return chest[0] + _as_strong(tone, chest[0], 3.0)


def _as_strong(sound: Sound, chest: Sound, over_db: float) -> Sound:
    """A sound, so many dB over the chest above 100 Hz."""
    return (sound * np.float32(10 ** (over_db / 20) * rms(chest, (100, 4000)) / rms(sound, (100, 4000)))).astype(
        np.float32
    )


def _voice(chest: Chest, rng: Rng, corner_hz: float, over_db: float) -> Sound:
    """Words or cries, one after the other, without what is above a corner; over 150 to 700 Hz of the chest."""
    sound, device, spoken = chest
    parts: list[Sound] = []
    while sum(map(len, parts)) < len(sound):
        one = spoken[int(rng.integers(len(spoken)))]
        parts += [one / np.float32(np.sqrt(np.mean(one**2)) + 1e-9), np.zeros(RATE_HZ // 7, np.float32)]
    voice = device(below(np.concatenate(parts)[: len(sound)], corner_hz))
    return sound + voice * np.float32(rms(sound, (150, 700)) * 10 ** (over_db / 20) / rms(voice, (150, 700)))


def _clip(chest: Chest, rng: Rng) -> Sound:
    loud = chest[0] / np.quantile(np.abs(chest[0]), rng.uniform(0.96, 0.98))
    return np.clip(loud, -1, 1).astype(np.float32)


def _rumble(length: int, rng: Rng) -> Sound:
    return noise(length, np.array([0, 15, 20, 60, 90, 150, 300]), np.array([0, 0, 1, 1, 0.1, 1e-4, 1e-9]), rng)


def _low_strokes(length: int, rng: Rng) -> Sound:
    return below(_rumble(length, rng), 60) * strokes(length, rng, (0.3, 1.6))


Fault = Callable[[Chest, Rng], Sound]
AIR: dict[str, Fault] = {
    "own noise": lambda chest, rng: own_noise(chest[0])(rng),
    "white air": lambda chest, rng: _air(chest, rng, 0),
    "pink air": lambda chest, rng: _air(chest, rng, 1),
    "brown air": lambda chest, rng: _air(chest, rng, 2),
    "restless pink air": lambda chest, rng: _air(chest, rng, 1, 1.5),
    "restless brown air": lambda chest, rng: _air(chest, rng, 2, 2.5, 0.4),
}
"""A sensor that came loose."""
RUBS: dict[str, Fault] = {
    "rubbing on chest": lambda chest, rng: _rubs(chest, rng, chest[0], (10, 30), (0.3, 1.6)),
    "rubbing in air": lambda chest, rng: _rubs(chest, rng, own_noise(chest[0])(rng), (0, 30), (0.2, 2.5)),
}
OTHERS: dict[str, Fault] = {
    "clipped": _clip,
    "dead": lambda chest, rng: np.zeros(len(chest[0]), np.float32),
    "hum": _hum,
    "tone": _tone,
    "voice": lambda chest, rng: _voice(chest, rng, rng.uniform(1000, 2500), 6),
    "voice in chest": lambda chest, rng: _voice(chest, rng, rng.uniform(500, 750), 6),
}
LOW: dict[str, Fault] = {
    "rumble": lambda chest, rng: chest[0] + _at(_rumble(len(chest[0]), rng), chest[0], rng.uniform(15, 45), (20, 90)),
    "loud heart": lambda chest, rng: (
        chest[0] + _at(heart(len(chest[0]), rng), chest[0], rng.uniform(15, 45), (30, 110))
    ),
    "low strokes": lambda chest, rng: (
        chest[0] + _at(_low_strokes(len(chest[0]), rng), chest[0], rng.uniform(10, 40), (20, 60))
    ),
}
"""What sounds below 100 Hz beside a breath that is heard: no fault."""
PAUSE: dict[str, Fault] = {"pause of breath": _pause}
FAULTS = {**AIR, **RUBS, **OTHERS, **PAUSE, **LOW}


def with_fault(chest: Chest, name: str, rng: Rng) -> Sound:
    """What is heard of a chest with a fault, not louder than `LOUDEST` unless it is clipped."""
    sound = FAULTS[name](chest, rng)
    return sound if name == "clipped" else not_clipped(sound)


def not_clipped(sound: Sound) -> Sound:
    """Sound with a gain that leaves its peak at `LOUDEST` where it is above that."""
    return (sound * np.float32(min(1.0, LOUDEST / max(float(np.abs(sound).max()), LOUDEST)))).astype(np.float32)
