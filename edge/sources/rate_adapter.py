"""The door of every source: blocks and gaps at the device's rate become blocks and gaps at the model's.

Not a source and not a queue. Invariant: indices only rise, and every jump between two blocks is told by a `Gap` with
its cause.
"""

from __future__ import annotations

from edge.sources.resample import Resampler
from edge.types import Block, Gap


class Door:
    """One stream, push(Block | Gap) -> list of the same at the other rate.

    Args:
        from_hz: rate of the device, Hz.
        to_hz: rate of the model, Hz.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Open for a stream that may start at any index."""
        self._resampler = Resampler(from_hz, to_hz)
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._resampler.reset()
        self._next: int | None = None  # index at the model's rate one past what was told

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
        return out + self._tell(self._resampler.push(item))

    def flush(self) -> list[Block | Gap]:
        """End of stream: what was held back."""
        return self._tell(self._resampler.flush())

    def _skip(self, stop: int, cause: str) -> list[Block | Gap]:
        out = self._tell(self._resampler.skip(stop))
        start, self._next = self._next or 0, max(self._next or 0, self._resampler.first_at(stop))
        return [*out, Gap(start, self._next, cause)] if self._next > start else out

    def _tell(self, blocks: list[Block]) -> list[Block | Gap]:
        for block in blocks:
            self._next = block.stop
        return list(blocks)
