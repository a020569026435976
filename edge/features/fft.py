"""Fourier transforms of one frame in Numba, in workspaces that the caller keeps: no allocation, the same bits anywhere.

Not for arrays of frames or axes: one real or complex sequence whose length is a product of 2, 3 and 5.

**The transform.** Decimation with the digits of the time index reversed on the way in and natural order on the way out
(Stockham's idea turned round): a stage of radix R reads R neighbours and writes them n / R apart, so that its only loop
runs over all n / R butterflies and is contiguous in the output and in the twiddle factors. LLVM vectorises it (loads of
stride R become shuffles) when it knows at compile time that nothing overlaps, hence one array for both sides of a stage
and copies of the radix-4 stage for the usual lengths. Measured for 256 complex points, one core of an EPYC 9004, Numba
0.68: 0.21 us; the same with the length in a variable 0.8 us; a Stockham transform with its short inner loops 0.65 us;
sixteen frames side by side in one such transform 0.27 us a frame.

The whole way from samples to the 156 bins of a log-mel frame (512 real points) takes 0.5 us. In the same minute,
rocket-fft 0.4.1 took 0.37 us for the transform alone when it got 64 frames at once, and 1.2 us when it got one; a
matrix product over the bins that matter 2.5 us, folded about the middle of the window 1.3 us, and for one frame alone
5.6 us (OpenBLAS).

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

from edge.inlined import inlined

RADICES = (4, 2, 3, 5)  # in the order they are tried


class Fft(NamedTuple):
    """Tables of one complex transform of n points, computed in float64."""

    order: NDArray[np.uint32]
    """(n,) where the n-th point of the input is to be put."""
    twiddles: NDArray[np.float32]
    """Twiddle factors of the stages, one after the other: (R - 1, n / R) real parts, as many imaginary ones."""
    radices: NDArray[np.int64]
    """(stages,) radix of each stage."""


def factors(size: int) -> list[int]:
    """Radices of the stages of a transform of `size` points; empty for 1.

    Raises:
        ValueError: if a factor other than 2, 3 and 5 is left.
    """
    out: list[int] = []
    rest = size
    for radix in RADICES:
        while rest % radix == 0 and rest > 1:
            out.append(radix)
            rest //= radix
    if rest != 1:
        raise ValueError(f"transform of {size} points: expected a product of 2, 3 and 5")
    return out


def make_fft(size: int) -> Fft:
    """Tables for `size` complex points."""
    radices = factors(size)
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
        angles = -2 * np.pi / (length * radix) * np.outer(np.arange(1, radix), time).ravel()
        twiddles += [np.cos(angles), np.sin(angles)]
    return Fft(order.astype(np.uint32), np.concatenate(twiddles).astype(np.float32), np.array(radices, np.int64))


@njit(cache=True)  # type: ignore[untyped-decorator]
def transform(work: NDArray[np.float32], fft: Fft) -> None:
    """Forward transform of n points.

    Args:
        work: (2, 2 n or more) workspace of two sides, real parts first, imaginary parts from n on. The input lies on
            side `stages % 2`, its points at `order`; the output on side 0, in natural order.
        fft: tables for n.
    """
    size, first = fft.order.shape[0], 0
    for stage in range(fft.radices.shape[0]):
        side = (fft.radices.shape[0] - stage) & 1
        x, y = work[side], work[1 - side]
        radix = fft.radices[stage]
        q = size // radix
        t = fft.twiddles[first:]
        first += 2 * (radix - 1) * q
        if radix == 4:
            _radix_4_of(x, y, t, q)
        elif radix == 2:
            _radix_2_of(x, y, t, q)
        elif radix == 3:
            _radix_3(x, y, t, q)
        else:
            _radix_5(x, y, t, q)


@inlined
def _radix_4_of(x, y, t, q):  # type: ignore[no-untyped-def]
    """The copy for the usual lengths, powers of two from 64 to 2048; any other runs, three times slower."""
    if q == 64:
        _radix_4(x, y, t, 64)
    elif q == 32:
        _radix_4(x, y, t, 32)
    elif q == 128:
        _radix_4(x, y, t, 128)
    elif q == 256:
        _radix_4(x, y, t, 256)
    elif q == 512:
        _radix_4(x, y, t, 512)
    elif q == 16:
        _radix_4(x, y, t, 16)
    else:
        _radix_4(x, y, t, q)


@inlined
def _radix_2_of(x, y, t, q):  # type: ignore[no-untyped-def]
    if q == 64:
        _radix_2(x, y, t, 64)
    elif q == 256:
        _radix_2(x, y, t, 256)
    elif q == 1024:
        _radix_2(x, y, t, 1024)
    else:
        _radix_2(x, y, t, q)


@inlined
def _radix_2(x, y, t, q):  # type: ignore[no-untyped-def]
    n = 2 * q
    for i in range(q):
        ar, ai, br, bi = x[2 * i], x[n + 2 * i], x[2 * i + 1], x[n + 2 * i + 1]
        y[i], y[n + i] = ar + br, ai + bi
        er, ei = ar - br, ai - bi
        y[q + i], y[n + q + i] = er * t[i] - ei * t[q + i], er * t[q + i] + ei * t[i]


@inlined
def _radix_3(x, y, t, q):  # type: ignore[no-untyped-def]
    n = 3 * q
    half, root = np.float32(0.5), np.float32(0.8660254037844386)  # cos and sin of 2 pi / 6
    for i in range(q):
        ar, ai = x[3 * i], x[n + 3 * i]
        br, bi, cr, ci = x[3 * i + 1], x[n + 3 * i + 1], x[3 * i + 2], x[n + 3 * i + 2]
        sr, si, dr, di = br + cr, bi + ci, root * (br - cr), root * (bi - ci)
        mr, mi = ar - half * sr, ai - half * si
        y[i], y[n + i] = ar + sr, ai + si
        er, ei = mr + di, mi - dr
        y[q + i], y[n + q + i] = er * t[i] - ei * t[2 * q + i], er * t[2 * q + i] + ei * t[i]
        er, ei = mr - di, mi + dr
        y[2 * q + i], y[n + 2 * q + i] = er * t[q + i] - ei * t[3 * q + i], er * t[3 * q + i] + ei * t[q + i]


@inlined
def _radix_4(x, y, t, q):  # type: ignore[no-untyped-def]
    n = 4 * q
    for i in range(q):
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


@inlined
def _radix_5(x, y, t, q):  # type: ignore[no-untyped-def]
    n = 5 * q
    c1, c2 = np.float32(0.30901699437494745), np.float32(-0.8090169943749475)  # cosines of 2 pi / 5 and 4 pi / 5
    s1, s2 = np.float32(0.9510565162951535), np.float32(0.5877852522924731)  # their sines
    for i in range(q):
        j = 5 * i
        ar, ai = x[j], x[n + j]
        pr, pi, mr, mi = (
            x[j + 1] + x[j + 4],
            x[n + j + 1] + x[n + j + 4],
            x[j + 1] - x[j + 4],
            x[n + j + 1] - x[n + j + 4],
        )
        ur, ui, vr, vi = (
            x[j + 2] + x[j + 3],
            x[n + j + 2] + x[n + j + 3],
            x[j + 2] - x[j + 3],
            x[n + j + 2] - x[n + j + 3],
        )
        y[i], y[n + i] = ar + pr + ur, ai + pi + ui
        fr, fi, gr, gi = ar + c1 * pr + c2 * ur, ai + c1 * pi + c2 * ui, ar + c2 * pr + c1 * ur, ai + c2 * pi + c1 * ui
        hr, hi, kr, ki = s1 * mr + s2 * vr, s1 * mi + s2 * vi, s2 * mr - s1 * vr, s2 * mi - s1 * vi
        er, ei = fr + hi, fi - hr
        y[q + i], y[n + q + i] = er * t[i] - ei * t[4 * q + i], er * t[4 * q + i] + ei * t[i]
        er, ei = gr + ki, gi - kr
        y[2 * q + i], y[n + 2 * q + i] = er * t[q + i] - ei * t[5 * q + i], er * t[5 * q + i] + ei * t[q + i]
        er, ei = gr - ki, gi + kr
        y[3 * q + i], y[n + 3 * q + i] = er * t[2 * q + i] - ei * t[6 * q + i], er * t[6 * q + i] + ei * t[2 * q + i]
        er, ei = fr - hi, fi + hr
        y[4 * q + i], y[n + 4 * q + i] = er * t[3 * q + i] - ei * t[7 * q + i], er * t[7 * q + i] + ei * t[3 * q + i]


class RealFft(NamedTuple):
    """Tables for n real points and the bins [first, first + bins) of their spectrum."""

    half: Fft
    """Of n / 2 complex points."""
    first: int
    """First bin that is wanted."""
    cos: NDArray[np.float32]
    """(bins,) real part of w^k / 2."""
    sin: NDArray[np.float32]
    """(bins,) imaginary part of w^k / 2."""


def make_real_fft(size: int, first: int, bins: int) -> RealFft:
    """Tables for `size` real points, an even number."""
    twiddle = 0.5 * np.exp(-2j * np.pi * np.arange(first, first + bins) / size)
    return RealFft(make_fft(size // 2), first, twiddle.real.astype(np.float32), twiddle.imag.astype(np.float32))


@njit(cache=True)  # type: ignore[untyped-decorator]
def real_spectrum(
    plan: RealFft,
    frame: NDArray[np.float32],
    taper: NDArray[np.float32],
    work: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Spectrum of a tapered real frame, zero-padded, in the wanted bins.

    Args:
        plan: for n points.
        frame: (m,) samples, m even, at most n.
        taper: (m,) multiplies them.
        work: (2, n) workspace.
        out: (2, bins) receives real and imaginary parts.
    """
    fft = plan.half
    size = fft.order.shape[0]
    x = work[fft.radices.shape[0] & 1]
    x[:] = np.float32(0)
    x_re, x_im = x[:size], x[size:]
    for k in range(frame.shape[0] // 2):
        place = fft.order[k]  # unsigned: Numba tests a signed index for the negative ones
        x_re[place] = frame[2 * k] * taper[2 * k]
        x_im[place] = frame[2 * k + 1] * taper[2 * k + 1]
    transform(work, fft)
    _unpack(plan, work[0], out[0], out[1])


@njit(cache=True)  # type: ignore[untyped-decorator]
def _unpack(plan: RealFft, z: NDArray[np.float32], out_re: NDArray[np.float32], out_im: NDArray[np.float32]) -> None:
    """Bins of the real sequence from the transform Z of its halves."""
    size, bins = plan.half.order.shape[0], plan.cos.shape[0]
    low = 1 if plan.first == 0 else 0  # bins 0 and n / 2 meet themselves
    high = bins - 1 if plan.first + bins == size + 1 else bins
    count, first = high - low, plan.first + low
    fore_re, fore_im = z[first : first + count], z[size + first : size + first + count]
    back = size - first - count + 1  # the mirror bins, from the last to the first
    back_re, back_im = z[back : back + count], z[size + back : size + back + count]
    cos, sin, re, im = plan.cos[low:high], plan.sin[low:high], out_re[low:high], out_im[low:high]
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
