"""A fair share for every client: what counts as one host or network, turns at slow work, live screens. Pure.

Not for whether a proxy is believed (uvicorn does that, as `listen.proxies` says). A host of IPv6 owns a whole /64, so
that is one host here; an IPv4 address that an IPv6 socket shows as `::ffff:10.0.0.5` is the IPv4 address.

Of slow work (`edge.server.board.access`: the hash of a password, 64 MB and 50 ms of a core) one piece is done at a
time: networks by turns, in each its hosts by turns. Who asks often waits behind himself. Where too many wait, the last
of the host that has most, of the network that has most, is refused. Browsers in which somebody has signed in before
(`KNOWN`) have every second turn, and room as long as a stranger waits: who has many networks keeps no ward out.

Live screens are few of one session, and of nobody so many that there is no place for another person. A screen
that has to go is the oldest; its browser connects again by itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from edge.server.board.feed import Viewer

HOST_BITS = {4: 32, 6: 64}
NETWORK_BITS = {4: 24, 6: 64}
MAX_TEXT = 64  # of what a proxy gives and is no address


def plain(address: str) -> str:
    """An address as it is written in logs; what is none stays, cut."""
    found = _parsed(address)
    return address[:MAX_TEXT] if found is None else str(found)


def host_of(address: str) -> str:
    """What shares a quota of its own with nobody."""
    return _prefix(address, HOST_BITS)


def network_of(address: str) -> str:
    """The network that it is of: /24, of IPv6 /64."""
    return _prefix(address, NETWORK_BITS)


def is_among(address: str, networks: Iterable[str]) -> bool:
    """Whether it is one of these addresses, or of one of these networks."""
    found = _parsed(address)
    return found is not None and any(found in ipaddress.ip_network(each) for each in networks)


def _prefix(address: str, bits: dict[int, int]) -> str:
    found = _parsed(address)
    if found is None:
        return address[:MAX_TEXT]
    return str(ipaddress.ip_network((found, bits[found.version]), strict=False))


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


MAX_WAITING = 64
KNOWN = "browsers"  # as a network: not an address

_Turn = asyncio.Future[None]


class BusyError(Exception):
    """Too many wait, and whoever asked has as many there as anybody."""


class FairQueue:
    """To be used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, deque[_Turn]]] = {}
        """By network, in it by host; both in the order of their turns."""
        self._is_taken = self._was_known = False

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
        networks = [each for each in self._waiting if each != KNOWN] or [KNOWN]
        largest = max(networks, key=lambda each: _size(self._waiting[each]))
        hosts = self._waiting[largest]
        most = max(hosts, key=lambda each: len(hosts[each]))
        own = self._waiting.get(network, {})
        has_fewer = network == KNOWN != largest or (
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
            is_known = KNOWN in self._waiting and not self._was_known
            network = KNOWN if is_known else next(iter(self._waiting))
            self._was_known = network == KNOWN
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


MAX_OF_SESSION = 8  # of the ward and of beds together; a browser keeps six connections to a board


@dataclass(frozen=True)
class Owner:
    """Who looks."""

    session: str = ""
    """Empty: none, as on a board that is open to everybody on its machine."""
    name: str = ""


@dataclass(frozen=True, eq=False)
class Screen:
    """One page that looks."""

    owner: Owner
    viewer: Viewer
    kind: str
    leave: Callable[[Viewer], None]


class Screens:
    """All live screens of a board; to be used from one event loop."""

    def __init__(self) -> None:
        self._open: dict[Screen, None] = {}

    def open(
        self, owner: Owner, kind: str, join: Callable[[], Viewer | None], leave: Callable[[Viewer], None]
    ) -> Screen | None:
        """One more screen.

        Args:
            owner: who looks.
            kind: which places it takes: screens of another kind make no room for it.
            join: takes a place; None where there is none.
            leave: gives one back.

        Returns:
            None if there is no place, and nobody has more than `owner`.
        """
        own = [screen for screen in self._open if screen.owner.session == owner.session]
        if len(own) >= MAX_OF_SESSION:
            self._drop(own[0])
        viewer = join()
        if viewer is None and (other := self._one_of_most(owner, kind)) is not None:
            self._drop(other)
            viewer = join()
        if viewer is None:
            return None
        screen = Screen(owner, viewer, kind, leave)
        self._open[screen] = None
        return screen

    def close(self, screen: Screen) -> None:
        """It looks no more."""
        self._open.pop(screen, None)
        screen.leave(screen.viewer)

    def end(self, session: str) -> None:
        """A session has ended: its screens look no more."""
        for screen in [each for each in self._open if each.owner.session == session]:
            self._drop(screen)

    def _drop(self, screen: Screen) -> None:
        screen.viewer.drop()
        self.close(screen)

    def _one_of_most(self, owner: Owner, kind: str) -> Screen | None:
        """The oldest screen of whoever has most of a kind, if `owner` has fewer even with one more."""
        names = Counter(screen.owner.name for screen in self._open if screen.kind == kind)
        name, count = max(names.items(), key=lambda each: each[1], default=("", 0))
        if count <= names[owner.name] + 1:
            return None
        return next(screen for screen in self._open if screen.kind == kind and screen.owner.name == name)
