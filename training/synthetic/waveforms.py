"""Building blocks of synthetic sound: shaped noise, moving harmonics, fades.

Not for any particular sound: `breath`, `adventitious` and `disturbances` make those. Invariant: everything random is
drawn from the given generator alone, so equal seeds give equal samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Amplitude (linear, any scale) at each frequency in Hz."""

HIGHEST_PART_OF_NYQUIST = 0.9  # harmonics above it are left out, so that none folds back


def shaped_noise(n: int, rate_hz: float, rng: np.random.Generator, curve: Curve) -> Samples:
    """Gaussian noise with a given spectrum.

    White noise is drawn in the frequency domain, where shaping is one product: one inverse FFT is the whole cost.

    Args:
        n: number of samples N.
        rate_hz: sampling rate, Hz.
        rng: where the noise comes from.
        curve: amplitude spectrum, any scale.

    Returns:
        (N,) float32, expected rms 1.0.
    """
    size = fft_size(n)
    bins = size // 2 + 1
    spectrum = rng.standard_normal((bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    amplitude = curve(np.arange(bins, dtype=np.float64) * (rate_hz / size)).astype(np.float32)
    amplitude[0] = 0.0
    # Parseval: each of the bins and its mirror image hold E|z|^2 = 2 times amplitude^2, and irfft divides by size.
    rms = 2.0 * np.sqrt(np.sum(amplitude**2, dtype=np.float64)) / size
    return np.fft.irfft(spectrum * amplitude, size)[:n].astype(np.float32) / np.float32(rms)


def fft_size(n: int) -> int:
    """Smallest 2^k or 3 * 2^k that holds n: an FFT of any other length may be many times slower."""
    power = 1 << max(4, (n - 1).bit_length())
    return 3 * power // 4 if 3 * power // 4 >= n else power


def harmonic_tone(f0_hz: NDArray[np.float64], rate_hz: float, levels_db: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonics of a moving fundamental, those near or above Nyquist left out.

    Args:
        f0_hz: (N,) fundamental at each sample, Hz.
        rate_hz: sampling rate, Hz.
        levels_db: (K,) level of harmonic 1, 2, ... K, dB.

    Returns:
        (N,) sum of the harmonics, not normalised.
    """
    phase = 2.0 * np.pi * np.cumsum(f0_hz) / rate_hz
    top_hz = 0.5 * HIGHEST_PART_OF_NYQUIST * rate_hz
    tone = np.zeros(len(f0_hz))
    for order, level_db in enumerate(levels_db, start=1):
        if order * f0_hz.max() < top_hz:
            tone += 10.0 ** (level_db / 20.0) * np.sin(order * phase + 1.7 * order * order)
    return tone


def slow_wander(n: int, rng: np.random.Generator, knots: int) -> NDArray[np.float64]:
    """(N,) smooth random curve through `knots` standard normal points, for pitch and loudness that are never steady."""
    at = np.linspace(0.0, knots - 1.0, n)
    left = np.minimum(at.astype(np.int64), knots - 2)
    blend = 0.5 - 0.5 * np.cos(np.pi * (at - left))
    points = rng.standard_normal(knots)
    return np.asarray(points[left] * (1.0 - blend) + points[left + 1] * blend)


def attack_and_decay(n: int, rate_hz: float, attack_s: float, decay_s: float) -> NDArray[np.float64]:
    """Raised-cosine fade in and out.

    Args:
        n: number of samples N.
        rate_hz: sampling rate, Hz.
        attack_s: fade-in, s; at most half of the sound is used.
        decay_s: fade-out, s; likewise.

    Returns:
        (N,) gain 0.0 to 1.0.
    """
    gain = np.ones(n)
    rise, fall = min(n // 2, round(attack_s * rate_hz)), min(n // 2, round(decay_s * rate_hz))
    gain[:rise] = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / max(rise, 1))
    gain[n - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fall) / max(fall, 1))
    return gain


def peak_one(samples: NDArray[np.float64]) -> Samples:
    """The same sound with a peak of 1.0 (silence stays silent)."""
    return (samples / max(float(np.abs(samples).max(initial=0.0)), 1e-12)).astype(np.float32)
