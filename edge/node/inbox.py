"""Sound of one stream between the thread that reads it and the thread that scores it; no drop goes uncounted.

Not for reading or scoring. The reader never waits: what does not fit, or comes while the stream rests because the box
is overloaded, becomes a gap with the cause `overload`. Gaps of the source keep their cause and their place.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace

from edge.types import Block, Gap, joined

LIMIT_S = 4.0  # of sound that may wait
MOST_GAPS = 1000  # of a device that restarts all the time, in a row
OVERLOAD = "overload"


@dataclass(frozen=True)
class End:
    """The last that comes of a source."""

    failure: str = ""
    """Why it failed; empty if it came to its end or was stopped."""
    is_broken: bool = False
    """Whether it failed by an error of this program."""
    is_stopped: bool = False
    """Whether its end was requested."""


@dataclass(frozen=True)
class NewPatient:
    """What comes next is of another patient."""

    age: str | None
    """As in the settings; None: not known."""


Item = Block | Gap | NewPatient | End


@dataclass(frozen=True)
class Flush:
    """Nothing that comes next is joined with what came: decide it, close what is open."""


def ends_sound(item: Item | Flush) -> bool:
    """Whether no sound follows that can be joined to what was."""
    return item.restart if isinstance(item, Gap) else not isinstance(item, Block)


class Inbox:
    """What one stream has received and not yet taken.

    Args:
        rate_hz: of its sound, Hz.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz, self._limit = rate_hz, LIMIT_S * rate_hz
        self._mutex = threading.Lock()
        self._items: deque[Item] = deque()
        self._shed_until = -(1 << 62)  # absolute index
        self.waiting = 0
        """Samples that wait."""
        self.stop = 0
        """Absolute index one past the newest sample that came."""
        self.block_samples = 0
        """Length of the block with it."""
        self.is_over = False
        """Whether the last has come, or nobody takes any more."""

    @property
    def is_full(self) -> bool:
        """Whether more would be left out."""
        return self.waiting >= self._limit

    def put(self, item: Item) -> None:
        """Append what came; sound that is not to be scored becomes a gap."""
        with self._mutex:
            if isinstance(item, Block):
                self.stop, self.block_samples = item.stop, len(item.samples)
                if item.start < self._shed_until or self.is_full:
                    self._append(_left_out(item))
                else:
                    self.waiting += len(item.samples)
                    self._items.append(item)
            elif isinstance(item, Gap):
                self._append(item)
            else:
                self.is_over = self.is_over or isinstance(item, End)
                self._items.append(item)

    def shed(self, shed_s: float) -> None:
        """Leave out what waits and what comes in the next seconds of sound."""
        with self._mutex:
            items, self._items, self.waiting = self._items, deque(), 0
            for item in items:
                if isinstance(item, End | NewPatient):
                    self._items.append(item)
                else:
                    self._append(_left_out(item) if isinstance(item, Block) else item)
            # Counted in sound, not in time: a source that is late would lose less otherwise.
            self._shed_until = self.stop + round(shed_s * self._rate_hz)

    def take(self) -> list[Item]:
        """All that came, blocks that follow each other as one; a gap that may still grow is left for later."""
        # Without the lock: what is appended just now is seen at the next call.
        if not self._items:
            return []
        with self._mutex:
            items, self._items, self.waiting = self._items, deque(), 0
            if items and isinstance(items[-1], Gap) and items[-1].cause == OVERLOAD:
                self._items.append(items.pop())
        taken: list[Item] = []
        run: list[Block] = []
        stop = 0  # of the run
        for item in items:
            if run and not (isinstance(item, Block) and item.start == stop):
                taken.append(joined(run))
                run = []
            if isinstance(item, Block):
                run.append(item)
                stop = item.stop
            else:
                taken.append(item)
        return [*taken, joined(run)] if run else taken

    def close(self) -> None:
        """Nobody takes any more; the reader sees `is_over`."""
        with self._mutex:
            self.is_over = True
            self._items.clear()
            self.waiting = 0

    def _append(self, gap: Gap) -> None:
        last = self._items[-1] if self._items else None
        if isinstance(last, Gap) and (
            (last.cause == gap.cause == OVERLOAD and last.stop == gap.start) or len(self._items) >= MOST_GAPS
        ):
            self._items[-1] = replace(last, stop=gap.stop, restart=last.restart or gap.restart)
        else:
            self._items.append(gap)


def _left_out(block: Block) -> Gap:
    """The model starts anew behind it: hours of chunks with nothing in them would cost what is to be saved."""
    return Gap(block.start, block.stop, OVERLOAD, restart=True)
