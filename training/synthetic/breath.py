"""Building blocks of synthetic sound: shaped noise, moving harmonics, fades.

Not for any particular sound: `breath`, `adventitious` and `disturbances` make those. Invariant: everything random is
drawn from the given generator alone, so equal seeds give equal samples.

Breath noise with known physics, and the record of a placed sound.

For tests, the demo and training. Not for wheezes and crackles (`adventitious`) and not a model of the airways: noise is
shaped as published descriptions of recorded breathing have it.

Invariant: the height of an inspiration has an rms of about 1.0; the caller sets the level.

Source: Pasterkamp, Kraman & Wodicka 1997 (AJRCCM 156:974, spectra and timing of breath sounds).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

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


Label = Literal["wheeze", "rhonchus", "stridor", "fine_crackle", "coarse_crackle", "breath"]


@dataclass(frozen=True, slots=True)
class Sound:
    """One sound and where it lies in a recording."""

    label: Label
    """What a careful listener would call it."""
    onset_s: float
    """Where it begins, seconds from the first sample."""
    end_s: float
    """Where it is over, seconds from the first sample."""


def vesicular(hz: NDArray[np.float64], knee_hz: float = 200.0, slope_db: float = 14.0) -> NDArray[np.float64]:
    """Amplitude spectrum of breath noise through the chest wall, 1.0 at its top.

    Flat up to a knee at 100-400 Hz, then falling by 12-18 dB per octave (Pasterkamp 1997); below 60 Hz muscle sound
    takes over and the devices cut.

    Args:
        hz: (F,) frequencies, Hz.
        knee_hz: where the fall begins, Hz.
        slope_db: the fall, dB per octave.

    Returns:
        (F,) linear amplitude.
    """
    octaves = np.log2(1.0 + (hz / knee_hz) ** 2) / 2.0
    return 10.0 ** (-slope_db * octaves / 20.0) * (hz / (hz + 60.0)) ** 2


def breath_phases(
    duration_s: float, rng: np.random.Generator, cycles_per_min: float | None = None
) -> list[tuple[Sound, bool]]:
    """Inspirations and expirations that fill a recording, with pauses.

    Args:
        duration_s: length of the recording, s.
        rng: where the variation from breath to breath comes from.
        cycles_per_min: breathing rate, 1/min; None draws one of 12-40, adult to infant.

    Returns:
        Each phase and whether it is an inspiration, in order; beginning and end of the recording may cut one.
    """
    cycle_s = 60.0 / (cycles_per_min or rng.uniform(12.0, 40.0))
    inspiration = rng.uniform(0.36, 0.46)  # parts of a cycle; the rest is pause
    expiration = rng.uniform(0.34, 0.44)
    at_s = -rng.uniform(0.0, 0.3) * cycle_s
    phases: list[tuple[Sound, bool]] = []
    while at_s < duration_s:
        length_s = cycle_s * rng.uniform(0.88, 1.12)
        turn_s = at_s + inspiration * length_s
        for onset_s, end_s, inward in ((at_s, turn_s, True), (turn_s + 0.03, turn_s + expiration * length_s, False)):
            if end_s > 0.1 and onset_s < duration_s - 0.1:
                phases.append((Sound("breath", max(onset_s, 0.0), min(end_s, duration_s)), inward))
        at_s += length_s
    return phases


def breath_sound(
    duration_s: float,
    rate_hz: float,
    rng: np.random.Generator,
    phases: list[tuple[Sound, bool]] | None = None,
) -> tuple[Samples, list[Sound]]:
    """Breathing: noise shaped by inspiration and expiration.

    Inspiration is the louder and brighter phase; expiration is 2-14 dB softer, lower, and fades early, because flow
    is highest at its beginning. Noise power follows the flow, and differs by some dB from breath to breath.

    Args:
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        rng: where noise and variation come from.
        phases: from `breath_phases`; None draws them.

    Returns:
        (N,) float32, rms about 1.0 at the height of an inspiration; and the phases as sounds labelled `breath`.
    """
    n = round(duration_s * rate_hz)
    phases = breath_phases(duration_s, rng) if phases is None else phases
    knee_hz, slope_db = rng.uniform(140.0, 300.0), rng.uniform(12.0, 18.0)
    softer = 10.0 ** (-rng.uniform(2.0, 14.0) / 20.0)
    inward = shaped_noise(n, rate_hz, rng, lambda hz: vesicular(hz, knee_hz, slope_db))
    outward = shaped_noise(n, rate_hz, rng, lambda hz: vesicular(hz, 0.8 * knee_hz, slope_db + 2.0))
    samples = np.zeros(n, np.float32)
    for phase, inspiration in phases:
        first, last = round(phase.onset_s * rate_hz), round(phase.end_s * rate_hz)
        part = np.linspace(0.0, 1.0, last - first, endpoint=False)
        flow = np.sin(np.pi * (part**0.9 if inspiration else part**0.6))
        level = 10.0 ** (rng.normal(0.0, 1.5) / 20.0) * (1.0 if inspiration else softer)
        envelope = (level * np.clip(flow, 0.0, 1.0) ** 0.9).astype(np.float32)
        samples[first:last] += envelope * (inward if inspiration else outward)[first:last]
    return samples, [phase for phase, _ in phases]
