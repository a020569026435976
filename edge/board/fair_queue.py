"""Turns at work of which one is done at a time: networks by turns, in each its hosts by turns.

Not for what the work is (`edge.board.sign_in`: the hash of a password, 64 MB and 50 ms of a core). Who asks often waits
behind himself. Where too many wait, the last of the host that has most, of the network that has most, is refused.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

MAX_WAITING = 64

_Turn = asyncio.Future[None]


class BusyError(Exception):
    """Too many wait, and whoever asked has as many there as anybody."""


class FairQueue:
    """To be used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, deque[_Turn]]] = {}
        """By network, in it by host; both in the order of their turns."""
        self._is_taken = False

    @asynccontextmanager
    async def turn(self, network: str, host: str) -> AsyncIterator[None]:
        """Wait for the turn of a host, which lasts until the block ends.

        Raises:
            BusyError: before it came.
        """
        if self._is_taken:
            await self._wait(network, host)
        self._is_taken = True
        try:
            yield
        finally:
            self._is_taken = self._next()

    async def _wait(self, network: str, host: str) -> None:
        if sum(map(_size, self._waiting.values())) >= MAX_WAITING:
            self._make_room(network, host)
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(network, {}).setdefault(host, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it had just come
                self._is_taken = self._next()
            raise

    def _make_room(self, network: str, host: str) -> None:
        largest = max(self._waiting, key=lambda each: _size(self._waiting[each]))
        hosts = self._waiting[largest]
        most = max(hosts, key=lambda each: len(hosts[each]))
        own = self._waiting.get(network, {})
        has_fewer = (
            len(own.get(host, ())) < len(hosts[most]) - 1 if network == largest else _size(own) < _size(hosts) - 1
        )
        if not has_fewer:
            raise BusyError
        turn = hosts[most].pop()
        self._tidy(largest, most)
        if not turn.done():
            turn.set_exception(BusyError())

    def _next(self) -> bool:
        """Give the next its turn; whether there was one."""
        while self._waiting:
            network = next(iter(self._waiting))
            hosts = self._waiting.pop(network)
            host = next(iter(hosts))
            turns = hosts.pop(host)
            turn = turns.popleft()
            if turns:
                hosts[host] = turns  # behind the others
            if hosts:
                self._waiting[network] = hosts
            if not turn.done():
                turn.set_result(None)
                return True
        return False

    def _tidy(self, network: str, host: str) -> None:
        if not self._waiting[network][host]:
            del self._waiting[network][host]
        if not self._waiting[network]:
            del self._waiting[network]


def _size(hosts: dict[str, deque[_Turn]]) -> int:
    return sum(map(len, hosts.values()))
