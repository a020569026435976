"""Adapts a source to the model's rate: blocks and gaps at the device's rate in, the same at the model's rate out.

Not a source, not a queue, and not the resampling itself (`resample`). Invariant: indices only rise, and every jump
between two blocks is announced by a `Gap` with its cause.
"""

from __future__ import annotations

from edge.sources.resample import Resampler
from edge.types import Block, Gap


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
