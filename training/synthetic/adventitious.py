"""Adventitious sounds with known physics: wheeze, rhonchus, stridor, fine and coarse crackle.

For tests, the demo and training. Not for playing a patient (`scene` does that): each function draws one sound from
published descriptions of how it looks in a recording.

Invariant: every sound has a peak of 1.0; the caller sets the level.

Sources: Sovijarvi et al. 2000 (CORSA definitions, Eur Respir Rev 10:597); ATS 1977 (crackle widths); Kiyokawa et al.
2001 (Chest 119:1886, simulated crackles).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.synthetic.breath import (
    Samples,
    Sound,
    attack_and_decay,
    harmonic_tone,
    peak_one,
    shaped_noise,
    slow_wander,
)

CrackleLabel = Literal["fine_crackle", "coarse_crackle"]

WIDTHS_MS: dict[CrackleLabel, tuple[float, float]] = {  # initial deflection width, two-cycle duration (ATS 1977)
    "fine_crackle": (0.7, 5.0),  # 0.5 and 3.3 ms in other series, both quoted by Reichert et al. 2008 (CCRPM 2:45)
    "coarse_crackle": (1.5, 10.0),  # 1.0 and 5.1 ms likewise
}


def wheeze(duration_s: float, rate_hz: float, rng: np.random.Generator, f0_hz: float | None = None) -> Samples:
    """One wheeze: a musical tone of 1-4 harmonics whose pitch glides.

    CORSA: dominant frequency 100-1000 Hz, longer than 100 ms. The glide is mostly downwards, as an airway that flutters
    slows down when flow falls.

    Args:
        duration_s: length, s; typically 0.15-1.5.
        rate_hz: sampling rate, Hz.
        rng: where glide, harmonics and wobble come from.
        f0_hz: fundamental at the middle, Hz; None draws one of 150-800.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    middle_hz = f0_hz or 150.0 * (800.0 / 150.0) ** rng.uniform()
    glide_octaves = rng.normal(-0.12, 0.18) * min(duration_s / 0.5, 1.0)
    bend = rng.normal(0.0, 0.08)
    part = np.linspace(-0.5, 0.5, n)
    octaves = glide_octaves * part + bend * (0.25 - 4.0 * part**2)
    octaves += 0.008 * slow_wander(n, rng, 2 + int(8 * duration_s))
    levels_db = -rng.uniform(5.0, 14.0) * np.arange(rng.integers(1, 5), dtype=np.float64)
    tone = harmonic_tone(middle_hz * 2.0**octaves, rate_hz, levels_db)
    loudness = 10.0 ** (1.5 * slow_wander(n, rng, 2 + int(12 * duration_s)) / 20.0)
    return peak_one(tone * loudness * attack_and_decay(n, rate_hz, rng.uniform(0.03, 0.12), rng.uniform(0.05, 0.2)))


def rhonchus(duration_s: float, rate_hz: float, rng: np.random.Generator, f0_hz: float | None = None) -> Samples:
    """One rhonchus: a low snoring tone, near to a sawtooth, with flutter.

    CORSA: dominant frequency below 200 Hz, longer than 100 ms; rich in harmonics because secretions snap open and shut.

    Args:
        duration_s: length, s; typically 0.3-1.5.
        rate_hz: sampling rate, Hz.
        rng: where pitch, roughness and wobble come from.
        f0_hz: fundamental, Hz; None draws one of 65-190.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    middle_hz = f0_hz or rng.uniform(65.0, 190.0)
    octaves = rng.normal(0.0, 0.1) * np.linspace(-0.5, 0.5, n) + 0.03 * slow_wander(n, rng, 2 + int(20 * duration_s))
    orders = np.arange(1, 3 + int(700.0 / middle_hz))
    # A sawtooth falls by 6 dB per octave; the chest wall takes 3-8 dB more.
    tone = harmonic_tone(middle_hz * 2.0**octaves, rate_hz, -rng.uniform(9.0, 14.0) * np.log2(orders))
    loudness = 10.0 ** (3.0 * slow_wander(n, rng, 2 + int(25 * duration_s)) / 20.0)
    return peak_one(tone * loudness * attack_and_decay(n, rate_hz, rng.uniform(0.03, 0.1), rng.uniform(0.05, 0.2)))


def stridor(duration_s: float, rate_hz: float, rng: np.random.Generator, f0_hz: float | None = None) -> Samples:
    """One stridor: a loud, harsh inspiratory tone of the upper airway, harmonics and turbulent noise together.

    Args:
        duration_s: length, s; typically most of an inspiration.
        rate_hz: sampling rate, Hz.
        rng: where pitch, harshness and noise come from.
        f0_hz: fundamental, Hz; None draws one of 300-1000.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    middle_hz = f0_hz or 300.0 * (1000.0 / 300.0) ** rng.uniform()
    arch = 0.2 - 2.4 * np.linspace(-0.5, 0.5, n) ** 2  # the pitch rises with the flow and falls again
    octaves = rng.uniform(0.1, 0.5) * arch + 0.02 * slow_wander(n, rng, 2 + int(60 * duration_s))
    tone = harmonic_tone(middle_hz * 2.0**octaves, rate_hz, -rng.uniform(3.0, 7.0) * np.arange(5, dtype=np.float64))
    band = shaped_noise(n, rate_hz, rng, lambda hz: np.exp(-0.5 * ((hz - middle_hz) / 250.0) ** 2))
    harsh = 1.0 + 0.4 * np.sin(2.0 * np.pi * rng.uniform(30.0, 80.0) * np.arange(n) / rate_hz)
    tone = tone * harsh + rng.uniform(0.2, 0.6) * band
    return peak_one(tone * attack_and_decay(n, rate_hz, rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.2)))


def crackle_wave(at_s: NDArray[np.float64], deflection_s: float, two_cycle_s: float) -> NDArray[np.float64]:
    """The crackle of Kiyokawa et al. 2001, two cycles that slow down and die away.

    With t = at_s / two_cycle_s and t0 = deflection_s / two_cycle_s,
    y(t) = sin(4 pi t^a) (1 + cos(2 pi (sqrt(t) - 1/2))) / 2. The exponent a = log(1/4) / log(t0) puts the first zero
    crossing, where 4 pi t^a = pi, exactly at t0; the fourth lies at t = 1, where the window ends as well.

    Args:
        at_s: (N,) times, seconds after the onset; 0.0 is returned outside of the wavelet.
        deflection_s: initial deflection width, s.
        two_cycle_s: two-cycle duration, s.

    Returns:
        (N,) amplitude, peak of the continuous wave below 1.0.
    """
    part = np.clip(at_s / two_cycle_s, 0.0, 1.0)
    exponent = np.log(0.25) / np.log(deflection_s / two_cycle_s)
    window = 0.5 * (1.0 + np.cos(2.0 * np.pi * (np.sqrt(part) - 0.5)))
    return np.asarray(np.sin(4.0 * np.pi * part**exponent) * window)


def fine_crackle(rate_hz: float, rng: np.random.Generator | None = None, onset_s: float = 0.0) -> Samples:
    """One fine crackle: initial deflection 0.7 ms, two cycles in 5 ms.

    Args:
        rate_hz: sampling rate, Hz.
        rng: varies both widths by -30 to +30 %; None gives the published ones.
        onset_s: delay below one sample or more, so that crackles need not begin on a sample.

    Returns:
        (N,) float32, peak 1.0.
    """
    return _crackle("fine_crackle", rate_hz, rng, onset_s)


def coarse_crackle(rate_hz: float, rng: np.random.Generator | None = None, onset_s: float = 0.0) -> Samples:
    """One coarse crackle: initial deflection 1.5 ms, two cycles in 10 ms; otherwise like `fine_crackle`."""
    return _crackle("coarse_crackle", rate_hz, rng, onset_s)


def _crackle(label: CrackleLabel, rate_hz: float, rng: np.random.Generator | None, onset_s: float) -> Samples:
    wider = 1.0 if rng is None else rng.uniform(0.7, 1.3)
    deflection_s, two_cycle_s = (wider * width / 1000.0 for width in WIDTHS_MS[label])
    n = int(np.ceil((onset_s + two_cycle_s) * rate_hz)) + 1
    return peak_one(crackle_wave(np.arange(n) / rate_hz - onset_s, deflection_s, two_cycle_s))


def crackle_times(
    label: CrackleLabel, phase: Sound, inspiration: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Onsets of the crackles of one breath phase.

    Fine crackles are many and gather in the late half of inspiration; coarse ones are few and begin early, in either
    phase (Sovijarvi et al. 2000).

    Args:
        label: which kind.
        phase: the breath phase they belong to.
        inspiration: whether it is an inspiration.
        rng: where the times come from.

    Returns:
        (K,) seconds from the first sample of the recording, rising, at least 5 ms apart.
    """
    length_s = phase.end_s - phase.onset_s
    if label == "fine_crackle":
        begin, end = (rng.uniform(0.15, 0.5), rng.uniform(0.9, 1.0)) if inspiration else (0.1, 0.6)
        per_second = rng.uniform(5.0, 20.0)
    else:
        begin, end = rng.uniform(0.0, 0.15), rng.uniform(0.5, 0.85)
        per_second = rng.uniform(4.0, 12.0)
    count = max(4, rng.poisson(per_second * (end - begin) * length_s))
    at_s = phase.onset_s + length_s * np.sort(rng.uniform(begin, end, count))
    return at_s[np.diff(at_s, prepend=-1.0) > 0.005]
