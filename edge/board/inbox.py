"""Messages on their way from the broker's thread to the board: the last of each topic, within a bound of bytes.

Not for reading them (`edge.contract`). States replace each other, so a flood on one topic costs one message a look;
but of a node's status, whose order counts, and of answers every message stays, and of events and tiles the last
`MAX_IN_ORDER` of a topic. What has no room is counted.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from edge.contract import MAX_BYTES
from edge.delivery.requests import Request

MAX_INBOX_BYTES = 16 * 1024 * 1024
OVERHEAD_BYTES = 512  # of one message, beside topic and payload
MAX_IN_ORDER = 64  # of one topic whose messages do not replace each other
IN_ORDER = ("event", "clip", "mel")  # last levels of such topics of beds


@dataclass(frozen=True)
class Arrived:
    """One message and when it came, seconds of the monotonic clock."""

    request: Request
    at_s: float


class Inbox:
    """Safe to use from several threads; nobody waits."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: dict[tuple[str, bytes], Arrived] = {}
        self._bytes = 0
        self._numbers: Counter[str] = Counter()
        self.dropped = 0
        """Messages that had no room, or were larger than any of the contract."""

    def put(self, request: Request, at_s: float) -> None:
        """Take a message; one that waits on the same topic is replaced."""
        if len(request.payload) > MAX_BYTES or len(request.topic) > MAX_BYTES:
            self.dropped += 1
            return
        is_in_order = request.topic.rpartition("/")[2] in IN_ORDER
        with self._mutex:
            key = (request.topic, self._place(request) if is_in_order else _place_of_state(request))
            if (before := self._waiting.pop(key, None)) is not None:
                self._bytes -= _size(before.request)
                self.dropped += is_in_order
            if self._bytes + _size(request) > MAX_INBOX_BYTES:
                self.dropped += 1
                return
            self._waiting[key] = Arrived(request, at_s)
            self._bytes += _size(request)

    def take(self) -> list[Arrived]:
        """All that wait, in the order in which they came."""
        with self._mutex:
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
            self._numbers.clear()
        return list(waiting.values())

    def _place(self, request: Request) -> bytes:
        """One of `MAX_IN_ORDER` places of its topic, by turns."""
        number = self._numbers[request.topic] = self._numbers[request.topic] + 1
        return b"%d" % (number % MAX_IN_ORDER)


def _place_of_state(request: Request) -> bytes:
    """The one place of a state; of a node's status and of answers each message has its own."""
    levels = request.topic.split("/")
    is_replaced = "result" not in levels and (levels[-1] != "status" or "s" in levels[-3:-1])
    return b"" if is_replaced else request.payload


def _size(request: Request) -> int:
    return len(request.topic) + len(request.payload) + OVERHEAD_BYTES
