"""The board's session with the broker, which reads states and sends orders; its inbox, bounded in bytes.

Not for what messages mean (`edge.contract`). States replace each other, so a flood on one topic costs one message a
look; but of a node's status, whose order counts, and of answers every message stays, and of events and tiles the last
`MAX_IN_ORDER` of a topic. What has no room is counted.

Credentials stay here and never reach a browser. The session has no will and leaves nothing at the broker; its client id
is its own, so several boards may run.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge.contract import MAX_BYTES, filters
from edge.contract.live import MelMessage, SoundMessage
from edge.contract.pauses import PauseMessage
from edge.contract.topics import is_name
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.delivery.session import Connected, Disconnected, MqttSession, Signal
from edge.server.board import latest as sounds
from edge.server.board import ward as ward_state
from edge.settings.board import BoardSettings

MAX_INBOX_BYTES = 16 * 1024 * 1024
OVERHEAD_BYTES = 512  # of one message, beside topic and payload
MAX_IN_ORDER = 64  # of one topic whose messages do not replace each other
IN_ORDER = ("event", "pause", "clip", "mel", "sound")  # last levels of such topics of beds


@dataclass(frozen=True)
class ReceivedMessage:
    """One message and when it came, seconds of the monotonic clock."""

    incoming: Incoming
    at_s: float


class Inbox:
    """Safe to use from several threads; nobody waits."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._waiting: dict[tuple[str, bytes], ReceivedMessage] = {}
        self._bytes = 0
        self._numbers: Counter[str] = Counter()
        self.dropped = 0
        """Messages that had no room, or were larger than any of the contract."""

    def put(self, incoming: Incoming, at_s: float) -> None:
        """Take a message; one that waits on the same topic is replaced."""
        if len(incoming.payload) > MAX_BYTES or len(incoming.topic) > MAX_BYTES:
            self.dropped += 1
            return
        is_in_order = incoming.topic.rpartition("/")[2] in IN_ORDER
        with self._mutex:
            key = (incoming.topic, self._place(incoming) if is_in_order else _place_of_state(incoming))
            if (before := self._waiting.pop(key, None)) is not None:
                self._bytes -= _size(before.incoming)
                self.dropped += is_in_order
            if self._bytes + _size(incoming) > MAX_INBOX_BYTES:
                self.dropped += 1
                return
            self._waiting[key] = ReceivedMessage(incoming, at_s)
            self._bytes += _size(incoming)

    def take(self) -> list[ReceivedMessage]:
        """All that wait, in the order in which they came."""
        with self._mutex:
            waiting, self._waiting, self._bytes = self._waiting, {}, 0
            self._numbers.clear()
        return list(waiting.values())

    def _place(self, incoming: Incoming) -> bytes:
        """One of `MAX_IN_ORDER` places of its topic, by turns."""
        number = self._numbers[incoming.topic] = self._numbers[incoming.topic] + 1
        return b"%d" % (number % MAX_IN_ORDER)


def _place_of_state(incoming: Incoming) -> bytes:
    """The one place of a state; of a node's status and of answers each message has its own."""
    levels = incoming.topic.split("/")
    is_replaced = "result" not in levels and (levels[-1] != "status" or "s" in levels[-3:-1])
    return b"" if is_replaced else incoming.payload


def _size(incoming: Incoming) -> int:
    return len(incoming.topic) + len(incoming.payload) + OVERHEAD_BYTES


ANONYMOUS = "board"  # last level of the topics of orders where the broker knows no users
ORDER_EXPIRY_S = 10  # an order that waits longer must not be carried out


class Reader:
    """Connected, lost and connected again, in a thread of its own."""

    def __init__(self, settings: BoardSettings, wake: Callable[[], None]) -> None:
        """Prepare; nothing is connected before `start`.

        Args:
            settings: of the board.
            wake: called from the session's thread when there is something to take; must not wait.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        mqtt = settings.mqtt
        self.prefix, self.user = mqtt.prefix, mqtt.username or ANONYMOUS
        self.inbox = Inbox()
        self.lost_s: float | None = time.monotonic()
        """Since when the broker has been out of reach, monotonic; None while it is there."""
        self._wake = wake
        client_id = f"laennec-board-{secrets.token_hex(6)}"
        self._session = MqttSession(mqtt, client_id, None, self._on_signal)
        sites = settings.sites or ("+",)
        answers = [
            f"{mqtt.prefix}/{site}/+/{bed}result/+/{self.user}"
            for site in sites
            for bed in ("", "s/+/")
            if is_name(self.user)
        ]
        kinds = (*ward_state.KINDS, *sounds.KINDS, PauseMessage, MelMessage, SoundMessage)
        named = filters(mqtt.prefix, kinds, sites)
        self._session.subscription = Subscription((*named, *answers), self._on_message, stored=True)

    def start(self) -> None:
        """Begin to connect."""
        self._session.start()

    def stop(self) -> None:
        """Disconnect."""
        self._session.stop()

    def take(self) -> list[ReceivedMessage]:
        """What has come since the last call."""
        return self.inbox.take()

    def send(self, topic: str, payload: bytes) -> bool:
        """Send an order; false if the broker is out of reach."""
        return self._session.publish(topic, payload, expiry_s=ORDER_EXPIRY_S) is not None

    def _on_message(self, incoming: Incoming) -> None:
        self.inbox.put(incoming, time.monotonic())
        self._wake()

    def _on_signal(self, signal: Signal) -> None:
        if isinstance(signal, Connected):
            self.lost_s = None
        elif isinstance(signal, Disconnected):
            self.lost_s = time.monotonic()
        self._wake()
