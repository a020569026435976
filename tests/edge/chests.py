"""Sound of a chest, computed, and what can be wrong with it: for tests of quality."""

from __future__ import annotations

import numpy as np
import soundfile
from numpy.typing import NDArray

from edge.model.training_domain import TrainingDomain
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import known_noise

RATE_HZ = 8000
SECONDS = 24
TIME_S = np.arange(SECONDS * RATE_HZ) / RATE_HZ
Sound = NDArray[np.float32]


def chest() -> Sound:
    """(N,) 24 s of computed breath sound with wheezes and crackles, 8 kHz."""
    samples: Sound = soundfile.read(DEMO_AUDIO, dtype="float32")[0][: len(TIME_S)]
    return samples


def power_above_100_hz(samples: Sound) -> float:
    """Mean square."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    return float(2 * spectrum[100 * len(samples) // RATE_HZ :].sum() / len(samples) ** 2)


def tone(hz: float, of: Sound, above_db: float) -> Sound:
    """A sine whose power is so far above that of the sound above 100 Hz."""
    amplitude = np.sqrt(2 * power_above_100_hz(of)) * 10 ** (above_db / 20)
    return (amplitude * np.sin(2 * np.pi * hz * TIME_S)).astype(np.float32)


def voice(pitch_hz: float = 140.0) -> Sound:
    """A hummed vowel, half a second in each: 24 harmonics that fall by 6 dB an octave, the pitch wavering by 3 %."""
    phase = 2 * np.pi * pitch_hz * np.cumsum(1 + 0.03 * np.sin(2 * np.pi * 3 * TIME_S)) / RATE_HZ
    pulses = sum(np.cos(k * phase) / k for k in range(1, 25))
    return (0.05 * pulses * (TIME_S % 1 < 0.5)).astype(np.float32)


def rubbing(seed: int = 0, slope: float = 1.5, highest_hz: float = RATE_HZ / 2) -> Sound:
    """Strokes of 0.2 to 0.6 s, every second or so; their power falls with a power of the frequency from 20 Hz on."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(len(TIME_S)))
    hz = np.fft.rfftfreq(len(TIME_S), 1 / RATE_HZ)
    gains = np.where((hz > 20) & (hz < highest_hz), np.maximum(hz, 20) ** (-slope / 2), 0)
    sound, strokes = np.fft.irfft(spectrum * gains, len(TIME_S)), np.zeros(len(TIME_S))
    for begin in np.cumsum(rng.uniform(0.6, 1.6, SECONDS)):
        strokes[round(begin * RATE_HZ) : round((begin + rng.uniform(0.2, 0.6)) * RATE_HZ)] = 1.0
    return (sound / sound.std() * 0.3 * strokes).astype(np.float32)


def heart(beats_a_minute: float = 84.0) -> Sound:
    """Two sounds a beat, below 120 Hz, and nothing else."""
    rng = np.random.default_rng(1)
    low = np.fft.rfft(rng.standard_normal(len(TIME_S)))
    low[np.fft.rfftfreq(len(TIME_S), 1 / RATE_HZ) > 120] = 0
    beat_s = 60 / beats_a_minute
    loud = sum(np.exp(-0.5 * (((TIME_S - at) % beat_s - 0.1) / 0.025) ** 2) for at in (0.0, 0.32 * beat_s))
    return (0.1 * np.fft.irfft(low, len(TIME_S)) * loud).astype(np.float32)


def shelf(samples: Sound, below_hz: float, by_db: float) -> Sound:
    """What a device makes of sound that hears what is below a frequency so much louder."""
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    gain_db = by_db / (1 + (hz / below_hz) ** 4)
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples)).astype(np.float32)


def known_chests() -> TrainingDomain:
    """Sound that falls with frequency; otherwise so wide that nothing is outside."""
    noise = known_noise(-42.0)
    return TrainingDomain(
        noise.recordings,
        noise.patients,
        noise.gain_db,
        (-90.0, -40.0, 0.0),
        (0.0, 20.0, 120.0),
        tuple((-300.0, -5.0 * group, 100.0) for group in range(8)),
        (100.0, 100.0, 100.0),
    )


class ChestModel(LoudnessModel):
    """`LoudnessModel` that knows chests: their quality is judged."""

    known = known_chests()
