"""How the level of a band moves over time: what tells breath, heart and rubbing from noise, on whatever device.

A device that weakens a band by 30 dB moves its level by 30 dB and changes nothing of how it moves. Of noise that does
not change, the levels of frames of 32 ms scatter by what the width of the band gives and by nothing else: means over
128 ms have a standard deviation of some 0.8 dB (300 to 590 Hz) to 2 dB (30 to 60 Hz) at any level and any colour.
Whatever sounds in between adds to that.

Pure; levels are dB every `HOP_S`, (T,) of one band. Not for what follows from it (`edge.detector.quality`,
`edge.detector.contact`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edge.detector.quality_statistics import HOP_S

SHORT, SYLLABLE, BREATH = 3, 8, 80  # frames: 48 ms, 128 ms, 1.3 s
SLOWEST_HZ = 0.1  # below it a level only drifts
FLICKER_HZ = (8.0, 16.0)
BEAT_S = (0.27, 1.5)  # 220 to 40 beats a minute
MOST_DB = 15.0  # of a swing that counts for a beat: one thump is no rhythm
LEAST_VARIANCE = 1e-6

Levels = NDArray[np.float64]


def means(values: Levels, frames: int) -> Levels:
    """(T - frames + 1,) running means; T is `frames` or more."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((sums[frames:] - sums[:-frames]) / frames)


def swing_db(values: Levels) -> float:
    """Standard deviation of means over 128 ms, dB."""
    return float(means(values, SYLLABLE).std())


def pulse_db(values: Levels) -> float:
    """The same without what lasts for longer than 1.3 s, dB: beats, not the drift of a room."""
    slow = means(values, BREATH)
    first = (BREATH - SYLLABLE) // 2
    return float((means(values, SYLLABLE)[first : first + len(slow)] - slow).std())


def scatter_db(values: Levels) -> float:
    """Standard deviation from one frame to the next, dB."""
    return float(np.diff(values).std())


def burst_db(values: Levels) -> float:
    """How far the loudest hundredth of means over 48 ms lies above the middle, dB."""
    smooth = np.sort(means(values, SHORT))
    return float(smooth[int(0.99 * len(smooth))] - smooth[len(smooth) // 2])


def slow_share(values: Levels) -> float:
    """Share of the variance that means over 48 ms leave: breath swells, a band without breath flickers."""
    return float(means(values, SHORT).var() / max(values.var(), LEAST_VARIANCE))


def flicker_share(values: Levels) -> float:
    """Share of the modulation above 0.1 Hz in 8 to 16 Hz: faster than any breath and nearly any heart."""
    swing = values - values.mean()
    power = np.abs(np.fft.rfft(swing * _taper(len(swing)))) ** 2
    first, begin, end = np.searchsorted(np.fft.rfftfreq(len(swing), HOP_S), (SLOWEST_HZ, *FLICKER_HZ))
    return float(power[begin:end].sum() / max(float(power[first:].sum()), LEAST_VARIANCE))


def together(first: Levels, second: Levels) -> float:
    """Correlation of two bands, of means over 128 ms; 0 where one does not move."""
    one, other = (means(each, SYLLABLE) for each in (first, second))
    one, other = one - one.mean(), other - other.mean()
    return float(one @ other / max(float(np.sqrt((one @ one) * (other @ other))), LEAST_VARIANCE))


def regularity(values: Levels) -> float:
    """How alike a band is to itself one beat later: the highest peak of its autocorrelation within `BEAT_S`, 0 to 1.

    Of 10 s of noise it is below 0.2; of a heart that is heard, 0.3 to 0.95; of children who move, little more than
    that of noise.
    """
    smooth = means(values, SHORT)
    half = BREATH // 2
    level = means(np.pad(smooth, half, mode="edge"), 2 * half + 1)
    swing = np.clip(smooth - level, -MOST_DB, MOST_DB)
    count = len(swing)
    first, last = (round(each / HOP_S) for each in BEAT_S)
    products = np.fft.irfft(np.abs(np.fft.rfft(swing, 2 * count)) ** 2)[: last + 2]
    alike = products / max(float(products[0]), LEAST_VARIANCE) * count / (count - np.arange(len(products)))
    before, here, after = alike[first - 1 : last], alike[first : last + 1], alike[first + 1 : last + 2]
    return float(np.max(np.where((here >= before) & (here >= after), here, 0.0)))


@lru_cache(maxsize=16)
def _taper(length: int) -> Levels:
    return np.asarray(np.hanning(length), np.float64)
