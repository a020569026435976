"""One connection of a browser: closed where it asks for nothing, or takes nothing, for some seconds.

Not for what is asked (`edge.board.app`), nor for how many there may be (`edge.board.slots`). A connection is for one
request (`edge.board.guard` says so in every answer), so one that is open without any is of use to nobody and would take
the place of a screen. What an answer has sent and nobody takes is thrown away, not waited for.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from edge.board.slots import Slot, Slots

REQUEST_S = 10.0  # how long the head of a request may take to come
TAKE_S = 20.0  # how long what is sent may wait for the browser to take any of it


class Connection(H11Protocol):
    """As uvicorn has it, with an end."""

    _transport: asyncio.Transport
    _end: asyncio.TimerHandle | None = None
    is_made = False
    """Whether it could ever be spoken on."""

    def __init__(self, server: tuple[uvicorn.Config, ServerState, dict[str, Any]], slot: Slot, slots: Slots) -> None:
        """One of `server`: its configuration, its state and its application's; in `slot` of `slots`."""
        super().__init__(*server)
        self._slot, self._slots = slot, slots

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; from now on a request is waited for."""
        self._transport, self.is_made = transport, True
        self._slot.drop = transport.abort
        super().connection_made(transport)
        self.client = self._slot.client  # as an IPv4 address where it is one
        self._end_in(REQUEST_S)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        is_head = self.cycle is None
        super().data_received(data)
        if self.cycle is None:
            return
        if is_head and not self.cycle.response_complete:
            self._go_on()
        if not (self.cycle.more_body or self.cycle.response_complete):
            self._slots.answer(self._slot)

    def on_response_complete(self) -> None:
        """Answered: what is left is to be taken, and nothing more is asked on it."""
        super().on_response_complete()
        self._slots.wait(self._slot)
        self._end_in(TAKE_S)

    def pause_writing(self) -> None:
        """The browser takes nothing of what waits for it."""
        super().pause_writing()
        self._end_in(TAKE_S)

    def resume_writing(self) -> None:
        """It has taken it; what is left of a whole answer is still waited for."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._go_on()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._go_on()
        self._slots.free(self._slot)
        super().connection_lost(exc)

    def _end_in(self, seconds: float) -> None:
        self._go_on()
        self._end = asyncio.get_running_loop().call_later(seconds, self._transport.abort)

    def _go_on(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
