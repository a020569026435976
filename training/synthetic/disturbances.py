"""What else a chest microphone hears: heart, rubbing, a knock, mains hum, voices.

Distractors for tests and training: a detector must stay silent on them. Not adventitious sounds, and never labelled.
Invariant: every function returns (N,) float32 with a peak of 1.0; the caller sets the level.

Source: Rangayyan & Lehner 1988 (CRC Crit Rev Biomed Eng 15:211, heart sounds); the rest was shaped after the ward
recordings of SPRSound (Zhang et al. 2022), where infants cry, parents talk and the chest piece slides.
"""

from __future__ import annotations

import numpy as np

from training.synthetic.breath import Samples, attack_and_decay, harmonic_tone, peak_one, shaped_noise, slow_wander


def heart_sound(
    duration_s: float, rate_hz: float, rng: np.random.Generator, beats_per_min: float | None = None
) -> Samples:
    """Heart beats: the first sound low and long, the second higher and shorter, a third of a beat later.

    Args:
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        rng: where rate, pitch and the variation from beat to beat come from.
        beats_per_min: heart rate, 1/min; None draws one of 60-150.

    Returns:
        (N,) float32, peak 1.0; energy at 30-150 Hz.
    """
    n = round(duration_s * rate_hz)
    samples = np.zeros(n)
    beat_s = 60.0 / (beats_per_min or rng.uniform(60.0, 150.0))
    pitch_hz, second_level = rng.uniform(45.0, 130.0), rng.uniform(0.3, 0.9)
    first_s = rng.uniform(0.6, 1.6) / pitch_hz  # a small chest rings higher and shorter
    valves = ((0.0, pitch_hz, first_s, 1.0), (0.34 * beat_s, 1.4 * pitch_hz, 0.6 * first_s, second_level))
    at_s = -rng.uniform() * beat_s
    while at_s < duration_s:
        for delay_s, hz, width_s, level in valves:
            middle = (at_s + delay_s + rng.normal(0.0, 0.004)) * rate_hz
            first, last = max(0, int(middle - 4 * width_s * rate_hz)), min(n, int(middle + 4 * width_s * rate_hz))
            if first < last:
                t = (np.arange(first, last) - middle) / rate_hz
                tone = np.sin(2.0 * np.pi * hz * t * (1.0 - 2.0 * t) + rng.uniform(0.0, 0.6))
                samples[first:last] += level * rng.uniform(0.8, 1.2) * tone * np.exp(-0.5 * (t / width_s) ** 2)
        at_s += beat_s * rng.uniform(0.95, 1.05)
    return peak_one(samples)


def rubbing(duration_s: float, rate_hz: float, rng: np.random.Generator) -> Samples:
    """A chest piece that slides on skin or cloth: broad noise, broken into irregular sticks and slips.

    Args:
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        rng: where it comes from.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    noise = shaped_noise(n, rate_hz, rng, lambda hz: 1.0 / (1.0 + (hz / 500.0) ** 1.5) * (hz / (hz + 40.0)))
    strokes = 10.0 ** (10.0 * slow_wander(n, rng, 3 + int(25 * duration_s)) / 20.0)
    return peak_one(noise * strokes * attack_and_decay(n, rate_hz, 0.05, 0.05))


def knock(rate_hz: float, rng: np.random.Generator, decay_s: float = 0.04) -> Samples:
    """The chest piece touched or set down: a low thump that dies away.

    Args:
        rate_hz: sampling rate, Hz.
        rng: where pitch and colour come from.
        decay_s: time to fall by 8.7 dB, s; some ms make a tick, lower than a crackle and alone.

    Returns:
        (N,) float32, peak 1.0.
    """
    t = np.arange(round(8.0 * decay_s * rate_hz)) / rate_hz
    thump = np.sin(2.0 * np.pi * rng.uniform(40.0, 160.0) * t) * np.exp(-t / decay_s)
    scrape = shaped_noise(len(t), rate_hz, rng, lambda hz: 1.0 / (1.0 + (hz / 300.0) ** 2))
    return peak_one(thump + rng.uniform(0.1, 0.5) * scrape * np.exp(-t / decay_s))


def hum(duration_s: float, rate_hz: float, rng: np.random.Generator, mains_hz: float | None = None) -> Samples:
    """Mains hum: 50 or 60 Hz and its harmonics, steady.

    Args:
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        rng: where the levels of the harmonics come from.
        mains_hz: 50.0 or 60.0, Hz; None draws one of them.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    f0_hz = mains_hz or float(rng.choice((50.0, 60.0)))
    levels_db = -6.0 * np.arange(8) + rng.normal(0.0, 6.0, 8)
    return peak_one(harmonic_tone(np.full(n, f0_hz), rate_hz, levels_db))


def babble(duration_s: float, rate_hz: float, rng: np.random.Generator) -> Samples:
    """A voice nearby: syllables of many harmonics under two moving formants; high-pitched like a child's or low.

    Not intelligible, and unlike a wheeze: more harmonics, faster pitch movement, three to six syllables per second.

    Args:
        duration_s: length, s.
        rate_hz: sampling rate, Hz.
        rng: where it comes from.

    Returns:
        (N,) float32, peak 1.0.
    """
    n = round(duration_s * rate_hz)
    samples = np.zeros(n)
    voice_hz = 95.0 * (420.0 / 95.0) ** rng.uniform()
    at = 0
    while at < n - round(0.06 * rate_hz):
        length = min(n - at, round(rng.uniform(0.12, 0.35) * rate_hz))
        pitch = voice_hz * 2.0 ** (0.2 * rng.normal() + 0.15 * slow_wander(length, rng, 3))
        orders_hz = voice_hz * np.arange(1, 2 + int(2500.0 / voice_hz))
        first_hz, second_hz = rng.uniform(300.0, 900.0), rng.uniform(1000.0, 2300.0)
        formants = 1.0 / (1.0 + ((orders_hz - first_hz) / 120.0) ** 2)
        formants += 0.3 / (1.0 + ((orders_hz - second_hz) / 180.0) ** 2)
        syllable = harmonic_tone(pitch, rate_hz, 20.0 * np.log10(formants + 0.01))
        samples[at : at + length] += rng.uniform(0.4, 1.0) * syllable * attack_and_decay(length, rate_hz, 0.03, 0.06)
        at += length + round(rng.uniform(0.0, 0.15) * rate_hz)
    return peak_one(samples)
