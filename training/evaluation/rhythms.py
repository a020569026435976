"""Simulated rhythms, and the plain methods that the respiratory rate is compared with (`.breath_rate`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend, find_peaks

from edge.ward.breath_rhythm import HIGHEST
from edge.ward.respiratory_rate import SEGMENT_S

SEARCHED = (0.65, 6.0)  # seconds
SLOWEST = 7.0  # breaths per minute, of the spectrum
Peak = tuple[float | None, float]
"""Breaths per minute and how sure, of any unit."""


def autocorrelation_peak(signal: NDArray[np.float64], frame_s: float) -> Peak:
    """The highest peak of the autocorrelation, each lag divided by what overlaps."""
    centred = signal - signal.mean()
    lags = np.arange(round(SEARCHED[0] / frame_s), min(round(SEARCHED[1] / frame_s), int(0.6 * len(signal))))
    pairs = [(centred[lag:], centred[:-lag]) for lag in lags]
    alike = np.array([a @ b / np.sqrt((a @ a) * (b @ b) + 1e-9) for a, b in pairs])
    peaks, _ = find_peaks(alike)
    if not len(peaks):
        return None, 0.0
    best = peaks[np.argmax(alike[peaks])]
    return float(60 / (lags[best] * frame_s)), float(alike[best])


def spectral_peak(signal: NDArray[np.float64], frame_s: float) -> Peak:
    """The highest bin of the spectrum between `SLOWEST` and `HIGHEST` a minute."""
    power = np.abs(np.fft.rfft(detrend(signal) * np.hanning(len(signal)), 4096)) ** 2
    per_min = 60 * np.fft.rfftfreq(4096, frame_s)
    power[(per_min < SLOWEST) | (per_min > HIGHEST)] = 0
    return float(per_min[np.argmax(power)]), float(power.max() / max(power.sum(), 1e-30))


def simulated(count: int, frame_s: float) -> Iterator[tuple[float, NDArray[np.float64]]]:
    """Breaths per minute and (2, T) signals of breath whose expiration has 0.4 to 0.9 of the height of inspiration."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        seconds, per_min = rng.choice([8.0, 10.0, 12.0, SEGMENT_S]), np.exp(rng.uniform(np.log(15), np.log(45)))
        time_s, period_s = np.arange(round(seconds / frame_s)) * frame_s, 60 / per_min
        begins_s = np.cumsum(period_s * (1 + 0.06 * rng.normal(size=60))) - rng.uniform(1, 2) * period_s
        after, height, width, fainter = rng.uniform((0.4, 0.4, 0.25, 0.3), (0.52, 0.9, 0.42, 1.0))
        shapes = np.zeros((2, len(time_s)))
        for begin_s in begins_s:
            loud = 1 + 0.1 * rng.normal()
            for shift, heights in ((0.0, (1.0, 1.0)), (after, (height, height * fainter))):
                phase = np.clip((time_s - begin_s - shift * period_s) / (width * period_s), 0, 1)
                shapes = np.maximum(shapes, loud * np.outer(heights, np.sqrt(np.maximum(np.sin(np.pi * phase), 0))))
        slow = np.convolve(rng.normal(size=len(time_s) + 8), np.full(9, 1 / 3), "valid")
        level_db = 12 * shapes[1] + rng.uniform(1, 3) * slow + rng.normal(size=len(time_s))
        yield float(per_min), np.stack([np.clip(0.08 + 0.87 * shapes[0] + 0.06 * slow, 0, 1), level_db])
