"""A synthetic patient: breath, adventitious sounds at known times, and the stethoscope that records them.

Not for chance: `scene` draws what ails the patient; here it is placed. Levels are in dB re the rms of
inspiratory breath noise, so that they mean the same whatever the gain.

Invariant: the time of a sound is exact, because the device's filters are of zero phase.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.synthetic.adventitious import (
    CrackleLabel,
    coarse_crackle,
    crackle_times,
    fine_crackle,
    rhonchus,
    stridor,
    wheeze,
)
from training.synthetic.breath import Label, Samples, Sound, breath_phases, breath_sound, fft_size, vesicular

TONES: dict[str, Callable[[float, float, np.random.Generator, float], Samples]] = {
    "wheeze": wheeze,
    "rhonchus": rhonchus,
    "stridor": stridor,
}
PITCH_HZ = {"wheeze": (150.0, 600.0), "rhonchus": (65.0, 190.0), "stridor": (300.0, 1000.0)}
STEPS = 32768.0  # of a 16-bit converter, whose rounding is the noise floor of the recordings


@dataclass(frozen=True, slots=True)
class Recording:
    """A synthetic recording and the truth about it."""

    samples: Samples
    """(N,) full scale = 1.0, rounded to 16 bits."""
    rate_hz: float
    """Sampling rate, Hz."""
    sounds: tuple[Sound, ...]
    """Breath phases and adventitious sounds by onset; crackles as datasets annotate them: first to last of a phase."""
    crackle_s: tuple[float, ...]
    """Onset of every single crackle, seconds from the first sample."""


class Patient:
    """A recording in the making: breath first, then what is added to it; `record` puts it through the microphone.

    Levels are in dB re the rms of inspiratory breath noise, so that they mean the same before and after the gain.
    """

    def __init__(
        self, duration_s: float, rate_hz: float, rng: np.random.Generator, cycles_per_min: float | None = None
    ) -> None:
        """Let the patient breathe.

        Args:
            duration_s: length, s.
            rate_hz: sampling rate, Hz.
            rng: where all variation comes from.
            cycles_per_min: breathing rate, 1/min; None draws one.
        """
        self.duration_s = duration_s
        self.rate_hz = rate_hz
        self.rng = rng
        self.phases = breath_phases(duration_s, rng, cycles_per_min)
        self.samples, sounds = breath_sound(duration_s, rate_hz, rng, self.phases)
        self.sounds = sounds
        self.crackle_s: list[float] = []

    def add(self, samples: Samples, onset_s: float, level_db: float) -> None:
        """Mix something in.

        Args:
            samples: (N,) with a peak of 1.0; what lies outside of the recording is cut off.
            onset_s: where it begins, s.
            level_db: its peak, dB re breath rms.
        """
        at = round(onset_s * self.rate_hz)
        first, last = max(at, 0), min(at + len(samples), len(self.samples))
        if first < last:
            self.samples[first:last] += np.float32(10.0 ** (level_db / 20.0)) * samples[first - at : last - at]

    def add_tone(self, label: Label, phase: Sound, above_db: float, f0_hz: float | None = None) -> None:
        """Wheeze, rhonchus or stridor in one breath phase.

        Args:
            label: which.
            phase: where; the tone takes a part of it, at least 0.15 s.
            above_db: peak power of the tone over the breath noise in the 50 Hz around it, dB.
            f0_hz: its pitch, Hz; None draws one.
        """
        length_s = phase.end_s - phase.onset_s
        tone_s = min(length_s, max(0.15, min(1.5, self.rng.uniform(0.35, 0.9) * length_s)))
        onset_s = phase.onset_s + self.rng.uniform(0.1, 0.9) * (length_s - tone_s)
        onset_s = round(onset_s * self.rate_hz) / self.rate_hz
        low_hz, high_hz = PITCH_HZ[label]
        f0_hz = f0_hz or low_hz * (high_hz / low_hz) ** self.rng.uniform()
        tone = TONES[label](tone_s, self.rate_hz, self.rng, f0_hz)
        self.add(tone, onset_s, above_db + breath_level_db(f0_hz))
        self.sounds.append(Sound(label, onset_s, onset_s + len(tone) / self.rate_hz))

    def add_crackles(self, label: CrackleLabel, phase: Sound, inspiration: bool, level_db: float) -> None:
        """All crackles of one breath phase.

        Args:
            label: fine or coarse.
            phase: where.
            inspiration: whether the phase is one.
            level_db: peak of a middling crackle; each differs by some dB.
        """
        times_s = crackle_times(label, phase, inspiration, self.rng)
        crackle = fine_crackle if label == "fine_crackle" else coarse_crackle
        for at_s in times_s:
            whole_s = np.floor(at_s * self.rate_hz) / self.rate_hz
            wave = crackle(self.rate_hz, self.rng, at_s - whole_s)
            self.add(wave, whole_s, level_db + self.rng.normal(0.0, 5.0))
        self.crackle_s.extend(float(at_s) for at_s in times_s)
        self.sounds.append(Sound(label, float(times_s[0]), float(times_s[-1]) + len(wave) / self.rate_hz))

    def record(self, low_hz: float, high_hz: float, rms_db: float) -> Recording:
        """Through the chest piece and the converter.

        Args:
            low_hz: where the high-pass of the device begins to cut, Hz.
            high_hz: where its low-pass begins to cut, Hz.
            rms_db: loudness of the whole, dB re full scale.

        Returns:
            What the device would store.
        """
        coloured = _colour(self.samples, self.rate_hz, low_hz, high_hz)
        gain = 10.0 ** (rms_db / 20.0) / max(float(np.sqrt(np.mean(coloured**2, dtype=np.float64))), 1e-12)
        stored = np.clip(np.rint(coloured * np.float32(gain * STEPS)), -STEPS, STEPS - 1.0) / np.float32(STEPS)
        sounds = tuple(sorted(self.sounds, key=lambda sound: sound.onset_s))
        return Recording(stored.astype(np.float32), self.rate_hz, sounds, tuple(sorted(self.crackle_s)))


def breath_level_db(hz: float) -> float:
    """Power of inspiratory breath noise in the 50 Hz around a frequency, dB re all of it."""
    all_hz = np.arange(1.0, 2000.0)
    power = vesicular(all_hz) ** 2
    near = np.abs(all_hz - hz) <= 25.0
    return float(10.0 * np.log10(power[near].sum() / power.sum()))


def _colour(samples: Samples, rate_hz: float, low_hz: float, high_hz: float) -> Samples:
    """Band-pass of the device, zero phase: Butterworth magnitudes of order 2 below and 6 above, as on SPRSound."""
    size = fft_size(len(samples) + round(0.1 * rate_hz))  # 0.1 s of zeros, so that the end does not wrap to the start
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    high = 1.0 / np.sqrt(1.0 + (hz / high_hz) ** 12)
    low = 1.0 / np.sqrt(1.0 + (low_hz / np.maximum(hz, 1e-3)) ** 4)
    spectrum = np.fft.rfft(samples, size) * (high * low).astype(np.float32)
    return np.fft.irfft(spectrum, size)[: len(samples)].astype(np.float32)
