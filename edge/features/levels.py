"""From energies to levels: logarithm or per-channel energy normalisation (PCEN), slopes, and the affine normalisation.

Not for energies (`logmel.py`, `gammatone.py`, `wavelet.py`), and not for float64. Nothing lies beyond a gap: PCEN's
smoother, its only state, starts at the first valid frame's energy, at the beginning and after every gap or invalid
frame; a slope needs its n neighbours on both sides (2 n with the second slope), so the frames at an edge are not made,
and one with an invalid neighbour is invalid.

**Logarithm and power of two** in arithmetic that LLVM vectorises and every CPU rounds alike. The library's `log10` and
`**` are one scalar call each (8 and 20 ns, EPYC 9004: for 64 bands as much as the whole Fourier transform) and differ
in the last bit between C libraries; these take 0.4 ns a number in a loop.

    log2(m 2^e) = e + log2(m),   m in [sqrt(1/2), sqrt(2)): polynomial of Cephes `logf`      error below 1e-7 + 1 ulp
    2^x = 2^n 2^f,   n = round(x), f in [-1/2, 1/2]: Taylor polynomial of degree 7           error below 2 ulp

**PCEN** of silence is the difference of two equal numbers: its steps are 1.2e-7. **Slopes** are regression deltas:

    d[t] = sum_k k (c[t + k] - c[t - k]) / (2 sum_k k^2),   k = 1 .. n          The HTK Book 3.5, 5.9

Source: Moshier, Methods and Programs for Mathematical Functions, 1989; Wang et al., Trainable frontend for robust and
far-field keyword spotting, ICASSP 2017.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.parts import Log
from edge.features.ring import Bools, Floats
from edge.features.spec import FeatureSpec
from edge.kernels import kernel
from edge.types import Frames

ROOT_HALF_BITS = np.int32(0x3F3504F3)  # of sqrt(1/2)
LOG2_E = np.float32(1.4426950408889634)
EXP2_TERMS = tuple(np.float32(np.log(2.0) ** k / np.prod(np.arange(1.0, k + 1))) for k in range(8))


@njit
def log2(x: np.float32) -> np.float32:
    """Base-2 logarithm of a positive normal float32; -127 or so for 0 and for denormal numbers."""
    # A float is its exponent above 23 bits of mantissa. Less the bits of sqrt(1/2), what stands above them is e, and
    # the rest, with these bits again, is m in [sqrt(1/2), sqrt(2)).
    offset = np.int32(np.float32(x).view(np.int32) - ROOT_HALF_BITS)
    exponent = np.int32(offset >> np.int32(23))
    mantissa = np.int32((offset & np.int32(0x7FFFFF)) + ROOT_HALF_BITS)
    f = mantissa.view(np.float32) - np.float32(1)
    z = f * f
    p = np.float32(7.0376836292e-2) * f - np.float32(1.1514610310e-1)
    p = p * f + np.float32(1.1676998740e-1)
    p = p * f - np.float32(1.2420140846e-1)
    p = p * f + np.float32(1.4249322787e-1)
    p = p * f - np.float32(1.6668057665e-1)
    p = p * f + np.float32(2.0000714765e-1)
    p = p * f - np.float32(2.4999993993e-1)
    p = p * f + np.float32(3.3333331174e-1)
    natural = f * z * p - np.float32(0.5) * z + f
    return natural * LOG2_E + np.float32(exponent)


@njit
def exp2(x: np.float32) -> np.float32:
    """2^x in float32; beyond [-126, 127] that of the bound."""
    bounded = min(max(np.float32(x), np.float32(-126)), np.float32(127))
    n = np.float32(np.floor(bounded + np.float32(0.5)))
    f = bounded - n
    p = EXP2_TERMS[7] * f + EXP2_TERMS[6]
    p = p * f + EXP2_TERMS[5]
    p = p * f + EXP2_TERMS[4]
    p = p * f + EXP2_TERMS[3]
    p = p * f + EXP2_TERMS[2]
    p = p * f + EXP2_TERMS[1]
    p = p * f + EXP2_TERMS[0]
    # n + 127 in the place of the exponent is 2^n.
    power = np.int32(np.int32(np.int32(n) + np.int32(127)) << np.int32(23))
    return p * power.view(np.float32)


LEAST = np.float32(1.2e-38)  # the smallest normal float32; a smoother that has fallen below holds nothing
UNKNOWN = np.float32(-1)  # the smoother before the first frame; energies are not below 0


class Compression:
    """The compression of one stream.

    Args:
        spec: what a frame is; its affine normalisation is left to the deltas when there are any.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        how = spec.compression
        offset, gain = affine(spec) if not spec.deltas else (np.zeros(spec.levels), np.ones(spec.levels))
        self._affine = np.array([offset, gain], np.float32)
        self._smoothed = np.full(spec.levels, UNKNOWN)
        self._is_log = isinstance(how, Log)
        if isinstance(how, Log):
            constants = [10 * np.log10(2) if how.unit == "db" else np.log(2), how.floor]
        else:
            constants = [how.s, how.alpha, how.delta, how.r, how.eps, how.delta**how.r]
        self._constants = np.array(constants, np.float32)

    def apply(self, energies: Floats, valid: Bools) -> None:
        """Turn the energies of the next frames, (T, levels), into levels; those that are not valid, (T,), into 0."""
        if self._is_log:
            _log(self._constants, self._affine, energies, valid)
        else:
            _pcen(self._constants, self._affine, self._smoothed, energies, valid)

    def reset(self) -> None:
        """Forget the smoothed energies: the next frame is as the first of a stream."""
        self._smoothed[:] = UNKNOWN


def affine(spec: FeatureSpec) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(M,) offset and (M,) 1 / scale of every number of a frame."""
    return np.broadcast_to(spec.offset, spec.width).copy(), 1 / np.broadcast_to(spec.scale, spec.width)


@kernel
def _log(constants: Floats, affine: Floats, frames: Floats, valid: Bools) -> None:
    per_octave, floor = constants
    offset, gain = affine[0], affine[1]
    for t in range(frames.shape[0]):
        row = frames[t]
        if not valid[t]:
            row[:] = np.float32(0)
            continue
        for m in range(row.shape[0]):
            level = max(per_octave * log2(row[m]), floor)
            row[m] = (level - offset[m]) * gain[m]


@kernel
def _pcen(constants: Floats, affine: Floats, smoothed: Floats, frames: Floats, valid: Bools) -> None:
    s, alpha, delta, r, eps, root = constants
    offset, gain = affine[0], affine[1]
    for t in range(frames.shape[0]):
        row = frames[t]
        if not valid[t]:
            row[:] = np.float32(0)
            smoothed[:] = UNKNOWN
            continue
        for m in range(row.shape[0]):
            before = smoothed[m] if smoothed[m] >= 0 else row[m]
            mean = (np.float32(1) - s) * before + s * row[m]
            mean = mean if mean > LEAST else np.float32(0)
            smoothed[m] = mean
            # (E / (M + eps)^alpha + delta)^r - delta^r; M is never 0 in the logarithm, which eps is for.
            steady = row[m] * exp2(-alpha * log2(mean + eps)) + delta
            row[m] = (exp2(r * log2(steady)) - root - offset[m]) * gain[m]


class Deltas:
    """The deltas of one stream.

    Args:
        spec: what a frame is; it has deltas.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        n, self._reach = spec.delta_frames, spec.deltas * spec.delta_frames
        slope = np.arange(-n, n + 1) / (2 * np.sum(np.arange(1, n + 1) ** 2))
        self._taps = np.zeros((1 + spec.deltas, 2 * self._reach + 1), np.float32)  # weights of frames t - r .. t + r
        row = np.ones(1)
        for part in self._taps:
            spare = self._reach - len(row) // 2
            part[spare : spare + len(row)] = row
            # The second slope is the slope of the first, so its weights are those of the first, convolved with
            # themselves.
            row = np.convolve(row, slope)
        self._offset, self._gain = (x.astype(np.float32) for x in affine(spec))
        self._levels = np.zeros((0, spec.levels), np.float32)  # the newest 2 r frames
        self._valid = np.zeros(0, np.bool_)

    def push(self, frames: Frames) -> list[Frames]:
        """Take the frames that follow, (T, levels); return those r before them that have all their neighbours."""
        width = self._taps.shape[1]
        levels, known = np.concatenate([self._levels, frames.values]), np.concatenate([self._valid, frames.valid])
        self._levels, self._valid = levels[1 - width :].copy(), known[1 - width :].copy()
        count = len(known) + 1 - width
        if count <= 0:
            return []
        values = np.zeros((count, *self._taps.shape[:1], levels.shape[1]), np.float32)
        for part, taps in enumerate(self._taps):
            for k in np.flatnonzero(taps):
                values[:, part] += taps[k] * levels[k : k + count]
        valid = np.logical_and.reduce(np.lib.stride_tricks.sliding_window_view(known, width), axis=1)
        values = (values.reshape(count, -1) - self._offset) * self._gain
        values[~valid] = 0
        return [Frames(frames.start + len(frames.valid) - self._reach - count, values, valid)]

    def reset(self) -> None:
        """Forget everything; the stream goes on anywhere."""
        self._levels, self._valid = self._levels[:0], self._valid[:0]
