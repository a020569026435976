"""Whether somebody speaks in a segment of sound, so that it does not reach the disk. Pure, NumPy alone.

The statistic of a segment is what the ripple of a voice (`edge.detector.quality_measures`) reaches in `FRAMES` frames,
32 ms apart, within a second, at its strongest second; from `LIMIT` on it is speech.

Not for what is said or who speaks, and no proof that nobody does. The limit was chosen on half of the patients and
speakers; on the other half it finds four words over chest sound in 720 of 720, 10 dB louder to 20 dB fainter than the
chest, a single word alone in 79 %; and it takes for speech 0.7 % of Normal recordings, 3 % of those with crackles, 7 %
with wheezes, 14 % with both, 15 % of heart sounds, 92 % of coughs and every cry, which are voices too
(training.evaluation.speech_gate of commit 3465cf5c). Whispering has no harmonics and is not found.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge.detector.quality_measures import BAND_HZ, FRAME_S, VoiceMeter

HOP_S = 0.032
NARROW_HZ = (400.0, 1850.0)  # of sound that was sampled at 4 kHz: the edge at 2 kHz is a ripple too
FALL_DB = 30.0  # from the top of the narrow band to that of the wide one, from which on the narrow one is used
EDGE_HZ = 200.0  # width of what is compared for that
FRAMES = 4  # within a second; a short word has as many
LIMIT = 0.117
FEW = 64  # frames that show which band there is
AT_ONCE = 64  # frames, whose spectra fit into a cache
# A frame is looked at without padding first, for half the time, and again with it from here on: of 68,000 frames of
# chests, words over them, coughs and cries that are over LIMIT with it, each has .0935 or more without.
NEAR = 0.09

Floats = NDArray[np.float32]


def first_frame(start: int, rate_hz: int) -> int:
    """Absolute index of the first frame from a sample on, of one grid: whoever begins there judges the same frames."""
    hop = round(HOP_S * rate_hz)
    return -(-start // hop) * hop


def voicing(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> Floats:
    """Height of the ripple of a voice in each frame, natural units; 0 where a frame touches a lost sample.

    Where that is far below `LIMIT`, it is the less sure one of a spectrum without padding.

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
    is_narrow = _is_narrow(frames[:: len(frames) // FEW + 1], rate_hz)
    quick, padded = (_meter(rate_hz, is_narrow, padding) for padding in (1, 2))
    heights = np.concatenate([quick.heights(frames[at : at + AT_ONCE]) for at in range(0, len(frames), AT_ONCE)])
    near = np.flatnonzero(heights > NEAR)
    for some in (near[at : at + AT_ONCE] for at in range(0, len(near), AT_ONCE)):
        heights[some] = padded.heights(frames[some])
    return np.where(fine.all(axis=1), heights, np.float32(0))


def statistic(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> float:
    """What `FRAMES` frames of the strongest second reach; arguments as of `voicing`."""
    return float(_reached(voicing(samples, valid, rate_hz)).max(initial=0.0))


def has_speech(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> bool:
    """Whether somebody speaks in it; arguments as of `voicing`."""
    return statistic(samples, valid, rate_hz) > LIMIT


def spoken(samples: Floats, valid: NDArray[np.bool_], rate_hz: int) -> NDArray[np.bool_]:
    """Which samples, (N,), are of a second in which somebody speaks; any where `has_speech`. Arguments as of it."""
    length, hop = round(FRAME_S * rate_hz), round(HOP_S * rate_hz)
    peaks, found = voicing(samples, valid, rate_hz), np.zeros(len(samples), np.bool_)
    reached = _reached(peaks)
    frames = len(peaks) - len(reached) + 1  # of a second
    for begin in np.flatnonzero(reached > LIMIT):
        found[begin * hop : (begin + frames - 1) * hop + length] = True
    return found


def _reached(peaks: Floats) -> Floats:
    """What `FRAMES` frames of each second reach, of the (T,) heights of all frames; (0,) of fewer than those."""
    if len(peaks) < FRAMES:
        return np.zeros(0, np.float32)
    seconds = sliding_window_view(peaks, min(round(1 / HOP_S), len(peaks)))
    # The FRAMES-th from the greatest: so many frames reach it.
    return np.asarray(np.partition(seconds, -FRAMES, axis=1)[:, -FRAMES])


@lru_cache(maxsize=8)
def _meter(rate_hz: int, is_narrow: bool, padding: int) -> VoiceMeter:
    return VoiceMeter(rate_hz, NARROW_HZ if is_narrow else BAND_HZ, padding)


def _is_narrow(frames: Floats, rate_hz: int) -> bool:
    """Whether the sound has nothing in the upper part of the band, by the mean power of some frames, (T, N)."""
    taper = np.hanning(frames.shape[1] + 1)[:-1].astype(np.float32)
    hz = np.fft.rfftfreq(frames.shape[1], 1 / rate_hz)
    power = np.square(np.abs(np.fft.rfft(frames * taper))).mean(axis=0)
    below, above = (power[(hz > top - EDGE_HZ) & (hz <= top)].mean() for top in (NARROW_HZ[1], BAND_HZ[1]))
    return bool(above < below * 10 ** (-FALL_DB / 10))
