"""Power spectrum of one real frame, in Numba: what `np.fft.rfft` would give, squared, without allocation.

A real sequence of n points is packed into n/2 complex ones (even samples real, odd imaginary), transformed by radix-2
decimation in time, and unpacked: with Z the transform of the packed sequence and w = exp(-2 pi i / n),

    E[k] = (Z[k] + conj Z[n/2 - k]) / 2          the even samples
    O[k] = (Z[k] - conj Z[n/2 - k]) / 2i         the odd samples
    X[k] = E[k] + w^k O[k]

The order of operations depends on nothing but n, so a frame has the same bits wherever it stands in a block.
Source: Sorensen et al., Real-valued fast Fourier transform algorithms, IEEE TASSP 35(6), 1987.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray


class Tables(NamedTuple):
    """What the transform of one size needs, computed once in float64."""

    reversal: NDArray[np.int64]
    """(n/2,) bit-reversed positions."""
    cos: NDArray[np.float32]
    """(n/2,) cos(2 pi k / n)."""
    sin: NDArray[np.float32]
    """(n/2,) sin(2 pi k / n)."""


def make_tables(size: int) -> Tables:
    """Tables for a transform of `size` real points, a power of two from 4 up."""
    half = size // 2
    bits = half.bit_length() - 1
    reversal = np.array([int(f"{k:0{bits}b}"[::-1], 2) for k in range(half)], dtype=np.int64)
    angle = 2 * np.pi * np.arange(half) / size
    return Tables(reversal, np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32))


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def power_spectrum(
    frame: NDArray[np.float32],
    tables: Tables,
    re: NDArray[np.float32],
    im: NDArray[np.float32],
    power: NDArray[np.float32],
) -> None:
    """|X[k]|^2 of one frame.

    Args:
        frame: (n,) real samples, windowed and zero-padded.
        tables: for n.
        re: (n/2,) workspace.
        im: (n/2,) workspace.
        power: (n/2 + 1,) receives the power.
    """
    n = frame.shape[0]
    half = n // 2
    for k in range(half):
        source = 2 * tables.reversal[k]
        re[k] = frame[source]
        im[k] = frame[source + 1]
    span = 1
    while span < half:
        step = half // span  # twiddle of a butterfly of 2 * span complex points, in steps of 2 pi / n
        for j in range(span):
            wr = tables.cos[j * step]
            wi = -tables.sin[j * step]
            for a in range(j, half, 2 * span):
                b = a + span
                tr = wr * re[b] - wi * im[b]
                ti = wr * im[b] + wi * re[b]
                re[b] = re[a] - tr
                im[b] = im[a] - ti
                re[a] += tr
                im[a] += ti
        span *= 2
    power[0] = (re[0] + im[0]) ** 2
    power[half] = (re[0] - im[0]) ** 2
    for k in range(1, half):
        m = half - k
        er = np.float32(0.5) * (re[k] + re[m])
        ei = np.float32(0.5) * (im[k] - im[m])
        odd_re = np.float32(0.5) * (im[k] + im[m])
        odd_im = np.float32(0.5) * (re[m] - re[k])
        xr = er + tables.cos[k] * odd_re + tables.sin[k] * odd_im
        xi = ei + tables.cos[k] * odd_im - tables.sin[k] * odd_re
        power[k] = xr * xr + xi * xi
