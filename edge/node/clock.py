"""From sample indices to wall time, at the exit of the node only.

Not for ordering or durations: those come from sample indices. A block cannot arrive before its last sample was
recorded, so `arrival - stop / rate` of every block bounds the moment of sample 0 from above, and the least of them over
the last minute or two is the best estimate: late arrivals do not move it, and a drifting sensor is followed. Arrivals
are kept on the monotonic clock, so a step of the wall clock moves the wall times, never the estimate.
"""

from __future__ import annotations

import ctypes
import struct
import time
from collections.abc import Callable
from functools import lru_cache

from edge.delivery.messages import ClockReading

SEGMENT_S = 60.0  # the estimate looks back one to two segments
FIRST_PLAUSIBLE_S = 1_735_689_600.0  # 2025-01-01: before it the wall clock was not set yet
TIME_ERROR = 5  # adjtimex(2): the kernel clock is not synchronised
TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux
TIMEX_FIELDS = (("q", 8), ("q", 24), ("i", 40))  # of it: offset, maxerror in us, status; their places there
STA_NANO = 0x2000  # of the status: offset is in ns, else in us


class Timeline:
    """The wall time of each sample of one stream."""

    def __init__(
        self,
        rate_hz: int,
        live: bool,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        recorded_s: Callable[[int], float | None] | None = None,
    ) -> None:
        """Place samples at `rate_hz`.

        Args:
            rate_hz: samples per second of the indices.
            live: false for a file read as fast as possible: its estimate is fixed at the first block.
            monotonic: seconds that never step.
            wall: seconds since 1970, UTC.
            recorded_s: monotonic seconds at which a sample was recorded, from a source that knows better than its
                arrivals; None where it does not know yet.
        """
        self._rate_hz = rate_hz
        self._live = live
        self._monotonic = monotonic
        self._wall = wall
        self._recorded_s = recorded_s
        self._segment_end: float | None = None
        self._before = float("inf")
        self._zero = float("inf")

    def arrived(self, stop: int) -> None:
        """Note that the samples before index `stop` have just arrived."""
        now = self._monotonic()
        if self._segment_end is None:
            self._segment_end = now + SEGMENT_S
        elif not self._live:
            return
        elif now >= self._segment_end:
            # Two minima, of one segment each, for a window that slides would have to remember all arrivals.
            self._before, self._zero, self._segment_end = self._zero, float("inf"), now + SEGMENT_S
        self._zero = min(self._zero, now - stop / self._rate_hz)

    def wall_s(self, index: int) -> float:
        """Seconds since 1970 at which sample `index` was recorded; now, if nothing arrived yet."""
        recorded_s = self.recorded_s(index)
        return self._wall() if recorded_s is None else self._wall() - self._monotonic() + recorded_s

    def recorded_s(self, index: int) -> float | None:
        """Monotonic seconds at which sample `index` was recorded; None if nothing arrived yet."""
        recorded_s = self._recorded_s(index) if self._recorded_s is not None else None
        zero = min(self._zero, self._before)
        if recorded_s is not None or zero == float("inf"):
            return recorded_s
        return zero + index / self._rate_hz


def read_clock() -> ClockReading:
    """What the kernel says of the wall clock (adjtimex(2)); of one that follows no reference, nothing more."""
    timex = ctypes.create_string_buffer(TIMEX_BYTES)
    try:
        state = int(c_library().adjtimex(timex))
    except (OSError, AttributeError):
        return ClockReading(None)
    return reading_of(state, timex.raw)


@lru_cache
def c_library() -> ctypes.CDLL:
    """Opened once: that takes longer than the call, and each event has a reading."""
    return ctypes.CDLL(None)


def reading_of(state: int, timex: bytes) -> ClockReading:
    """What an answer of adjtimex(2) says.

    Args:
        state: what it returned.
        timex: its struct timex.
    """
    if state < 0 or state == TIME_ERROR:
        return ClockReading(None if state < 0 else False)
    offset, worst_us, status = (struct.unpack_from(kind, timex, at)[0] for kind, at in TIMEX_FIELDS)
    unit_ms = 1e-6 if status & STA_NANO else 1e-3
    return ClockReading(True, round(offset * unit_ms, 3), round(worst_us * 1e-3, 3))


def is_synchronised() -> bool | None:
    """Whether the kernel says that the wall clock follows a reference; None where it cannot be asked."""
    return read_clock().is_synchronised
