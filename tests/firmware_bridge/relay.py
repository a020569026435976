"""A bad network in one process: a UDP relay that drops, doubles, delays and swaps what passes, by a seed.

It counts what it does, and keeps time by itself: what is delayed is sent when it is due, whatever else arrives.
"""

from __future__ import annotations

import heapq
import random
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fate:
    """Probabilities of what happens to a datagram, of which one happens at most."""

    drop: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    """By `delay_s`."""
    swap: float = 0.0
    """With the next one."""
    delay_s: float = 0.02
    behind: int = 0
    """And behind so many others: in an order that no busy machine changes."""


class Relay:
    """Passes datagrams on to one port of this machine.

    Args:
        to_port: where to.
        fate: what may happen to those that `touches`.
        seed: of everything that is left to chance.
        touches: which datagrams it may happen to; all others pass.
    """

    def __init__(self, to_port: int, fate: Fate, seed: int, touches: Callable[[bytes], bool] = lambda _: True) -> None:
        self.dropped: list[bytes] = []
        self.doubled = self.delayed = self.swapped = self.passed = 0
        self._fate, self._touches, self._random = fate, touches, random.Random(seed)
        self._to = ("127.0.0.1", to_port)
        self._in = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._in.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._in.bind(("127.0.0.1", 0))
        self._in.setblocking(False)
        self.port: int = self._in.getsockname()[1]
        self._late: list[tuple[float, int, bytes]] = []
        self._swapped: bytes | None = None
        self._over = threading.Event()
        self._at_work = threading.Lock()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._in.close()

    @property
    def is_empty(self) -> bool:
        """Whether all that was sent to it has left it, but for one that is swapped with a next one that never came."""
        with self._at_work:
            return not self._late and not select.select([self._in], [], [], 0)[0]

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._in, selectors.EVENT_READ)
            while not (self._over.is_set() and not self._late):
                wait_s = 0.02 if not self._late else min(0.02, max(0.001, self._late[0][0] - time.monotonic()))
                for _ in selector.select(wait_s):
                    while self._pass_one():
                        pass
                with self._at_work:
                    self._send_due()

    def _pass_one(self) -> bool:
        """Take one datagram, if there is one."""
        with self._at_work:
            self._send_due()  # first, so that a machine that was busy for a while delays nobody longer
            try:
                self._pass(self._in.recv(65536))
            except BlockingIOError:
                return False
            return True

    def _send_due(self) -> None:
        while self._late and self._late[0][0] <= time.monotonic():
            if self.passed < self._late[0][1] + self._fate.behind and not self._over.is_set():
                return
            self._send(heapq.heappop(self._late)[2])

    def _pass(self, body: bytes) -> None:
        self.passed += 1
        fate, draw = self._fate, self._random.random() if self._touches(body) else 1.0
        if draw < fate.drop:
            self.dropped.append(body)
            return
        draw -= fate.drop
        if draw < fate.double:
            self.doubled += 1
            self._send(body)
        elif draw < fate.double + fate.delay:
            self.delayed += 1
            heapq.heappush(self._late, (time.monotonic() + fate.delay_s, self.passed, body))
            return
        elif draw < fate.double + fate.delay + fate.swap and self._swapped is None:
            self.swapped += 1
            self._swapped = body
            return
        self._send(body)
        if self._swapped is not None:
            swapped, self._swapped = self._swapped, None
            self._send(swapped)

    def _send(self, body: bytes) -> None:
        self._in.sendto(body, self._to)
