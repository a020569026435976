"""How fast a stretch of breathing repeats: a posterior over breaths per minute. Pure, of one stretch, no state.

Two signals of the same frames are looked at: the model's breath score, and the level of the sound in dB, which knows no
model. Of each, at every candidate period: how much of its modulation has that frequency, its double and its half (the
spectrum), and how alike it is to itself one, a half and two periods later (the autocorrelation). A weighted sum of
these twelve and of the logarithm of the rate is the candidate's log-odds, a softmax over all candidates the posterior.
So the octave is not a rule but a comparison of all that speaks for a period, for its half and for its double.

Breath that is not regular has no period; there breaths are **counted**: the peaks of both signals' sum, smoothed over
half a period, that rise and fall by a share of its range. It holds where it does not matter which share (`RISES`).

Lost and masked frames are zeros of a signal without mean and slope, and both measures are divided by how much was
there. The same weights serve any speed: slow breathing is looked at in frames that are four times as long.

Weights: maximum likelihood on half of the patients of SPRSound, and on a few stretches of simulated breath in which
expiration is nearly as loud as inspiration, which is rare there and common at a neck. The breath scores were those of
the detector before the present one, whose rates were measured with them and are as good. What they are worth on the
other half: `python -m training.evaluation.breath_rate`. Not for when to answer (`edge.ward.respiratory_rate`).

Sources: autocorrelation and spectrum of breath sounds' envelopes: Sierra et al., IEEE EMBS 2004; McFadden's conditional
logit, 1974, for a choice among candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LOWEST, HIGHEST, CANDIDATES = 4.0, 90.0, 126  # breaths per minute, in steps of 2.5 %
MODULATION_HZ = (0.05, 3.5)  # all that is looked at; a heart is above most of it
LEAST_PERIODS = 2  # between three breaths, in a stretch
LEAST_OVERLAP = 0.2  # of a stretch with itself, later: what is less is not trusted more
POINTS = 1024  # of the transform: twice the longest stretch or more, so that no end meets the other begin
MOST_FRAMES = POINTS // 2
BLUR = 0.05  # of the logarithm of the rate: how near candidates add up, to find the best one
NEAR = 0.1  # the same: as far as a rate may be off, so what lies within is what is trusted
TYPICAL = 25.0  # breaths per minute, where the logarithm is 0
SMOOTHED, SMOOTHED_S = 0.5, (0.3, 1.2)  # of a period, and seconds: over which signals are smoothed to count breaths
RISES, AGREE = (0.2, 0.4), 0.05  # of the range, that a peak must rise and fall by; how far the two counts may differ
RANGE = 0.05, 0.95  # quantiles that a signal ranges between
LEAST_COUNTED = 3
FEATURES = (
    "spectrum", "spectrum of double", "spectrum of half", "alike", "alike after half", "alike after double",
)  # fmt: skip  # of each signal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Weights:
    """What each measure counts, fitted."""

    score: tuple[float, ...]
    """As `FEATURES`, of the breath score."""
    level: tuple[float, ...]
    """As `FEATURES`, of the level."""
    rate: tuple[float, float]
    """Of the logarithm of the rate over `TYPICAL`, and of its square."""

    def as_array(self) -> Floats:
        """(14,) all of them."""
        return np.array([*self.score, *self.level, *self.rate])


FITTED = Weights(
    score=(2.35, -1.03, -0.71, 2.48, -0.56, 1.17),
    level=(3.31, 1.59, -2.23, 1.29, 1.33, 0.21),
    rate=(0.49, -1.40),
)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The best candidate of a posterior."""

    breaths_per_min: float
    mass: float
    """Probability within `NEAR` of it, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Count:
    """Breaths that were counted one by one."""

    breaths_per_min: float
    spread: float
    """Longest time between two of them / shortest."""


class Candidates:
    """All candidate rates of stretches of one kind of frame.

    Args:
        frame_s: seconds from one frame to the next.
        slower: by which rates and frames are slower than those that the weights were fitted for: 1, or 4.
    """

    def __init__(self, frame_s: float, slower: float = 1.0) -> None:
        self.per_min = np.geomspace(LOWEST, HIGHEST, CANDIDATES) / slower
        """(R,) breaths per minute."""
        self._logs = np.log(self.per_min)
        hz = self.per_min / 60
        self._periods = 1 / (hz * frame_s)  # frames
        # Bin k of POINTS frames lies at k / (POINTS * frame_s) Hz.
        bins = np.stack([hz, 2 * hz, hz / 2]) * (POINTS * frame_s)
        self._bin, self._bin_part = _split(bins, POINTS // 2)
        lags = np.stack([self._periods, self._periods / 2, self._periods * 2])
        self._lag, self._lag_part = _split(lags, MOST_FRAMES - 1)
        self._is_long = self._lag[2] >= MOST_FRAMES - 2  # twice the period lies beyond everything
        low, high = (round(each / slower * POINTS * frame_s) for each in MODULATION_HZ)
        self._modulation = slice(max(low, 1), min(high, POINTS // 2) + 1)
        logs = np.log(np.geomspace(LOWEST, HIGHEST, CANDIDATES) / TYPICAL)
        self._rate = np.stack([logs, logs**2], axis=1)
        apart = self._logs[:, None] - self._logs
        self._blur, self._near = np.exp(-0.5 * (apart / BLUR) ** 2), np.abs(apart) <= NEAR

    def measures(self, signals: Floats, usable: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
        """What `Weights` weigh.

        Args:
            signals: (2, T) breath score and level of up to `MOST_FRAMES` frames, the newest last.
            usable: (T,) which of them are known.

        Returns:
            (R, 14) measures, and (R,) which candidates fit into the stretch `LEAST_PERIODS` times.
        """
        count = usable.shape[0]
        mask = usable.astype(np.float64)
        level = _levelled(signals, mask)
        rows = np.zeros((5, POINTS))
        rows[:2, :count], rows[2:4, :count], rows[4, :count] = level * _taper(count), level, mask
        spectra = np.fft.rfft(rows)
        power = spectra.real**2 + spectra.imag**2
        # In bins of the stretch itself: padding with zeros makes POINTS / count of each.
        shares = power[:2] * (POINTS / count) / np.maximum(power[:2, self._modulation].sum(axis=1), 1e-12)[:, None]
        tone = np.sqrt(shares[:, self._bin] * (1 - self._bin_part) + shares[:, self._bin + 1] * self._bin_part)
        # The transform of a power spectrum is the autocorrelation; that of the mask counts the pairs that are known.
        alike = np.fft.irfft(power[2:])[:, :MOST_FRAMES]
        overlap = np.maximum(alike[2] / max(alike[2, 0], 1e-12), LEAST_OVERLAP)
        alike = alike[:2] / (np.maximum(alike[:2, :1], 1e-12) * overlap)
        later = alike[:, self._lag] * (1 - self._lag_part) + alike[:, self._lag + 1] * self._lag_part
        # Two periods later less than a fifth of the stretch is left to compare with: that says nothing.
        later[:, 2, self._is_long | (2 * self._periods > 0.8 * count)] = 0.0
        both = np.concatenate([tone, later], axis=1).reshape(2 * len(FEATURES), -1)
        return np.concatenate([both.T, self._rate], axis=1), LEAST_PERIODS * self._periods <= count

    def log_odds(self, signals: Floats, usable: NDArray[np.bool_], weights: Weights = FITTED) -> Floats:
        """(R,) log-odds of each candidate; minus infinity for one that is too slow for the stretch."""
        measures, fits = self.measures(signals, usable)
        return np.where(fits, measures @ weights.as_array(), -np.inf)

    def best(self, log_odds: Floats) -> Rhythm | None:
        """The candidate around which most of the posterior lies; None where none fits."""
        highest = float(log_odds.max())
        if highest == -np.inf:
            return None
        posterior = np.exp(log_odds - highest)
        posterior /= posterior.sum()
        near = self._near[int(np.argmax(posterior @ self._blur))] * posterior
        mass = float(near.sum())
        return Rhythm(float(np.exp(near @ self._logs / mass)), mass)


@lru_cache(maxsize=8)
def candidates(frame_s: float, slower: float = 1.0) -> Candidates:
    """As `Candidates`, one for all streams: it keeps nothing of any."""
    return Candidates(frame_s, slower)


def counted(signals: Floats, usable: NDArray[np.bool_], frame_s: float, per_min: float) -> Count | None:
    """The breaths of a stretch; None where their number is not certain, or one may have been in lost sound.

    Args:
        signals: (2, T) breath score and level.
        usable: (T,) which frames of them are known.
        frame_s: seconds from one to the next.
        per_min: about how fast they are.
    """
    seconds = min(max(SMOOTHED * 60 / per_min, SMOOTHED_S[0]), SMOOTHED_S[1])
    window = _taper(round(seconds / frame_s) + 2)  # its ends are 0
    known = np.convolve(usable.astype(np.float64), window, "same")
    if known.min() <= 0:
        return None
    both, places = np.zeros(len(usable)), [int(each * len(usable)) for each in RANGE]
    for signal in signals:
        smooth = np.convolve(np.where(usable, signal, 0.0), window, "same") / known
        low, high = np.partition(smooth, places)[places]
        both += 0.5 * (smooth - low) / (high - low + 1e-6)
    (more, at_least), times = (_peaks(both, rise) for rise in RISES), frame_s / 60
    if len(at_least) < LEAST_COUNTED:
        return None
    # Between n breaths lie n - 1 times.
    rate, other = ((len(each) - 1) / ((each[-1] - each[0]) * times) for each in (more, at_least))
    if abs(rate / other - 1) > AGREE or not LOWEST <= rate <= HIGHEST:
        return None
    between = np.diff(more)
    return Count(rate, float(between.max() / between.min()))


def _peaks(signal: Floats, rise: float) -> list[int]:
    """Where it is highest between rising by so much and falling by as much."""
    steps = np.diff(signal)
    turns = [*(np.flatnonzero(steps[1:] * steps[:-1] <= 0) + 1).tolist(), len(signal) - 1]
    peaks, place, is_rising, low, high = list[int](), 0, False, float(signal[0]), 0.0
    for at in turns:
        value = float(signal[at])
        if not is_rising:
            low = min(low, value)
            if value - low >= rise:
                is_rising, high, place = True, value, at
        elif value > high:
            high, place = value, at
        elif high - value >= rise:
            peaks.append(place)
            is_rising, low = False, value
    return peaks


def _levelled(signals: Floats, mask: Floats) -> Floats:
    """(2, T) signals without mean and slope of what is known, with deviation 1, and 0 where nothing is."""
    total = max(float(mask.sum()), 1.0)
    time = np.arange(len(mask), dtype=np.float64)
    # Centred on what is known, so that taking off the slope leaves the mean at 0.
    time = (time - time @ mask / total) * mask
    kept = signals * mask
    kept -= (kept.sum(axis=1) / total)[:, None] * mask
    kept -= (kept @ time / max(float(time @ time), 1e-12))[:, None] * time
    deviation = np.sqrt((kept * kept).sum(axis=1) / total)
    return np.asarray(kept / (deviation[:, None] + 1e-6))


@lru_cache(maxsize=512)
def _taper(length: int) -> Floats:
    return np.hanning(length)


def _split(places: Floats, most: int) -> tuple[NDArray[np.intp], Floats]:
    """Places between whole numbers as the lower one and the part of the way to the next."""
    inside = np.minimum(places, most - 1.0)
    lower = inside.astype(np.intp)
    return lower, inside - lower
