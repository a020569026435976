"""From sample indices to wall time, at the exit of the node only.

Not for ordering or durations: those come from sample indices. A block cannot arrive before its last sample was
recorded, so `arrival - stop / rate` of every block bounds the moment of sample 0 from above, and the least of them over
the last minute or two is the best estimate: late arrivals do not move it, and a drifting sensor is followed. Arrivals
are kept on the monotonic clock, so a step of the wall clock moves the wall times, never the estimate.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable

STRETCH_S = 60.0  # the estimate looks back one to two stretches
FIRST_PLAUSIBLE_S = 1_735_689_600.0  # 2025-01-01: before it the wall clock was not set yet
TIME_ERROR = 5  # adjtimex(2): the kernel clock is not synchronised
TIMEX_BYTES = 256  # struct timex is 208 bytes on 64-bit Linux


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
        self._stretch_end: float | None = None
        self._before = float("inf")
        self._zero = float("inf")

    def arrived(self, stop: int) -> None:
        """Note that the samples before index `stop` have just arrived."""
        now = self._monotonic()
        if self._stretch_end is None:
            self._stretch_end = now + STRETCH_S
        elif not self._live:
            return
        elif now >= self._stretch_end:
            self._before, self._zero, self._stretch_end = self._zero, float("inf"), now + STRETCH_S
        self._zero = min(self._zero, now - stop / self._rate_hz)

    def wall_s(self, index: int) -> float:
        """Seconds since 1970 at which sample `index` was recorded; now, if nothing arrived yet."""
        recorded_s = self._recorded_s(index) if self._recorded_s is not None else None
        if recorded_s is not None:
            return self._wall() - self._monotonic() + recorded_s
        zero = min(self._zero, self._before)
        if zero == float("inf"):
            return self._wall()
        return self._wall() - self._monotonic() + zero + index / self._rate_hz


def is_synchronised() -> bool | None:
    """Whether the kernel says that the wall clock follows a reference; None where it cannot be asked."""
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR
