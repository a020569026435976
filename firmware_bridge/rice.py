"""The lossless codec: a fixed predictor of order 0 to 3, and Rice codes in two planes (PROTOCOL.md, "Rice").

Not for choosing whether to compress: `wire` takes PCM where this is no smaller. One block per channel, in turn:

    u8           order << 5 | k
    order x i16  the first samples as they are
    u16          bits in the unary plane
    unary plane  for each further sample u >> k zeros and a one, least significant bit of a byte first
    binary plane for each further sample the k low bits of u, least significant first

u is the residual of the predictor, folded: 0, -1, 1, -2, 2 ... become 0, 1, 2, 3, 4 ... The residual of order p is the
p-th difference of the samples (Robinson 1994, SHORTEN). Numba reads it, 2.4 us for 160 samples; NumPy took 33.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.errors import WireError
from edge.kernels import kernel

MAX_ORDER = 3
MAX_K = 15
_FAULTS = {
    -1: "a block ends in its middle",
    -2: f"order above {MAX_ORDER} or k above {MAX_K}, or more first samples than samples",
    -3: "the unary plane does not hold one mark for each sample, with zeros after the last",
    -4: "the binary plane is not padded with zeros",
    -5: "a sample does not fit 16 bits",
    -6: "more channels than a packet may have",
}


def decode(payload: bytes, n_samples: int, max_channels: int) -> NDArray[np.int16]:
    """(C, N) samples of as many blocks as the payload holds.

    Raises:
        WireError: unless every block is whole, and the last ends where the payload does.
    """
    samples = np.empty((max_channels, n_samples), np.int16)
    channels = _decode(np.frombuffer(payload, np.uint8), samples)
    if channels <= 0:
        raise WireError(f"Rice: {_FAULTS.get(channels, 'no block')}")
    return samples[:channels]


def encode(samples: NDArray[np.int16]) -> bytes:
    """Payload of (C, N) samples; the order and k of each block are those that auslink.h chooses."""
    return b"".join(_block(channel.astype(np.int64)) for channel in samples)


def _block(x: NDArray[np.int64]) -> bytes:
    costs = [int(_folded(x, order).sum()) for order in range(MAX_ORDER + 1)]
    order = costs.index(min(costs))
    u = _folded(x, order)
    k = min(MAX_K, max(0, (costs[order] // len(x)).bit_length() - 1))
    quotients = u >> k
    ends = np.cumsum(quotients + 1)
    unary = np.zeros(int(ends[-1]) if len(u) else 0, np.uint8)
    unary[ends - 1] = 1
    binary = (u[:, None] >> np.arange(k) & 1).astype(np.uint8)
    return b"".join(
        (
            bytes((order << 5 | k,)),
            x[:order].astype("<i2").tobytes(),
            struct.pack("<H", len(unary)),
            np.packbits(unary, bitorder="little").tobytes(),
            np.packbits(binary.reshape(-1), bitorder="little").tobytes(),
        )
    )


def _folded(x: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    residual = np.diff(x, order)
    # 2 r for r >= 0, and -2 r - 1 below: the shift by 63 gives all ones there.
    return residual << 1 ^ residual >> 63


@kernel
def _decode(payload: NDArray[np.uint8], samples: NDArray[np.int16]) -> int:
    """Fill rows of samples; number of rows, or a key of _FAULTS."""
    n, size, at, channel = samples.shape[1], len(payload), 0, 0
    while at < size:
        if channel == samples.shape[0]:
            return -6
        order, k = payload[at] >> 5, payload[at] & 31
        if order > MAX_ORDER or k > MAX_K or order > n:
            return -2
        at += 1
        if at + 2 * order + 2 > size:
            return -1
        x = samples[channel]
        for i in range(order):
            x[i] = np.int16(payload[at + 2 * i] | np.int64(payload[at + 2 * i + 1]) << 8)
        at += 2 * order
        bits = np.int64(payload[at]) | np.int64(payload[at + 1]) << 8
        at += 2
        binary = at + (bits + 7) // 8
        end = binary + ((n - order) * k + 7) // 8
        if end > size:
            return -1
        fault: int = _fill(payload[at:binary], bits, payload[binary:end], k, order, x)
        if fault:
            return fault
        at = end
        channel += 1
    return channel


@njit  # type: ignore[untyped-decorator]
def _fill(
    unary: NDArray[np.uint8], bits: int, binary: NDArray[np.uint8], k: int, order: int, x: NDArray[np.int16]
) -> int:
    """Undo the folding and the differences; 0, or a key of _FAULTS."""
    u_at = b_at = 0
    for i in range(order, len(x)):
        u = np.int64(0)
        while u_at < bits and not unary[u_at >> 3] >> (u_at & 7) & 1:
            u += 1
            u_at += 1
        if u_at >= bits:
            return -3
        u_at += 1
        u <<= k
        for b in range(k):
            u |= np.int64(binary[b_at >> 3] >> (b_at & 7) & 1) << b
            b_at += 1
        # The folding undone: half of u, and its complement where u is odd.
        value = _guess(x, i, order) + (u >> 1 ^ -(u & 1))
        if value < -32768 or value > 32767:
            return -5
        x[i] = value
    if u_at != bits or (bits & 7 and unary[-1] >> (bits & 7)):
        return -3
    if b_at & 7 and binary[-1] >> (b_at & 7):
        return -4
    return 0


@njit  # type: ignore[untyped-decorator]
def _guess(x: NDArray[np.int16], i: int, order: int) -> Any:
    """What a polynomial through the last samples says of sample i."""
    if order == 0:
        return np.int64(0)
    if order == 1:
        return np.int64(x[i - 1])
    if order == 2:
        return 2 * np.int64(x[i - 1]) - x[i - 2]
    return 3 * (np.int64(x[i - 1]) - x[i - 2]) + x[i - 3]
