"""Whether somebody speaks in a stretch of sound, so that it does not reach the disk. Pure, NumPy alone.

A voice is a pulse train: its harmonics, 70 to 400 Hz apart, make a ripple in the log spectrum over a band that breath
and heart leave to their noise. The height of that ripple, the cepstral peak, does not change with the level. A wheeze
is one harmonic or two, and makes none. The statistic of a stretch is what `FRAMES` frames (64 ms each, every 32 ms)
within a second reach, at its strongest second; from `LIMIT` on it is speech.

Not for what is said or who speaks, and no proof that nobody does. The limit was chosen on half of the patients and
speakers; on the other half it finds four words over chest sound in 720 of 720, 10 dB louder to 20 dB fainter than the
chest, a single word alone in 77 %; and it takes for speech 1.4 % of Normal recordings, 4 % of those with crackles, 7 %
with wheezes, 17 % with both, 10 % of heart sounds, 90 % of coughs and every cry, which are voices too (`python -m
training.evaluation.speech_gate`). Whispering has no harmonics and is not found.

Source: cepstral peak prominence, Hillenbrand et al. 1994; here the peak itself, of the log spectrum without its slope.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FRAME_S, HOP_S = 0.064, 0.032
BAND_HZ = (400.0, 2400.0)
NARROW_HZ = (400.0, 1850.0)  # of sound that was sampled at 4 kHz: the edge at 2 kHz is a ripple too
FALL_DB = 30.0  # from the top of the narrow band to that of the wide one, from which on the narrow one is used
PITCH_HZ = (70.0, 400.0)
FRAMES = 4  # within a second; a short word has as many
LIMIT = 0.12
FLOOR = 1e-7  # of magnitudes; far below the steps of 16 bit
FEW = 64  # frames that tell which band there is
AT_ONCE = 512  # frames; a long clip takes no more memory than a short one
BINS = 257  # of `BAND_HZ`; the ripple of noise grows with the root of how few there are

Floats = NDArray[np.float32]


def voicing(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> Floats:
    """Height of the cepstral peak of each frame, natural units; 0 where a frame touches a lost sample.

    Args:
        samples: (N,) sound.
        valid: (N,) false where a sample was lost.
        rate_hz: of the sound, twice the upper end of `BAND_HZ` or more.

    Returns:
        (T,), T = 0 for less than a frame.
    """
    length, hop = round(FRAME_S * rate_hz), round(HOP_S * rate_hz)
    if len(samples) < length:
        return np.zeros(0, np.float32)
    frames: Floats = sliding_window_view(samples, length)[::hop]
    fine: NDArray[np.bool_] = sliding_window_view(valid, length)[::hop]
    taper: Floats = np.hanning(length + 1)[:-1].astype(np.float32)
    hz = np.arange(length + 1, dtype=np.float64) * (rate_hz / 2 / length)
    band = _band(np.asarray(frames[:: len(frames) // FEW + 1] * taper), hz)
    peaks = np.zeros(len(frames), np.float32)
    for begin in range(0, len(frames), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        spectrum = np.abs(np.fft.rfft(np.asarray(frames[part] * taper), 2 * length, axis=1)[:, band])
        peaks[part] = _ripple(np.log(spectrum + FLOOR), rate_hz, length)
    return np.where(fine.all(axis=1), peaks, np.float32(0))


def statistic(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> float:
    """What `FRAMES` frames of the strongest second reach; arguments as of `voicing`."""
    peaks = voicing(samples, valid, rate_hz)
    if len(peaks) < FRAMES:
        return 0.0
    seconds = sliding_window_view(peaks, min(round(1 / HOP_S), len(peaks)))
    return float(np.partition(seconds, -FRAMES, axis=1)[:, -FRAMES].max())


def has_speech(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> bool:
    """Whether somebody speaks in it; arguments as of `voicing`."""
    return statistic(samples, valid, rate_hz) > LIMIT


def _band(frames: Floats, hz: NDArray[np.float64]) -> NDArray[np.int64]:
    """(F,) which of the frequencies are looked at, by the mean power of some frames, (T, N)."""
    power = np.square(np.abs(np.fft.rfft(frames, 2 * frames.shape[1], axis=1))).mean(axis=0)
    below = (hz > NARROW_HZ[1] - 200) & (hz <= NARROW_HZ[1])
    above = (hz > BAND_HZ[1] - 200) & (hz <= BAND_HZ[1])
    is_narrow = power[above].mean() < power[below].mean() * 10 ** (-FALL_DB / 10)
    low_hz, high_hz = NARROW_HZ if is_narrow else BAND_HZ
    return np.flatnonzero((hz >= low_hz) & (hz <= high_hz))


def _ripple(logs: NDArray[np.floating[Any]], rate_hz: int, length: int) -> NDArray[np.floating[Any]]:
    """(T,) height of the highest ripple in log spectra, (T, F), without mean and slope, tapered."""
    line = np.linspace(-1.0, 1.0, logs.shape[1])
    flat = logs - logs.mean(axis=1, keepdims=True)
    flat -= ((flat * line).sum(axis=1) / np.square(line).sum())[:, None] * line
    # Bins are rate / (2 * length) apart, so number k of this transform is a ripple of the pitch rate / k.
    ripples = np.abs(np.fft.rfft(flat * np.hanning(len(line)), 2 * length, axis=1))
    looked_at = slice(math.ceil(rate_hz / PITCH_HZ[1]), math.floor(rate_hz / PITCH_HZ[0]) + 1)
    return np.asarray(ripples[:, looked_at].max(axis=1) / math.sqrt(BINS * len(line)))
