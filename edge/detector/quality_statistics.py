"""What two seconds of samples say of the sound: five band levels over time, voiced frames, and lines of the spectrum.

    levels   dBFS of frames of 32 ms every 16 ms, Hann: of 30 to 60, 60 to 110 and 110 to 200 Hz, where a heart and a
             body that moves are heard; of 300 to 590 Hz, where breath is heard through the chest; and of 590 to 1180 Hz
    voiced   frames, every 250 ms, with the harmonics of a voice (`edge.detector.voice`), in the band of the air and in
             that of a chest, which takes away what is above 700 Hz
    lines    in the spectrum of the last half second, bins of 2 Hz that rise `LINE_DB` above the mean of those 8 to
             20 Hz away. A bin of noise is exponential, so one in ten million does by chance

All are of whole stretches on a grid of absolute samples, so any cut of the sound gives the same. Not for judging
(`edge.detector.quality`), nor for what each sample tells by itself (`edge.detector.sample_counts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge.detector.sample_counts import FULL_SCALE
from edge.detector.voice import VoiceMeter

HOP_S, HOPS = 0.016, 125  # a frame has two hops, a stretch 125
BANDS_HZ = ((30.0, 60.0), (60.0, 110.0), (110.0, 200.0), (300.0, 590.0), (590.0, 1180.0))
LOW, HEART, TRUNK, BREATH, MID = range(5)
FLOOR = 1e-12  # of a power, full scale = 1: below the steps of any converter
VOICE_HOP_S = 0.25
CHEST_HZ = (100.0, 1000.0)  # a voice that is heard through the chest
VOICED, CHEST_VOICED = 0.17, 0.24  # ripple, natural units of the log amplitude; of a chest, one frame in a hundred
BIN_HZ, LINES_HZ = 2, (40, 2000)
LINE_DB = 15.0
AWAY = (4, 10)  # bins from a line: beyond the main lobe of the taper, and within which noise is level

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Statistics of two seconds."""

    levels_db: Floats
    """(T, 5) dBFS, columns as `BANDS_HZ`."""
    clipped: float
    """Share of the samples at full scale."""
    voiced: int
    """Frames with a voice in the band of the air."""
    chest_voiced: int
    """Frames with a voice in the band of a chest."""
    voice_frames: int
    """Frames that were looked at."""
    power: Floats
    """(F,) spectrum of the last half second, a bin for each `BIN_HZ` from 0 on, in no unit that matters."""
    lines: NDArray[np.bool_]
    """(F,) which bins are lines."""


class StretchMeter:
    """Measures stretches of one rate.

    Args:
        rate_hz: of the sound, Hz; from 4800 on all of it is heard.
    """

    def __init__(self, rate_hz: int) -> None:
        self._hop = round(HOP_S * rate_hz)
        self.samples = HOPS * self._hop
        """Length of a stretch."""
        self._waves, self._bands = _fourier(2 * self._hop, rate_hz)
        self._voice, self._voice_hop = VoiceMeter(rate_hz), round(VOICE_HOP_S * rate_hz)
        self._chest_voice = VoiceMeter(rate_hz, CHEST_HZ, padding=2)
        self._line_taper = _hann(rate_hz // BIN_HZ)

    def measure(self, samples: Floats) -> Stretch:
        """The statistics of one stretch, (N,) samples, all of them numbers."""
        centred = samples - np.float32(samples.mean(dtype=np.float64))
        clipped = np.count_nonzero(np.abs(samples) >= FULL_SCALE) / len(samples)
        frames = sliding_window_view(centred, self._voice.samples)[:: self._voice_hop]
        voiced = int((self._voice.heights(frames) > VOICED).sum())
        chest_voiced = int((self._chest_voice.heights(frames) > CHEST_VOICED).sum())
        power = _power(centred[-len(self._line_taper) :] * self._line_taper)[: LINES_HZ[1] // BIN_HZ + AWAY[1] + 1]
        return Stretch(self._levels_db(centred), clipped, voiced, chest_voiced, len(frames), power, _lines(power))

    def _levels_db(self, samples: Floats) -> Floats:
        """(T, 5): a frame is two hops, so its spectrum is the sum of those of both. A few bins cost less so."""
        hops = samples.reshape(-1, self._hop)
        spectrum = hops[:-1] @ self._waves[: self._hop] + hops[1:] @ self._waves[self._hop :]
        bands = np.add.reduceat(spectrum * spectrum, self._bands, axis=1)
        return np.asarray(10 * np.log10(bands + np.float32(FLOOR)))


@lru_cache(maxsize=8)
def stretch_meter(rate_hz: int) -> StretchMeter:
    """The meter of all streams of a rate: it keeps nothing of any, and its waves take 0.2 MB."""
    return StretchMeter(rate_hz)


def _hann(length: int) -> Floats:
    return np.hanning(length + 1)[:-1].astype(np.float32)


def _power(frames: Floats) -> Floats:
    spectrum = np.fft.rfft(frames)
    return np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)


def _fourier(length: int, rate_hz: int) -> tuple[Floats, list[int]]:
    """(N, 2 K) tapered cosines and sines of the bins of `BANDS_HZ`, and the first column of each band.

    Their squares add up to a power re full scale: 2 |X|^2 / (N sum(h^2)), h the taper.
    """
    hz = np.fft.rfftfreq(length, 1 / rate_hz)
    bins = [np.flatnonzero((hz >= low) & (hz < high)) for low, high in BANDS_HZ]
    turns = 2 * np.pi / length * np.outer(np.arange(length), np.concatenate(bins))
    taper = _hann(length).astype(np.float64)
    waves = np.stack([np.cos(turns), np.sin(turns)], axis=2).reshape(length, -1)
    waves *= taper[:, None] * np.sqrt(2 / (length * float(taper @ taper)))
    return waves.astype(np.float32), [0, *(2 * np.cumsum([len(each) for each in bins])[:-1]).tolist()]


def _lines(power: Floats) -> NDArray[np.bool_]:
    """(F,) which bins are lines."""
    found, low, high = np.zeros(len(power), np.bool_), LINES_HZ[0] // BIN_HZ, len(power) - AWAY[1] - 1
    sums = np.concatenate([[0.0], np.cumsum(power, dtype=np.float64)])
    at, width = np.arange(low, high), AWAY[1] - AWAY[0] + 1
    below = sums[at - AWAY[0] + 1] - sums[at - AWAY[1]]
    above = sums[at + AWAY[1] + 1] - sums[at + AWAY[0]]
    found[low:high] = power[low:high] * 2 * width > 10 ** (LINE_DB / 10) * (below + above)
    return found
