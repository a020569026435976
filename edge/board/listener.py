"""Accepts connections for the board, each within the bounds of `edge.board.slots`, and gives up slow handshakes.

Not for what is said on them (`edge.board.connection`). uvicorn counts connections after their TLS handshake and gives
that a minute; here they are counted before it. Only public parts of asyncio and uvicorn are used: sockets that were
accepted are handed to the loop one by one (`loop.connect_accepted_socket`), and uvicorn is started without any.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from edge.board.connection import Connection
from edge.board.slots import Slot, Slots
from edge.log import RateLimitedLog

HANDSHAKE_S = 5.0
BACKLOG = 256  # connections that the system has taken and nobody has accepted yet
AGAIN_S = 0.1  # after the system had no room for a connection

logger = logging.getLogger(__name__)


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
