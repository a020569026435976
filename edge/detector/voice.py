"""How much of a voice is in a short frame of sound: the ripple that its harmonics make in the log spectrum.

A voice is a pulse train: its harmonics, 70 to 400 Hz apart, make a ripple in the log spectrum, in a band that breath
and heart leave to their noise. Its height is a cepstral peak, which a gain does not change. A wheeze is one harmonic or
two, and makes none. Not for how many frames are speech: see `edge.detector.quality` of a stream, `edge.clips.speech` of
a clip.

Source: Noll, J. Acoust. Soc. Am. 41, 1967; its prominence: Hillenbrand et al., J. Speech Hear. Res. 37, 1994. Here the
peak itself, of the log spectrum without its mean and slope.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FRAME_S = 0.064
BAND_HZ = (400.0, 2400.0)
PITCH_HZ = (70.0, 400.0)
PERIODS = 48  # of a ripple that are looked at, evenly spaced
FLOOR = 1e-9  # of a power of a frame of 64 ms at 8 kHz; the steps of 16 bits have 1.5e-8. MP3 leaves out lines that lie
# lower, and those holes are a ripple: with 1e-12, 37 of 40 chest recordings as MP3 of 44.1 kHz were speech

Floats = NDArray[np.float32]


class VoiceMeter:
    """Measures frames of one rate.

    Args:
        rate_hz: of the sound, Hz; twice the upper end of the band or more.
        band_hz: of the spectrum that is looked at; of sound that was sampled at less than 4.8 kHz, a narrower one.
        padding: lengths of a frame that its spectrum is taken of; 2 costs twice as much and is a little surer.
    """

    def __init__(self, rate_hz: int, band_hz: tuple[float, float] = BAND_HZ, padding: int = 1) -> None:
        self.samples = round(FRAME_S * rate_hz)
        """Length of a frame."""
        self._taper = np.hanning(self.samples + 1)[:-1].astype(np.float32)
        self._size = padding * self.samples
        hz = np.fft.rfftfreq(self._size, 1 / rate_hz)
        self._band, whole = (slice(*np.searchsorted(hz, each)) for each in (band_hz, BAND_HZ))
        # The ripple of noise grows with the root of how few bins there are: a narrower band counts for less.
        self._waves = _ripple_waves(hz[self._band]) * np.float32(np.sqrt(len(hz[self._band]) / len(hz[whole])))

    def heights(self, frames: Floats) -> Floats:
        """(V,) height of the ripple of each frame, (V, N), natural units of the log amplitude."""
        spectrum = np.fft.rfft(frames * self._taper, self._size)[:, self._band]
        power = np.asarray(spectrum.real**2 + spectrum.imag**2, np.float32)
        cosines, sines = np.split((np.log(power + np.float32(FLOOR)) / 2) @ self._waves, 2, axis=1)
        return np.asarray(np.sqrt((cosines**2 + sines**2).max(axis=1)))


def _ripple_waves(hz: NDArray[np.floating]) -> Floats:
    """(F, 2 Q) cosines and sines of every period of a ripple, for a log spectrum without mean and slope."""
    line = np.stack([np.ones(len(hz)), hz - hz.mean()])
    flat = np.eye(len(hz)) - line.T @ np.linalg.solve(line @ line.T, line)
    turns = 2 * np.pi * np.outer(hz, np.linspace(1 / PITCH_HZ[1], 1 / PITCH_HZ[0], PERIODS))
    tapered = np.hanning(len(hz))[:, None] / len(hz)
    return np.asarray(flat @ np.hstack([tapered * np.cos(turns), tapered * np.sin(turns)]), np.float32)
