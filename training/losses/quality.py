"""Audio quality of a clip without a reference (AQS): a flat spectrum and a faint sound are worth less.

    H = -sum_k p_k log p_k / log K,  p the mean power spectrum, scaled to sum 1       1 for white noise, 0 for a tone
    R = (rms - low) / (high - low), clipped to 0..1                                   RMS between train percentiles
    AQS = clip(1 - alpha H + beta R, 0, 1),  alpha = .7, beta = .3

The weights are the paper's. How H and R are normalised is not in the published text: the mean power spectrum, the 5th
and 95th percentile of the training clips, and linear rather than decibel RMS are our choice. It steers margins
(`losses.margin`) while training; it is no feature of the network (those are `edge.features`), and it does not say
whether a sound at the bedside can be judged at all.
Source: Kim et al. 2026, QLung (2606.11915).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal, special

from edge.errors import ConfigError

SEGMENT_SAMPLES = 512  # of the Hann windows whose power is averaged, half overlapping; our choice


def mean_power(samples: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N,) samples to their mean power spectrum, (K,), linear; K = 257, or less for a shorter clip."""
    segment = min(SEGMENT_SAMPLES, len(samples))
    return signal.welch(np.asarray(samples, np.float64), nperseg=segment, detrend=False, scaling="spectrum")[1]


def spectral_entropy(power: NDArray[np.floating]) -> float:
    """Entropy of a power spectrum over its greatest possible one, log K.

    Args:
        power: (K,), K >= 2, linear, at least 0.

    Returns:
        0 (one line) to 1 (flat). Digital silence has no shape and counts as flat.
    """
    power = np.asarray(power, np.float64)
    total = power.sum()
    if total <= 0:
        return 1.0
    return float(special.entr(power / total).sum() / np.log(len(power)))  # entr(p) = -p log p, 0 at 0


def rms(samples: NDArray[np.floating]) -> float:
    """Root mean square of (N,) samples, full scale = 1; 0 for none."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


@dataclass(frozen=True, slots=True)
class AudioQuality:
    """The score, with the loudness of the training clips that it is relative to."""

    low_rms: float
    """5th percentile of the training clips, full scale = 1."""
    high_rms: float
    """95th percentile, full scale = 1."""
    alpha: float = 0.7
    """Weight of the entropy."""
    beta: float = 0.3
    """Weight of the loudness."""

    @classmethod
    def fit(cls, levels: Iterable[float]) -> AudioQuality:
        """From the RMS of every training clip.

        Raises:
            ConfigError: if there is none.
        """
        numbers = np.fromiter(levels, np.float64)
        if not len(numbers):
            raise ConfigError("audio quality: expected the RMS of training clips, found none; check the data set")
        low, high = np.percentile(numbers, (5, 95))
        return cls(float(low), float(high))

    def combine(self, entropy: float, level: float) -> float:
        """AQS, 0 to 1, of a clip with normalised entropy `entropy` and RMS `level`."""
        span = self.high_rms - self.low_rms
        loudness = np.clip((level - self.low_rms) / span, 0, 1) if span > 0 else float(level >= self.high_rms)
        return float(np.clip(1 - self.alpha * entropy + self.beta * loudness, 0, 1))

    def score(self, samples: NDArray[np.floating]) -> float:
        """AQS, 0 to 1, of (N,) samples, full scale = 1; nothing at all scores as digital silence."""
        entropy = spectral_entropy(mean_power(samples)) if len(samples) > 1 else 1.0
        return self.combine(entropy, rms(samples))
