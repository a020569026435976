"""Fourier transforms of one frame in Numba, in workspaces that the caller keeps: no allocation, the same bits anywhere.

Not for arrays of frames or axes: one real or complex sequence whose length is a product of 2, 3 and 5.

**The transform.** Decimation with the digits of the time index reversed on the way in and natural order on the way out
(Stockham's idea turned round): a stage of radix R reads R neighbours and writes them n / R apart, so that its only loop
runs over all n / R butterflies and is contiguous in the output and in the twiddle factors. LLVM vectorises the radix-4
stage (loads of stride 4 become shuffles) when it knows at compile time that nothing overlaps: hence one array for both
sides, and a copy of that stage for 512 real points, the usual length. From samples to the 156 bins of a log-mel frame
it takes 0.6 us, and 1.3 us without the copy (a shared Xeon, Numba 0.68); other lengths do without, for each copy costs
0.3 s of compiling. Radix 3 and 5 share one plain stage.

**Real input.** n real points are n / 2 complex ones, even samples real and odd samples imaginary. With Z their
transform and w = exp(-2 pi i / n),

    E[k] = (Z[k] + conj Z[n/2 - k]) / 2          the even samples
    O[k] = (Z[k] - conj Z[n/2 - k]) / 2i         the odd samples
    X[k] = E[k] + w^k O[k]

Every result is one expression of float32 operations in a fixed order (no fused multiply-add is formed), so a frame has
the same bits wherever it stands in a block, on every CPU that follows IEEE 754.
Source: Stockham, High-speed convolution and correlation, 1966; Sorensen et al., Real-valued fast Fourier transform
algorithms, IEEE TASSP 35(6), 1987.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.parts import is_smooth
from edge.features.ring import Floats
from edge.kernels import part

COS, SIN = (tuple(np.float32(f(2 * np.pi * k / 15)) for k in range(15)) for f in (np.cos, np.sin))  # thirds and fifths


class Fft(NamedTuple):
    """Tables of one complex transform of n points, computed in float64."""

    order: NDArray[np.uint32]
    """(n,) where the n-th point of the input is to be put."""
    twiddles: Floats
    """Twiddle factors of the stages, one after the other: (R - 1, n / R) real parts, as many imaginary ones."""


def radix_of(left: int) -> int:
    """Radix of the next stage of a transform in which sub-transforms of `left` points are left to do."""
    return 4 if left % 4 == 0 else 2 if left % 2 == 0 else 3 if left % 3 == 0 else 5


def make_fft(size: int) -> Fft:
    """Tables for `size` complex points.

    Raises:
        ValueError: if `size` is not a product of 2, 3 and 5.
    """
    if not is_smooth(size):
        raise ValueError(f"transform of {size} points: expected a product of 2, 3 and 5")
    radices, left = [], size
    while left > 1:
        radices.append(radix_of(left))
        left //= radices[-1]
    order = np.zeros(size, np.int64)
    rest, weight, left = np.arange(size), 1, size
    for radix in radices:  # the highest digit of the time index becomes the lowest one of the place
        left //= radix
        order += rest // left * weight
        rest, weight = rest % left, weight * radix
    twiddles, length = [np.zeros(0)], size
    for stage, radix in enumerate(radices):
        length //= radix  # points of one sub-transform after this stage
        place = np.arange(size // radix) % length
        time, weight = np.zeros_like(place), length
        for digit in radices[stage + 1 :]:
            weight //= digit
            time += place % digit * weight
            place //= digit
        # Point r of a butterfly turns by r * time / (length * radix); `time` is the place with its digits turned round.
        angles = -2 * np.pi / (length * radix) * np.outer(np.arange(1, radix), time).ravel()
        twiddles += [np.cos(angles), np.sin(angles)]
    return Fft(order.astype(np.uint32), np.concatenate(twiddles).astype(np.float32))


_radix_of = part(radix_of)


@njit
def transform(work: Floats, size: int, twiddles: Floats) -> Floats:
    """Forward transform of n points.

    Args:
        work: (2, 2 n or more) workspace of two sides, real parts first, imaginary parts from n on. The input lies on
            side 0, its points at `order`.
        size: n.
        twiddles: of its tables.

    Returns:
        The side with the output, in natural order.
    """
    side, first, left = 0, 0, size
    while left > 1:
        x, y, t = work[side], work[1 - side], twiddles[first:]
        radix = _radix_of(left)
        q = size // radix
        if radix == 4 and q == 64:
            _radix_4(x, y, t, 64)  # its own copy, in which LLVM sees that nothing overlaps: 512 real points
        elif radix == 4:
            _radix_4(x, y, t, q)
        elif radix == 2:
            _radix_2(x, y, t, q)
        else:
            _radix_odd(x, y, t, q, radix)
        side, first, left = 1 - side, first + 2 * (radix - 1) * q, left // radix
    out: Floats = work[side]
    return out


@part
def _radix_2(x: Floats, y: Floats, t: Floats, q: int) -> None:
    n = 2 * q
    for i in range(q):
        ar, ai, br, bi = x[2 * i], x[n + 2 * i], x[2 * i + 1], x[n + 2 * i + 1]
        y[i], y[n + i] = ar + br, ai + bi
        er, ei = ar - br, ai - bi
        y[q + i], y[n + q + i] = er * t[i] - ei * t[q + i], er * t[q + i] + ei * t[i]


@part
def _radix_4(x: Floats, y: Floats, t: Floats, q: int) -> None:
    n = 4 * q
    for i in range(q):
        # p = a + c, m = a - c, u = b + d, v = -i (b - d): outputs p + u, (m + v) w, (p - u) w^2, (m - v) w^3.
        ar, ai, br, bi = x[4 * i], x[n + 4 * i], x[4 * i + 1], x[n + 4 * i + 1]
        cr, ci, dr, di = x[4 * i + 2], x[n + 4 * i + 2], x[4 * i + 3], x[n + 4 * i + 3]
        pr, pi, mr, mi = ar + cr, ai + ci, ar - cr, ai - ci
        ur, ui, vr, vi = br + dr, bi + di, bi - di, dr - br  # v = -i (b - d)
        y[i], y[n + i] = pr + ur, pi + ui
        er, ei = mr + vr, mi + vi
        y[q + i], y[n + q + i] = er * t[i] - ei * t[3 * q + i], er * t[3 * q + i] + ei * t[i]
        er, ei = pr - ur, pi - ui
        y[2 * q + i], y[n + 2 * q + i] = er * t[q + i] - ei * t[4 * q + i], er * t[4 * q + i] + ei * t[q + i]
        er, ei = mr - vr, mi - vi
        y[3 * q + i], y[n + 3 * q + i] = er * t[2 * q + i] - ei * t[5 * q + i], er * t[5 * q + i] + ei * t[2 * q + i]


@part
def _radix_odd(x: Floats, y: Floats, t: Floats, q: int, radix: int) -> None:
    """Radix 3 or 5. With p and m the sums and differences of points k and R - k, outputs j and R - j are f -+ i h."""
    n = radix * q
    for i in range(q):
        a = radix * i
        re, im = x[a], x[n + a]
        for k in range(1, radix // 2 + 1):
            re, im = re + (x[a + k] + x[a + radix - k]), im + (x[n + a + k] + x[n + a + radix - k])
        y[i], y[n + i] = re, im
        for j in range(1, radix // 2 + 1):
            fr, fi, hr, hi = x[a], x[n + a], np.float32(0), np.float32(0)
            for k in range(1, radix // 2 + 1):
                b, c, d, e = x[a + k], x[a + radix - k], x[n + a + k], x[n + a + radix - k]
                turn = j * k % radix * (15 // radix)
                fr, fi = fr + COS[turn] * (b + c), fi + COS[turn] * (d + e)
                hr, hi = hr + SIN[turn] * (b - c), hi + SIN[turn] * (d - e)
            for place, er, ei in ((j, fr + hi, fi - hr), (radix - j, fr - hi, fi + hr)):
                cosine, sine = t[(place - 1) * q + i], t[(radix + place - 2) * q + i]
                y[place * q + i], y[n + place * q + i] = er * cosine - ei * sine, er * sine + ei * cosine


class RealFft(NamedTuple):
    """Tables for n real points and the bins [first, first + bins) of their spectrum."""

    order: NDArray[np.uint32]
    """As `Fft`, of n / 2 complex points."""
    twiddles: Floats
    """As `Fft`."""
    first: int
    """First bin that is wanted."""
    turn: Floats
    """(2, bins) w^k / 2: real and imaginary parts."""


def make_real_fft(size: int, first: int, bins: int) -> RealFft:
    """Tables for `size` real points, an even number."""
    turn = 0.5 * np.exp(-2j * np.pi * np.arange(first, first + bins) / size)
    return RealFft(*make_fft(size // 2), first, np.array([turn.real, turn.imag], np.float32))


@njit
def real_spectrum(plan: RealFft, frame: Floats, taper: Floats, work: Floats, out: Floats) -> None:
    """Spectrum of a tapered real frame, zero-padded, in the wanted bins.

    Args:
        plan: for n points.
        frame: (m,) samples, at most n.
        taper: (m,) multiplies them.
        work: (2, n) workspace.
        out: (2, bins) receives real and imaginary parts.
    """
    size, pairs = plan.order.shape[0], frame.shape[0] // 2
    re, im = work[0, :size], work[0, size:]
    for k in range(size):
        re[k] = im[k] = np.float32(0)
    for k in range(pairs):
        place = plan.order[k]  # unsigned: Numba tests a signed index for the negative ones
        re[place] = frame[2 * k] * taper[2 * k]
        im[place] = frame[2 * k + 1] * taper[2 * k + 1]
    if frame.shape[0] > 2 * pairs:
        re[plan.order[pairs]] = frame[2 * pairs] * taper[2 * pairs]
    _unpack(plan, transform(work, size, plan.twiddles), out[0], out[1])


@part
def _unpack(plan: RealFft, z: Floats, out_re: Floats, out_im: Floats) -> None:
    """Bins of the real sequence from the transform Z of its halves."""
    size, bins = plan.order.shape[0], plan.turn.shape[1]
    low = 1 if plan.first == 0 else 0  # bins 0 and n / 2 meet themselves
    high = bins - 1 if plan.first + bins == size + 1 else bins
    count, first = high - low, plan.first + low
    fore_re, fore_im = z[first : first + count], z[size + first : size + first + count]
    back = size - first - count + 1  # the mirror bins, from the last to the first
    back_re, back_im = z[back : back + count], z[size + back : size + back + count]
    cos, sin, re, im = plan.turn[0, low:high], plan.turn[1, low:high], out_re[low:high], out_im[low:high]
    half = np.float32(0.5)
    for i in range(count):
        j = np.uint64(count - 1) - np.uint64(i)  # unsigned, as above
        even_re, even_im = half * (fore_re[i] + back_re[j]), half * (fore_im[i] - back_im[j])
        odd_re, odd_im = fore_im[i] + back_im[j], back_re[j] - fore_re[i]  # twice the odd part; the tables hold half
        re[i] = even_re + cos[i] * odd_re - sin[i] * odd_im
        im[i] = even_im + cos[i] * odd_im + sin[i] * odd_re
    if low:
        out_re[0], out_im[0] = z[0] + z[size], np.float32(0)
    if high < bins:
        out_re[high], out_im[high] = z[0] - z[size], np.float32(0)
