"""Log lines for the operator: one event per line, `key=value`, on stderr.

Not for audio, patients or measurements. A condition that lasts is told once, then at most every minute with a count;
of what happens again and again, each is told until it is too often.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from functools import lru_cache

REPEAT_S = 60.0
LINES = 10  # lines of one kind in `REPEAT_S` that are all written


def setup(verbose: bool = False) -> None:
    """Send the log of this package to stderr, one line per event."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger("edge")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    root.propagate = False


class Repeats:
    """Tells a lasting condition once, then at most every `REPEAT_S` seconds with the number of times it was met."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `logger`; `clock` gives seconds that never step."""
        self._logger = logger
        self._clock = clock
        self._told: dict[str, tuple[float, int]] = {}

    def tell(self, condition: str, line: str, level: int = logging.WARNING) -> None:
        """Log `line` unless `condition` was told within the last `REPEAT_S` seconds; then only count it."""
        now = self._clock()
        told_at, unsaid = self._told.get(condition, (None, 0))
        if told_at is not None and now - told_at < REPEAT_S:
            self._told[condition] = (told_at, unsaid + 1)
            return
        self._told[condition] = (now, 0)
        self._logger.log(level, "%s", f"{line} times={unsaid + 1}" if unsaid else line)

    def over(self, condition: str) -> bool:
        """Forget `condition`, so that it is told at once when it comes back; true if it had been told."""
        return self._told.pop(condition, None) is not None


class Limited:
    """Writes what happens; of a kind that happens more than `LINES` times in `REPEAT_S` one a minute, with a count."""

    def __init__(self, logger: logging.Logger) -> None:
        """Write to `logger`."""
        self._logger, self._repeats = logger, Repeats(logger)
        self._written: dict[str, deque[float]] = {}  # when the last ones were, by kind

    def tell(self, kind: str, line: str, level: int = logging.WARNING) -> None:
        """Log `line`, or count it where there were too many of its `kind`."""
        now, times = time.monotonic(), self._written.setdefault(kind, deque(maxlen=LINES))
        if len(times) == LINES and now - times[0] < REPEAT_S:
            self._repeats.tell(kind, line, level)
        else:
            times.append(now)
            self._logger.log(level, "%s", line)


@lru_cache
def warn_once(line: str) -> None:
    """Log a line once in the life of the process."""
    logging.getLogger(__name__).warning("%s", line)
