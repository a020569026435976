"""Simulated rhythms, and the plain methods that the respiratory rate is compared with (`.breath_rate`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.signal import detrend, find_peaks

from edge.ward.breath_rhythm import HIGHEST
from edge.ward.respiratory_rate import SEGMENT_S

SEARCHED = (0.65, 6.0)  # seconds
SLOWEST = 7.0  # breaths per minute, of the spectrum
PIECE_S, QUIETEST, FEWEST = 0.25, 0.25, 4  # of quiet; share of all pieces between breaths; that there must be
PAUSED = 0.7  # of the breaths have quiet behind them
Floats = NDArray[np.floating]
Bed = tuple[NDArray[np.float64], Floats]
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


@dataclass(frozen=True, slots=True)
class Breath:
    """One annotated breath, up to the next."""

    sound: Floats
    """(T, 5) breath score and levels; these without the mean of the recording."""
    quiet: tuple[Floats, ...]
    """The quietest pieces between the breaths of the recording."""


def breaths(spans_s: Floats, score: Floats, levels_db: Floats, frame_s: float) -> list[Breath]:
    """The annotated breaths of a recording; none where it has too little quiet.

    Args:
        spans_s: (n, 2) begin and end of each, seconds.
        score: (T,).
        levels_db: (T, 4).
        frame_s: seconds to one frame.
    """
    sound = np.concatenate([score[:, None], levels_db - levels_db[:, :1].mean()], axis=1)
    length, is_breath = round(PIECE_S / frame_s), np.zeros(len(sound), np.bool_)
    spans = np.round(spans_s / frame_s).astype(int)
    for begin, end in spans:
        is_breath[begin:end] = True
    places = [at for at in range(0, len(sound) - length, length // 2) if not is_breath[at : at + length].any()]
    pieces = sorted((sound[at : at + length] for at in places), key=_level)
    quiet = tuple(pieces[: max(round(QUIETEST * len(pieces)), FEWEST)])
    return [Breath(sound[begin:end], quiet) for begin, end in pairwise(spans[:, 0])] if len(quiet) >= FEWEST else []


def uneven(some: Sequence[Breath], seconds: float, most: float, frame_s: float, rng: np.random.Generator) -> Bed:
    """Breaths of one patient in any order, `PAUSED` of them with quiet behind them of up to `most` times their length.

    So the begin of every breath is known, where annotators leave breaths out.

    Returns:
        (n,) begins, seconds, and (T, 5) sound of the length asked for.
    """
    begins, parts, count, frames = list[int](), list[Floats](), 0, round(seconds / frame_s)
    while count < frames:
        begins.append(count)
        breath = some[int(rng.integers(len(some)))]
        rest = round(len(breath.sound) * rng.uniform(0, most)) if rng.random() < PAUSED else 0
        new = [breath.sound]
        while rest > 0:
            new.append(breath.quiet[int(rng.integers(len(breath.quiet)))][:rest])
            rest -= len(new[-1])
        count += sum(map(len, new))
        parts += new
    return np.array(begins) * frame_s, np.concatenate(parts)[:frames]


def _level(piece: Floats) -> float:
    return float(piece[:, 1].mean())
