"""How many connections there may be, and who has to go where there are too many. Pure.

Not for accepting them (`edge.board.listener`). A connection waits for its client while its request is not whole yet,
and when its answer is complete. Of those an address has `MAX_WAITING`, then its oldest is dropped: who only opens
connections loses them again, and a browser at the same address, which asks at once, does not. Where all are taken, the
address that has most loses its oldest. A connection that is being answered is never dropped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from edge.board.addresses import host_of, is_among, plain
from edge.log import RateLimitedLog

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
            self._say("address", slot, f"has {MAX_WAITING} connections that ask for nothing; its oldest were closed")
        if len(self._open) >= MAX_CONNECTIONS:
            if not self._waiting:
                self._say("full", slot, f"found all {MAX_CONNECTIONS} connections taken; it was refused")
                return None
            self._drop_oldest(max(self._waiting, key=lambda host: len(self._waiting[host])))
            self._say("all", slot, f"found all {MAX_CONNECTIONS} connections taken; the oldest idle one was closed")
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

    def _say(self, condition: str, slot: Slot, what: str) -> None:
        self._limited_log.log(condition, f"board address={slot.client[0]} {what}")
