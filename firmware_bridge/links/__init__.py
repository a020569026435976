"""Where bytes come from: serial ports, UDP sockets, BLE, capture files; and the one loop that waits for all of them.

Not for what the bytes mean (`receive`). One thread for all devices: asyncio's loop, because bleak knows no other, but
with bare file descriptors on it instead of asyncio's transports. Its datagram transport takes one datagram per turn of
the loop: with 16 sent per turn 83 % were lost, where draining the socket lost none. pyserial-asyncio carries 8 MB/s
over a pty, `os.read` 207. A transport never raises after it was opened: it is up or down, with a reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.records import LinkBytes

TEND_S = 0.05  # how often links are tended and time-outs looked at when nothing arrives


@dataclass(frozen=True, slots=True)
class TransportState:
    """Whether a transport is open, why not, and what it has carried."""

    is_open: bool
    reason: str
    """Why it is not open; empty if it is."""
    opened: int
    """Times that it was opened."""
    received_bytes: int
    dropped: int
    """Datagrams that the kernel threw away because they were not fetched in time."""


class Transport(Protocol):
    """One end of a link that bytes arrive at: a port, a socket, a BLE connection, a capture."""

    name: str
    """KIND:ADDRESS as in `LinkBytes.link`."""

    def fileno(self) -> int | None:
        """Descriptor to wait for; None while the link is down, or if it has none."""

    def receive(self) -> list[LinkBytes]:
        """What has arrived, without waiting. An empty piece says that a byte stream begins anew."""

    @property
    def is_drained(self) -> bool:
        """Whether the last `receive` took all that had arrived."""

    def tend(self, now_ns: int) -> list[LinkBytes]:
        """Reconnect when it is time; to be called every `TEND_S`. Gives what arrived without a descriptor."""

    def send(self, content: bytes, peer: str = "") -> bool:
        """Give bytes to the other end without waiting; whether they were taken."""

    @property
    def state(self) -> TransportState:
        """State of the link now."""

    def close(self) -> None:
        """Release it; may be called twice."""


async def serve(
    links: Sequence[Transport],
    receive: Callable[[list[LinkBytes]], None],
    tick: Callable[[int], None],
    is_over: Callable[[], bool],
) -> None:
    """Hand on what arrives at any of the links, as it arrives, until `is_over`; then close them.

    Args:
        links: open or to be opened; each belongs to this loop from now on.
        receive: called with what one wake-up brought, never empty.
        tick: called every `TEND_S` with the monotonic time in ns up to which everything was received: now, unless a
            link still has older packets in its queue.
        is_over: asked every `TEND_S`.
    """
    readers = _Readers(receive)
    try:
        while not is_over():
            now_ns = time.monotonic_ns()
            for link in links:
                readers.hand_on(link, [*link.tend(now_ns), *link.receive()])  # before the tick: all that came in time
                readers.watch(link)
            behind = (readers.received_ns.get(link.name, now_ns) for link in links if not link.is_drained)
            tick(min([now_ns, *behind]))
            await asyncio.sleep(TEND_S)
    finally:
        readers.close()
        for link in links:
            link.close()


class _Readers:
    """The descriptors that the running loop waits for, and the newest arrival at each link."""

    def __init__(self, receive: Callable[[list[LinkBytes]], None]) -> None:
        self.received_ns: dict[str, int] = {}
        self._receive, self._loop = receive, asyncio.get_running_loop()
        self._watched: dict[int, Transport] = {}

    def hand_on(self, link: Transport, pieces: list[LinkBytes]) -> None:
        if pieces:
            self.received_ns[link.name] = pieces[-1].arrival_ns
            self._receive(pieces)

    def watch(self, link: Transport) -> None:
        """Wait for the link's present descriptor, if it has one."""
        number = link.fileno()
        if number is not None and self._watched.get(number) is not link:
            self._watched[number] = link
            self._loop.add_reader(number, self._fetch, link, number)

    def close(self) -> None:
        for number in self._watched:
            self._loop.remove_reader(number)

    def _fetch(self, link: Transport, number: int) -> None:
        self.hand_on(link, link.receive())
        if link.fileno() != number and self._watched.get(number) is link:
            self._loop.remove_reader(number)
            del self._watched[number]
