"""From what the operator named to a source that is open, at once or as soon as the microphone is there.

Each kind is imported only when it is asked for. A box boots before its USB is enumerated, and one missing microphone
must not silence a ward: it is retried until it opens, the stream's state is `lost` until sound comes, and its samples
are counted from then. Not for one that is lost later (`edge.sources.microphone` retries that), nor for an operator's
mistake: a channel that does not exist is an error here as everywhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING

from edge.errors import ConfigError, SourceError
from edge.log import RateLimitedLog
from edge.settings.names import LINK, MICROPHONE
from edge.sources.source import Source, Wait
from edge.types import Block, Gap

if TYPE_CHECKING:
    from edge.sources.bridge import Bridge

RETRY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between attempts; the last one for ever after
POLL_S = 0.1  # how often `stop` is checked

logger = logging.getLogger(__name__)


class PendingSource:
    """A `Source` in place of one that does not open yet.

    Args:
        name: what the operator calls it.
        open_now: opens it, or raises SourceError.
        retry_s: waits between attempts, seconds; the last one for ever after.
    """

    def __init__(self, name: str, open_now: Callable[[], Source], retry_s: tuple[float, ...] = RETRY_S) -> None:
        self.name = name
        self._open_now, self._retry_s = open_now, retry_s
        self._mutex = threading.Lock()  # between opening it and `close`
        self._closed = False
        self._opened: Source | None = None

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Nothing until it opens, then its blocks, see `edge.sources.source.Source`.

        Raises:
            ConfigError: it is there, but the operator must choose otherwise.
        """
        limited_log, attempts = RateLimitedLog(logger), 0
        while self._opened is None:
            yield from self._waits(stop, self._retry_s[min(attempts, len(self._retry_s) - 1)])
            if stop.is_set() or self._closed:
                return
            attempts += 1
            opening = self._start_opening()
            while not opening.done():
                if stop.is_set():
                    return
                yield Wait(POLL_S)
            try:
                opening.result()
            except SourceError as error:
                limited_log.log("missing", f"source={self.name} state=missing action=retrying reason={error}")
        logger.info("source=%s state=found attempts=%d", self.name, attempts)
        yield from self._opened.blocks(stop)

    def close(self) -> None:
        """Stop retrying, or release the device."""
        with self._mutex:
            self._closed = True
            if self._opened is not None:
                self._opened.close()

    def _start_opening(self) -> Future[None]:
        """Open it in a thread of its own for the seconds that this takes: other sources are read meanwhile."""
        future: Future[None] = Future()

        def open_it() -> None:
            try:
                self._take_over(self._open_now())
                future.set_result(None)
            except Exception as error:  # whoever asks for the result gets it
                future.set_exception(error)

        threading.Thread(target=open_it, name="open", daemon=True).start()
        return future

    def _take_over(self, opened: Source) -> None:
        with self._mutex:
            self._opened = opened
            if self._closed:
                opened.close()

    @staticmethod
    def _waits(stop: threading.Event, wait_s: float) -> Iterator[Wait]:
        until_s = time.monotonic() + wait_s
        while not stop.is_set() and (left_s := until_s - time.monotonic()) > 0:
            yield Wait(min(POLL_S, left_s))


def open_or_retry(text: str, open_now: Callable[[], Source]) -> Source:
    """Open a source; a microphone that is missing becomes a `PendingSource`.

    Args:
        text: what the operator named.
        open_now: opens it.

    Raises:
        ConfigError: the operator must choose otherwise.
        SourceError: a file is missing or gives no sound.
    """
    try:
        return open_now()
    except SourceError as error:
        if text.partition(":")[0] != MICROPHONE:
            raise
        logger.warning("source=%s state=missing action=retrying reason=%s", text, error)
        return PendingSource(text, open_now)


def open_source(
    text: str, rate_hz: int, channel: int | None = None, pace: bool = False, bridge: Bridge | None = None
) -> Source:
    """Open what the operator named.

    Args:
        text: `mic`, `mic:DEVICE` (a number or a part of the name as `laennec devices` shows them), `link:DEVICE` or
            `link:DEVICE/STREAM`, else a path; a file that is called `mic` or `-` can be given as `./mic` or `./-`.
        rate_hz: rate of the model, Hz.
        channel: which channel of several, counted from 1; None if there is only one.
        pace: whether a file is played in real time; a microphone always is.
        bridge: reads the links; only `link:` needs it.

    Returns:
        A source that is open: what can be known to be wrong has been raised.

    Raises:
        ConfigError: the operator must choose otherwise (channel, missing extra).
        SourceError: the file or device is missing, or gives no sound.
    """
    kind, _, device = text.partition(":")
    if kind == MICROPHONE:
        from edge.sources.microphone import Microphone

        return Microphone(device, rate_hz, channel)
    if kind == LINK:
        if bridge is None:
            raise ConfigError(f"{text}: needs settings with a section `link` that says how devices are connected")
        return bridge.source(text, channel)
    from edge.sources.file import FileSource

    return FileSource(text, rate_hz, channel, pace)
