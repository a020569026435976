"""The bounded queue between the thread that reads all links and the readers of streams; no drop goes uncounted.

Not for reordering and not for time: what comes out is what went in, in order, less what was dropped. The writer never
waits, for one slow bed must not hold up the others: what does not fit is dropped and counted, and the reader sees it as
a jump of the sample index. The start of an epoch is never dropped: without it, samples of two epochs could be joined.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field

from edge.types import Block, Gap, joined
from firmware_bridge.clock import ClockState

CAPACITY = 500  # items: 10 s of packets of 20 ms
MOST_JOINED = 50  # blocks that come out as one: 1 s, of which no more than the inbox has room for


@dataclass(eq=False)
class DeviceEpoch:
    """One unbroken run of a device's sample counter, from a boot or restart to the next; shared by both threads.

    The writer replaces `clock` as the estimate improves; the reader keeps the epoch that its indices belong to, so that
    an event of a boot that is over still gets the times of that boot.
    """

    start: int
    """Index of the first sample, at the device's rate."""
    cause: str
    """Why it began, such as `device restarted`."""
    rate_hz: float
    """Rate that the device declares, Hz."""
    clock: ClockState
    """Estimate of the device's clock against this machine's monotonic one."""
    is_over: bool = False
    """Whether another epoch has begun, or the device has ended the stream."""

    def time_s(self, index: float) -> float:
        """Monotonic seconds at which a sample was taken.

        Args:
            index: at the device's rate; may lie between two samples.
        """
        clock = self.clock
        return clock.zero_ns / 1e9 + index / clock.rate_hz


@dataclass(frozen=True)
class StreamEnd:
    """The device ended the stream on purpose."""


QueueItem = Block | Gap | DeviceEpoch | StreamEnd


@dataclass
class BlockQueue:
    """Blocks, gaps, epochs and ends of one stream on their way to its reader."""

    limit: int = CAPACITY
    """Items that may wait."""
    dropped: int = 0
    """Samples that did not fit, at the device's rate."""
    _items: deque[QueueItem] = field(default_factory=deque)
    _pending: DeviceEpoch | None = None  # began while there was no room
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def put(self, item: QueueItem) -> None:
        """Append one item, or drop it if there is no room; never waits for the reader."""
        with self._mutex:
            if isinstance(item, DeviceEpoch):
                if len(self._items) < self.limit:
                    self._items.append(item)
                    self._pending = None
                else:
                    self._pending = item
            # An epoch that found no room takes a place of its own, before the sound that belongs to it.
            elif len(self._items) + (self._pending is not None) < self.limit:
                if self._pending is not None:
                    self._items.append(self._pending)
                    self._pending = None
                self._items.append(item)
            elif isinstance(item, Block):
                self.dropped += len(item.samples)

    def get(self) -> QueueItem | None:
        """The oldest item, or None if there is none; blocks that follow each other as one."""
        run: list[Block] = []
        with self._mutex:
            while self._items and len(run) < MOST_JOINED:
                item = self._items[0]
                if run and not (isinstance(item, Block) and item.start == run[-1].stop):
                    break
                self._items.popleft()
                if not isinstance(item, Block):
                    return item
                run.append(item)
        return joined(run) if run else None
