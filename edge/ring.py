"""Ring of the newest samples of one stream, addressed by absolute int64 index, each with its validity.

Not a queue: reading takes nothing away. Invariants: the ring holds exactly [start, stop); consecutive blocks only, so
no two samples in it are spliced; a jump forward empties it; what was overwritten cannot be read.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.types import Block


class Ring:
    """Fixed memory for `capacity` samples, rounded up to a power of two.

    Args:
        capacity: samples that must be readable after any write.
    """

    def __init__(self, capacity: int) -> None:
        """Allocate once; nothing is allocated later."""
        self.capacity = 1 << max(capacity - 1, 1).bit_length()
        self.samples = np.zeros(self.capacity, np.float32)  # indexed by absolute index & (capacity - 1)
        self.valid = np.zeros(self.capacity, np.bool_)
        self.start = 0
        self.stop = 0

    def write(self, block: Block) -> None:
        """Append one block; a jump forward empties the ring first.

        Raises:
            ValueError: if the block overlaps what was written, is larger than the ring, or its mask has another length.
        """
        count = len(block.samples)
        if self.stop > self.start and block.start < self.stop:
            raise ValueError(f"block starts at sample {block.start}, before the end of what was written, {self.stop}")
        if count > self.capacity or len(block.valid) != count:
            raise ValueError(f"block of {count} samples with {len(block.valid)} flags for a ring of {self.capacity}")
        if block.start != self.stop:
            self.start = block.start
        _put(self.samples, self.valid, block.start, block.samples, block.valid)
        self.stop = block.start + count
        self.start = max(self.start, self.stop - self.capacity)

    def read(self, start: int, stop: int) -> Block:
        """Copy of the samples [start, stop).

        Raises:
            IndexError: if they are not all in the ring.
        """
        if not self.start <= start <= stop <= self.stop:
            raise IndexError(f"samples [{start}, {stop}) asked for, the ring holds [{self.start}, {self.stop})")
        samples = np.empty(stop - start, np.float32)
        valid = np.empty(stop - start, np.bool_)
        _get(self.samples, self.valid, start, samples, valid)
        return Block(start, samples, valid)

    def clear(self) -> None:
        """Forget everything; the next block may start anywhere."""
        self.start = self.stop = 0


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _put(
    ring: NDArray[np.float32],
    ring_valid: NDArray[np.bool_],
    start: int,
    samples: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> None:
    wrap = np.int64(ring.shape[0] - 1)
    for i in range(samples.shape[0]):
        position = (start + i) & wrap
        finite = np.isfinite(samples[i])
        ring[position] = samples[i] if finite else np.float32(0)
        ring_valid[position] = valid[i] and finite


@njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _get(
    ring: NDArray[np.float32],
    ring_valid: NDArray[np.bool_],
    start: int,
    samples: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> None:
    wrap = np.int64(ring.shape[0] - 1)
    for i in range(samples.shape[0]):
        position = (start + i) & wrap
        samples[i] = ring[position]
        valid[i] = ring_valid[position]
