"""Rings of the newest samples of B streams, addressed by absolute int64 index, each sample with its validity.

Not queues: reading takes nothing away. Invariants: a ring holds consecutive samples only, so nothing in it is spliced;
a jump forward starts it anew; what cannot be trusted (masked, NaN, 120 dB above full scale) reads 0 and is marked.

Every sample is written twice, one capacity apart, so that any stretch of a ring is contiguous in memory. Instead of a
flag, a ring keeps for each sample the number of valid ones in a row that end there: whether n samples are all valid is
one comparison, not n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.inlined import inlined

SILENCE = np.float32(1e-13)  # -260 dB re full scale; what is below reads 0, so that no denormal number slows a filter
LOUDEST = np.float32(1e6)  # +120 dB; what is above was no sound, and is invalid like NaN: energies stay finite
LONGEST_RUN = np.int64(1) << 30  # runs stop counting here
OPEN, START, STOP, NEXT = 0, 1, 2, 3  # columns of the marks


class Rings(NamedTuple):
    """Memory of B rings of `capacity` samples, a power of two."""

    samples: NDArray[np.float32]
    """(B, 2 capacity) sample n at n & (capacity - 1) and again one capacity on."""
    runs: NDArray[np.int32]
    """(B, capacity) valid samples in a row up to and with this one."""
    marks: NDArray[np.int64]
    """(B, 4) whether anything was written; index of the first sample since the last jump; index one past the newest
    sample; next frame, which is the reader's."""


def make_rings(streams: int, capacity: int) -> Rings:
    """Empty rings of at least `capacity` samples for each stream."""
    size = 1 << max(capacity - 1, 1).bit_length()
    return Rings(
        np.zeros((streams, 2 * size), np.float32), np.zeros((streams, size), np.int32), np.zeros((streams, 4), np.int64)
    )


@inlined  # type: ignore[untyped-decorator]
def jumps(rings: Rings, b: int, start: int) -> bool:
    """Whether a block at `start` does not continue stream b; then the ring starts anew there."""
    if rings.marks[b, OPEN] and rings.marks[b, STOP] == start:
        return False
    rings.marks[b, OPEN] = 1
    rings.marks[b, START] = start
    rings.marks[b, STOP] = start
    rings.runs[b, (start - 1) & np.int64(rings.runs.shape[1] - 1)] = 0
    return True


@inlined  # type: ignore[untyped-decorator]
def append(rings: Rings, b: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    """Write the next samples of stream b, at most a capacity of them."""
    capacity = np.int64(rings.runs.shape[1])
    stop = rings.marks[b, STOP]
    place = stop & (capacity - 1)
    head = min(samples.shape[0], capacity - place)
    _copy(rings, b, place, samples[:head], valid[:head])
    if head < samples.shape[0]:
        _copy(rings, b, 0, samples[head:], valid[head:])
    rings.marks[b, STOP] = stop + samples.shape[0]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _copy(rings: Rings, b: int, place: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    count, capacity = samples.shape[0], rings.runs.shape[1]
    near = rings.samples[b, place : place + count]
    far = rings.samples[b, place + capacity : place + capacity + count]
    runs = rings.runs[b, place : place + count]
    run = np.int64(rings.runs[b, place - 1 if place else capacity - 1])
    bad = 0
    for i in range(count):
        sample = samples[i]
        fine = valid[i] and abs(sample) <= LOUDEST  # false for NaN
        bad += not fine
        heard = sample if fine and abs(sample) > SILENCE else np.float32(0)
        near[i] = heard
        far[i] = heard
    if bad:
        for i in range(count):
            run = min(run + 1, LONGEST_RUN) if valid[i] and abs(samples[i]) <= LOUDEST else np.int64(0)
            runs[i] = run
        return
    run = min(run, LONGEST_RUN - count)
    for i in range(count):
        runs[i] = run + i + 1


@inlined  # type: ignore[untyped-decorator]
def heard(rings: Rings, b: int, start: int, stop: int) -> bool:
    """Whether all samples [start, stop) of stream b, the last a capacity ones, are valid."""
    run: int = rings.runs[b, (stop - 1) & np.int64(rings.runs.shape[1] - 1)]
    return run >= stop - start


@inlined  # type: ignore[untyped-decorator]
def stretch(rings: Rings, b: int, start: int, count: int) -> NDArray[np.float32]:
    """View of the samples [start, start + count) of stream b; invalid ones read 0."""
    place = start & np.int64(rings.runs.shape[1] - 1)
    return rings.samples[b, place : place + count]
