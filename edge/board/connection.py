"""One connection of a browser: closed where it asks for nothing, or takes nothing, for some seconds.

Not for what is asked (`edge.board.app`), nor for how many there may be (`edge.board.server`). A connection is for one
request (`edge.board.guard` says so in every answer), so one that is open without any is of use to nobody and would take
the place of a screen. What an answer has sent and nobody takes is thrown away, not waited for.
"""

from __future__ import annotations

import asyncio
import re

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S = 10.0  # how long the head of a request may take to come
TAKE_S = 20.0  # how long what is sent may wait for the browser to take any of it

_HEAD_END = re.compile(rb"\n\r?\n")
_MOST_OF_END = 2  # bytes of it that may have come before


class Connection(H11Protocol):
    """As uvicorn has it, with an end."""

    _transport: asyncio.Transport
    _end: asyncio.TimerHandle | None = None
    _last = b""
    _has_asked = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; from now on a request is waited for."""
        self._transport = transport
        super().connection_made(transport)
        self._end_in(REQUEST_S)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        if not self._has_asked:
            if _HEAD_END.search(self._last + data):
                self._has_asked = True
                self._go_on()
            self._last = (self._last + data)[-_MOST_OF_END:]
        super().data_received(data)

    def pause_writing(self) -> None:
        """The browser takes nothing of what waits for it."""
        super().pause_writing()
        self._end_in(TAKE_S)

    def resume_writing(self) -> None:
        """It has taken it."""
        self._go_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._go_on()
        super().connection_lost(exc)

    def _end_in(self, seconds: float) -> None:
        self._go_on()
        self._end = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
