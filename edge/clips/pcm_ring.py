"""The last minutes of one stream in 16 bit, by absolute int64 index, in memory that is taken once.

Not for the detector (`edge.features.ring` is its ring: floats, fractions of a second) and not for deciding what is kept
(`edge.clips.recorder`). Invariant: a sample is at its index or marked as lost; nothing is spliced. `LOST`, the lowest
16-bit number, is the mark, so that it takes no memory of its own: a sample that low is kept one step higher. 16 bit at
the model's rate are kept exactly; finer sound is rounded, and what is beyond full scale is kept as full scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.features.ring import LOUDEST
from edge.types import Block

Pcm = NDArray[np.int16]

LOST = np.int16(-32768)
FULL_SCALE = 32768.0  # as libsndfile reads 16 bit


def to_pcm(block: Block) -> Pcm:
    """(N,) samples in 16 bit, `LOST` where they are not valid or no sound."""
    samples, limit = block.samples, FULL_SCALE - 1
    top = np.float32(limit / FULL_SCALE)
    if block.valid.all() and samples.max(initial=0) <= top and samples.min(initial=0) >= -top:  # false for NaN
        return np.asarray(np.rint(samples * np.float32(FULL_SCALE)), np.int16)
    fine = block.valid & (np.abs(samples) <= LOUDEST)  # the same
    scaled = np.where(fine, samples, np.float32(0)) * np.float32(FULL_SCALE)
    pcm = np.clip(np.rint(scaled), -limit, limit).astype(np.int16)
    pcm[~fine] = LOST
    return pcm


def to_block(start: int, pcm: Pcm) -> Block:
    """The same as a block that begins at index `start`; lost samples are 0 and not valid."""
    valid = pcm != LOST
    samples = pcm.astype(np.float32)
    if not valid.all():
        samples[~valid] = 0
    samples /= np.float32(FULL_SCALE)
    return Block(start, samples, valid)


def gaps_in(pcm: Pcm) -> list[tuple[int, int]]:
    """Segments [start, stop) of lost samples, counted from the first."""
    is_lost = pcm == LOST
    if not is_lost.any():  # nearly always: a tenth of the time
        return []
    edges = np.flatnonzero(np.diff(is_lost, prepend=False, append=False))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


class PcmRing:
    """The newest samples of one stream.

    Args:
        capacity: how many, at least 1.
    """

    def __init__(self, capacity: int) -> None:
        self._pcm = np.full(capacity, LOST, np.int16)
        self._begin = self.stop = 0  # absolute indices: the first sample since the stream began, one past the newest

    @property
    def start(self) -> int:
        """Absolute index of the oldest sample that is still there; `stop` if there is none."""
        return max(self._begin, self.stop - len(self._pcm))

    def push(self, block: Block) -> None:
        """Take a block; what lies between it and the one before is lost. One that lies before it begins anew."""
        if self.start == self.stop or block.start < self.stop:
            self._begin = self.stop = block.start
        if block.start > self.stop:  # no more than the ring holds, however far the index jumps
            self._append(np.broadcast_to(LOST, min(block.start - self.stop, len(self._pcm))), block.start)
        self._append(to_pcm(block)[-len(self._pcm) :], block.stop)

    def copy(self, start: int, stop: int) -> Pcm:
        """(stop - start,) samples.

        Raises:
            ValueError: if some of them are not there any more, or not yet.
        """
        if not self.start <= start <= stop <= self.stop:
            raise ValueError(f"[{start}, {stop}) is not within [{self.start}, {self.stop})")
        place, count = start % len(self._pcm), stop - start
        near = self._pcm[place : place + count]
        return np.concatenate([near, self._pcm[: count - len(near)]])

    def _append(self, pcm: Pcm, stop: int) -> None:
        """Write the samples that end at `stop`."""
        place = (stop - len(pcm)) % len(self._pcm)
        near = min(len(pcm), len(self._pcm) - place)
        self._pcm[place : place + near] = pcm[:near]
        if near < len(pcm):
            self._pcm[: len(pcm) - near] = pcm[near:]
        self.stop = stop
