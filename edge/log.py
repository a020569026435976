"""Log lines for the operator: one event per line, `key=value`, on stderr.

Not for audio, patients or measurements. Logs here are rate-limited: a condition that lasts is logged once, then at
most every minute with a count; events of one kind are all logged until there are too many of them. What libraries log
can be folded in the same way.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections import deque
from collections.abc import Callable
from functools import lru_cache

REPEAT_S = 60.0
LINES = 10  # lines of one kind within `REPEAT_S` that are all logged


def setup(verbose: bool = False) -> None:
    """Send the log of this package to stderr, one line per event."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger("edge")
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    root.propagate = False


class RateLimitedLog:
    """Logs a lasting condition once, then at most every `REPEAT_S` seconds with the number of times it was met."""

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        """Write to `logger`; `clock` gives seconds that never step."""
        self._logger = logger
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}  # condition -> when it was logged, times met since

    def log(self, condition: str, line: str, level: int = logging.WARNING) -> None:
        """Log `line` unless `condition` was logged within the last `REPEAT_S` seconds; then only count it."""
        now_s = self._clock()
        logged_s, suppressed = self._logged.get(condition, (None, 0))
        if logged_s is not None and now_s - logged_s < REPEAT_S:
            self._logged[condition] = (logged_s, suppressed + 1)
            return
        self._logged[condition] = (now_s, 0)
        self._logger.log(level, "%s", f"{line} times={suppressed + 1}" if suppressed else line)

    def clear(self, condition: str) -> bool:
        """`condition` is over: it is logged at once when it comes back; true if it had been logged."""
        return self._logged.pop(condition, None) is not None


class BurstLimitedLog:
    """Logs events; of a kind with more than `LINES` in `REPEAT_S` seconds only one a minute, with a count."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger, self._limited = logger, RateLimitedLog(logger)
        self._times: dict[str, deque[float]] = {}  # kind -> when its last lines were logged, monotonic seconds

    def log(self, kind: str, line: str, level: int = logging.WARNING) -> None:
        """Log `line`, or count it where there were too many of its `kind`."""
        now_s, times = time.monotonic(), self._times.setdefault(kind, deque(maxlen=LINES))
        if len(times) == LINES and now_s - times[0] < REPEAT_S:
            self._limited.log(kind, line, level)
        else:
            times.append(now_s)
            self._logger.log(level, "%s", line)


class LibraryLog(logging.Handler):
    """What a library logs, as lines of ours: what it repeats once, then at most every `REPEAT_S` with a count."""

    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self._repeats = RateLimitedLog(logging.getLogger(name))

    def emit(self, record: logging.LogRecord) -> None:
        """The first line of a record, and of an exception where it was raised."""
        what = " ".join(record.getMessage().split("\n", 1)[0].split())
        error = None if record.exc_info is None else record.exc_info[1]
        raised = "" if error is None else f' error="{error!r}" at="{_place_of(error)}"'
        condition = f"{record.name} {record.lineno} {type(error).__name__}"
        self._repeats.log(condition, f'library={record.name} said="{what}"{raised}', record.levelno)


def _place_of(error: BaseException) -> str:
    """File and line at which it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"


def fold_libraries(*names: str) -> None:
    """Let these libraries log as `LibraryLog` does, not as they please: who provokes them must not fill a disk."""
    for name in names:
        library = logging.getLogger(name)
        library.handlers[:] = [LibraryLog(__name__)]
        library.propagate = False


@lru_cache
def warn_once(line: str) -> None:
    """Log a line once in the life of the process."""
    logging.getLogger(__name__).warning("%s", line)
