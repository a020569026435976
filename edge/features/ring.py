"""The newest samples of one stream, addressed by absolute int64 index.

Not a queue: reading takes nothing away. Invariants: a sample that cannot be trusted (masked, NaN, 120 dB above full
scale) is kept as NaN, and so is all that lies before the first sample since the last jump, so nothing is spliced.

Every sample is written twice, one capacity apart, so that any segment is contiguous in memory.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
SILENCE = np.float32(1e-13)  # -260 dB re full scale; what is below reads 0, so that no denormal number slows a filter
LOUDEST = np.float32(1e6)  # +120 dB; what is above was no sound, and is invalid like NaN: energies stay finite
NAN = np.float32(np.nan)


def make_ring(capacity: int) -> Floats:
    """An empty ring of at least `capacity` samples: twice a power of two, sample n at n & (capacity - 1) and behind."""
    return np.full(2 << max(capacity - 1, 1).bit_length(), NAN)


@njit
def append(ring: Floats, block: tuple[int, Floats, Bools], first: int, stop: int) -> int:
    """Write the samples of a block (start, samples, valid) from index `first` on that come before `stop`.

    Returns:
        Index one past the last one written.
    """
    start, samples, valid = block
    capacity, stop = ring.shape[0] // 2, min(stop, start + samples.shape[0])
    while first < stop:
        # The rest of a division by a power of two, also of an index below 0.
        place = first & (capacity - 1)
        count = min(stop - first, capacity - place)
        near, far = ring[place : place + count], ring[place + capacity : place + capacity + count]
        new, fine = samples[first - start :], valid[first - start :]
        for i in range(count):
            size = abs(new[i])
            # NaN is neither above SILENCE nor up to LOUDEST, so it becomes 0 here and NaN below.
            sample = new[i] if size > SILENCE else np.float32(0)
            sample = sample if fine[i] and size <= LOUDEST else NAN
            near[i] = sample
            far[i] = sample
        first += count
    return first


@njit
def segment(ring: Floats, start: int, stop: int) -> Floats:
    """View of the samples [start, stop) of the last a capacity ones; invalid ones are NaN."""
    place = start & (ring.shape[0] // 2 - 1)
    return ring[place : place + stop - start]


@njit
def all_valid(samples: Floats) -> bool:
    """Whether all samples of a segment are valid."""
    lost = False
    for i in range(samples.shape[0]):
        lost |= samples[i] != samples[i]
    return not lost
