"""A microphone that was not there when the node started: looked for until it is, while other beds are heard.

Not for one that is lost later (`microphone` looks for that) and not for an operator's mistake: a channel that does
not exist is an error here as everywhere. A box boots before its USB is enumerated, and one missing microphone must not
silence a ward; the stream is `lost`, which is told, until sound comes. Its samples are counted from then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from edge.errors import SourceError
from edge.log import RateLimitedLog
from edge.settings.kinds import MICROPHONE
from edge.sources.source import Source
from edge.types import Block, Gap

RETRY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between attempts; the last one for ever after
POLL_S = 0.1  # how often `stop` is looked at

logger = logging.getLogger(__name__)


class Absent:
    """Stands for a source that does not open yet.

    Args:
        name: what the operator calls it.
        look: opens it, or raises SourceError.
        retry_s: waits between attempts, seconds; the last one for ever after.
    """

    def __init__(self, name: str, look: Callable[[], Source], retry_s: tuple[float, ...] = RETRY_S) -> None:
        """Look for nothing yet."""
        self.name = name
        self._look, self._retry_s = look, retry_s
        self._mutex = threading.Lock()  # between finding it and `close`
        self._closed = False
        self._found: Source | None = None

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        """Nothing until it is there, then its blocks, see `edge.sources.Source`.

        Raises:
            ConfigError: it is there, but the operator must choose otherwise.
        """
        repeats, attempts = RateLimitedLog(logger), 0
        while self._found is None:
            self._wait(stop, self._retry_s[min(attempts, len(self._retry_s) - 1)])
            if stop.is_set() or self._closed:
                return
            attempts += 1
            try:
                self._take(self._look())
            except SourceError as error:
                repeats.log("absent", f"source={self.name} missing looking_for_it reason={error}")
        logger.info("source=%s found attempts=%d", self.name, attempts)
        yield from self._found.blocks(stop)

    def close(self) -> None:
        """Stop looking, or give the device free."""
        with self._mutex:
            self._closed = True
            if self._found is not None:
                self._found.close()

    def _take(self, found: Source) -> None:
        with self._mutex:
            self._found = found
            if self._closed:
                found.close()

    @staticmethod
    def _wait(stop: threading.Event, wait_s: float) -> None:
        until_s = time.monotonic() + wait_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            stop.wait(min(POLL_S, left_s))


def open_or_await(text: str, look: Callable[[], Source]) -> Source:
    """Open a source; a microphone that is missing becomes one that is looked for.

    Args:
        text: what the operator named.
        look: opens it.

    Raises:
        ConfigError: the operator must choose otherwise.
        SourceError: a file is missing or gives no sound.
    """
    try:
        return look()
    except SourceError as error:
        if text.partition(":")[0] != MICROPHONE:
            raise
        logger.warning("source=%s missing looking_for_it reason=%s", text, error)
        return Absent(text, look)
