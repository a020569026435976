"""Resampling from any device's rate to the model's, index-exact and streaming, and a source adapted by it.

Not for the drift of a device's clock (times follow it) and not for choosing a channel. With L / M the ratio of the
rates in lowest terms, output sample k lies at input index k * L / M, in every stream and after every gap: an index
means the same moment at both rates.

Invariants: output k is given for every k * L / M in [start, stop) of each unbroken segment, so N samples from 0 on give
ceil(N * M / L); any cut into blocks gives the same output, bit by bit; an output sample is valid exactly if no input
within `REACH` samples (of the lower rate) of it was invalid or lost. Before the first and after the last sample of a
stream there is silence. Indices only rise, and every jump between two blocks is announced by a `Gap` with its cause.

soxr's own delay is taken out by soxr; the segment starts anew on a grid point, so that output never slides between the
samples. Source: libsoxr (R. Sykes, 2013), quality HQ: linear phase, flat to 0.91 of Nyquist, 120 dB down beyond 1.0.
"""

from __future__ import annotations

from math import ceil, gcd
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from edge.types import Block, Gap

REACH = 128  # half the filter's support, samples of the lower rate; measured: 1e-6 of the peak at 98, 1e-7 at 104
FLUSH_S = 0.25  # silence fed at a time to get out what soxr holds back: up to 0.23 s


class Resampler:
    """One stream at one rate made into the same stream at another.

    Args:
        from_hz: rate of the samples that come in, Hz.
        to_hz: rate of the samples that go out, Hz.

    Raises:
        ValueError: if a rate is not above 0.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        if min(from_hz, to_hz) <= 0:
            raise ValueError(f"rates of {from_hz} and {to_hz} Hz; both must be above 0")
        divisor = gcd(from_hz, to_hz)
        self._in_step, self._out_step = from_hz // divisor, to_hz // divisor  # L, M
        self._reach = ceil(REACH * max(1.0, from_hz / to_hz))  # samples of the input
        self._silence = np.zeros(max(1, round(FLUSH_S * from_hz)), np.float32)
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next block may start anywhere."""
        self._started = False  # whether anything came at all
        self._stop = 0  # input index one past the last sample
        self._next = 0  # output index of the first sample not yet given
        self._made = 0  # output index of the next sample that soxr gives
        self._pending = np.empty(0, np.float32)  # made but not given: outputs [_made - len, _made)
        self._bad: list[tuple[int, int]] = []  # invalid input [start, stop) that can still touch an output
        self._soxr: Any = None  # there is one while a segment is open, so that none is left when the program ends

    def first_at(self, index: int) -> int:
        """Output index of the first sample at or after input index `index`."""
        return -(-index * self._out_step // self._in_step)

    def missing_before(self, start: int) -> bool:
        """Whether a block that starts at input index `start` would leave a gap."""
        return self._started and start > self._stop

    def push(self, block: Block) -> list[Block]:
        """Take one block; a jump of its start beyond the end of the last one is a gap.

        Args:
            block: input of any length; a sample that is not finite counts as invalid.

        Returns:
            What can be given for good, in order; nothing yet after a short block.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        if self._started and block.start < self._stop:
            raise ValueError(f"block starts at sample {block.start}, before the end of the last one, {self._stop}")
        if not len(block.samples):
            return []
        out = self.skip(block.start) if self._started else []
        self._started, self._stop = True, block.stop
        if self._in_step == self._out_step:
            return [block]
        if self._soxr is None:
            self._begin(block.start)
        valid = block.valid & np.isfinite(block.samples)
        self._record_invalid(block.start, valid)
        self._feed(np.where(valid, block.samples, np.float32(0.0)))
        return out + self._emit(min(self._made, self.first_at(self._stop - self._reach)))

    def skip(self, stop: int) -> list[Block]:
        """Take note that the samples up to index `stop` are lost.

        Args:
            stop: input index of the first sample that may come; nothing happens if it is the next one.

        Returns:
            What was held back of the samples before the gap.
        """
        if not self._started:
            # One lost sample is enough to mask the outputs that what was lost before the first block touches.
            self._started, self._stop = True, stop - 1
        if stop <= self._stop:
            return []
        if self._in_step != self._out_step:
            self._add_bad(self._stop, stop)
        out = self._drain()
        self._stop = stop
        return out

    def flush(self) -> list[Block]:
        """End of stream: give what is held back."""
        return self._drain()

    def _begin(self, start: int) -> None:
        """Open a segment on the last point of both grids, silence from there to its first sample."""
        grid = start // self._in_step
        self._made = grid * self._out_step
        self._next = self.first_at(start)
        self._soxr = soxr.ResampleStream(self._in_step, self._out_step, 1, quality="HQ")
        self._feed(np.zeros(start - grid * self._in_step, np.float32))

    def _feed(self, samples: NDArray[np.float32]) -> None:
        """Resample; outputs before `_next` lie in the silence before the segment and are dropped."""
        made = self._soxr.resample_chunk(samples)
        self._made += len(made)
        pending = np.concatenate([self._pending, made])
        self._pending = pending[len(pending) - max(self._made - self._next, 0) :]

    def _emit(self, stop: int) -> list[Block]:
        """Hand over the outputs [_next, stop) with their mask."""
        start, count = self._next, stop - self._next
        if count <= 0:
            return []
        valid = np.ones(count, np.bool_)
        for bad_start, bad_stop in self._bad:
            first = self.first_at(bad_start - self._reach) - start
            valid[max(first, 0) : max(self._clear_of(bad_stop) - start, 0)] = False
        samples, self._pending = self._pending[:count].copy(), self._pending[count:]
        samples[~valid] = 0.0
        self._next = stop
        self._bad = [bad for bad in self._bad if self._clear_of(bad[1]) > stop]
        return [Block(start, samples, valid)]

    def _clear_of(self, bad_stop: int) -> int:
        """Output index of the first sample farther than `_reach` behind an invalid segment that ends at `bad_stop`."""
        # k L / M > bad_stop - 1 + reach, so the least k is the whole part of (bad_stop - 1 + reach) M / L, and one.
        return (bad_stop - 1 + self._reach) * self._out_step // self._in_step + 1

    def _drain(self) -> list[Block]:
        """Close the segment: silence after it until soxr has given all outputs that lie in it."""
        if self._soxr is None:
            return []
        last = self.first_at(self._stop)
        while self._made < last:
            self._feed(self._silence)
        out = self._emit(last)
        self._pending = self._pending[:0]
        self._soxr = None
        return out

    def _record_invalid(self, start: int, valid: NDArray[np.bool_]) -> None:
        edges = np.flatnonzero(np.diff(np.concatenate([[True], valid, [True]])))
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            self._add_bad(start + int(first), start + int(last))

    def _add_bad(self, start: int, stop: int) -> None:
        """Remember invalid input; segments so close that no output fits between them are one."""
        if self._bad and start - self._bad[-1][1] < 2 * self._reach:
            start = self._bad.pop()[0]
        self._bad.append((start, stop))


class RateAdapter:
    """One stream, push(Block | Gap) -> list of the same at the other rate.

    Args:
        from_hz: rate of the device, Hz.
        to_hz: rate of the model, Hz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._resampler = Resampler(from_hz, to_hz)
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next block or gap may start at any index."""
        self._resampler.reset()
        self._next: int | None = None  # index at the model's rate one past the last output

    def push(self, item: Block | Gap) -> list[Block | Gap]:
        """Take one block or gap; a block that jumps ahead is preceded by a gap with the cause `lost`.

        Raises:
            ValueError: if a block overlaps what came before.
        """
        if self._next is None:
            self._next = self._resampler.first_at(item.start)
        if isinstance(item, Gap):
            return self._skip(item.stop, item.cause)
        out: list[Block | Gap] = []
        if len(item.samples) and self._resampler.missing_before(item.start):
            out += self._skip(item.start, "lost")
        return out + self._advance(self._resampler.push(item))

    def flush(self) -> list[Block | Gap]:
        """End of stream: the samples that the resampler still held back."""
        return self._advance(self._resampler.flush())

    def _skip(self, stop: int, cause: str) -> list[Block | Gap]:
        out = self._advance(self._resampler.skip(stop))
        start, self._next = self._next or 0, max(self._next or 0, self._resampler.first_at(stop))
        return [*out, Gap(start, self._next, cause)] if self._next > start else out

    def _advance(self, blocks: list[Block]) -> list[Block | Gap]:
        for block in blocks:
            self._next = block.stop
        return list(blocks)
