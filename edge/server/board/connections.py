"""Connections of browsers: how many, for how long, and which has to go.

Not for what is asked (`edge.server.board.app`). A connection waits for its client while its request is not whole yet,
and when its answer is complete. Of those an address has `MAX_WAITING`, then its oldest is dropped: who only opens
connections loses them again, and a browser at the same address, which asks at once, does not. Where all are taken, the
address that has most loses its oldest. A connection that is being answered is never dropped.

One that asks for nothing, or takes nothing, for some seconds is closed. A connection is for one request
(`edge.server.board.guard` says so in every answer), so one that is open without any is of use to nobody and would take
the place of a screen. What an answer has sent and nobody takes is thrown away, not waited for.

Slow handshakes are given up. Only public parts of asyncio and uvicorn are used: sockets that were accepted are handed
to the loop one by one (`loop.connect_accepted_socket`), and uvicorn is started without any.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from edge.log import RateLimitedLog
from edge.server.board.fair_share import host_of, is_among, plain

MAX_WAITING = 32  # of one address: handshakes and requests that are not whole
MAX_CONNECTIONS = 512  # in all; each may take .3 MB: 154 MB, where the board itself takes 130 and its unit 512 of 2 GB

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class Slot:
    """One connection."""

    client: tuple[str, int]
    """Address and port of who is at its other end."""
    host: str
    """Whose quota it counts in."""
    drop: Callable[[], object] = lambda: None
    """Ends it; for whoever owns the connection to set."""


class Slots:
    """All connections of one board."""

    def __init__(self, proxies: tuple[str, ...]) -> None:
        """None is open; `proxies` speak for many, so of them no address has a bound."""
        self._proxies = proxies
        self._open: set[Slot] = set()
        self._waiting: dict[str, dict[Slot, None]] = {}
        """For their clients, oldest first, by host; those of proxies are not in it."""
        self._limited_log = RateLimitedLog(logger)

    def take(self, client: tuple[str, int]) -> Slot | None:
        """A slot for a connection that has come; None: there is none."""
        slot = Slot((plain(client[0]), client[1]), host_of(client[0]))
        while len(self._waiting.get(slot.host, ())) >= MAX_WAITING:
            self._drop_oldest(slot.host)
            self._log("address", slot, f"has {MAX_WAITING} connections that ask for nothing; its oldest were closed")
        if len(self._open) >= MAX_CONNECTIONS:
            if not self._waiting:
                self._log("full", slot, f"found all {MAX_CONNECTIONS} connections taken; it was refused")
                return None
            self._drop_oldest(max(self._waiting, key=lambda host: len(self._waiting[host])))
            self._log("all", slot, f"found all {MAX_CONNECTIONS} connections taken; the oldest idle one was closed")
        self._open.add(slot)
        self.wait(slot)
        return slot

    def wait(self, slot: Slot) -> None:
        """From now on it waits for its client."""
        if slot in self._open and not is_among(slot.client[0], self._proxies):
            self._waiting.setdefault(slot.host, {})[slot] = None

    def answer(self, slot: Slot) -> None:
        """Its request is whole; from now on its client waits for the board."""
        own = self._waiting.get(slot.host, {})
        own.pop(slot, None)
        if not own:
            self._waiting.pop(slot.host, None)

    def free(self, slot: Slot) -> None:
        """It is over."""
        self.answer(slot)
        self._open.discard(slot)

    def _drop_oldest(self, host: str) -> None:
        oldest = next(iter(self._waiting[host]))
        self.free(oldest)
        oldest.drop()

    def _log(self, condition: str, slot: Slot, what: str) -> None:
        self._limited_log.log(condition, f"board address={slot.client[0]} {what}")


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


HANDSHAKE_S = 5.0
BACKLOG = 256  # connections that the system has taken and nobody has accepted yet
AGAIN_S = 0.1  # after the system had no room for a connection


class Listener:
    """Accepts for one board; to be used from one event loop."""

    def __init__(
        self, bound: socket.socket, tls: ssl.SSLContext | None, slots: Slots, make: Callable[[Slot], Connection]
    ) -> None:
        """Accept at `bound`, encrypted by `tls` if given; `make` gives what speaks on a connection."""
        self._bound, self._tls, self._slots, self._make = bound, tls, slots, make
        self._handshakes: set[asyncio.Task[None]] = set()
        self._limited_log = RateLimitedLog(logger)

    async def run(self) -> None:
        """Until cancelled."""
        self._bound.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    accepted, address = await loop.sock_accept(self._bound)
                except OSError as error:  # no descriptor is left, or the client has gone again
                    self._limited_log.log("accept", f'board accept=failed reason="{error}"')
                    await asyncio.sleep(AGAIN_S)
                    continue
                self._admit(accepted, address[:2])
                await asyncio.sleep(0)  # many may wait: their handshakes and everybody else's requests go on meanwhile
        finally:
            for task in self._handshakes:
                task.cancel()
            self._bound.close()

    def _admit(self, accepted: socket.socket, client: tuple[str, int]) -> None:
        slot = self._slots.take(client)
        if slot is None:
            accepted.close()
            return
        task = asyncio.ensure_future(self._connect(accepted, slot))
        slot.drop = task.cancel
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _connect(self, accepted: socket.socket, slot: Slot) -> None:
        """Until it can be spoken on, or its handshake has failed or taken too long."""
        connection = self._make(slot)
        timeout_s = None if self._tls is None else HANDSHAKE_S
        try:
            with suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: connection, accepted, ssl=self._tls, ssl_handshake_timeout=timeout_s
                )
        finally:
            if not connection.is_made:
                self._slots.free(slot)
