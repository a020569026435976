"""The board's session with the broker: it reads states and answers, and sends orders.

Not for what the messages mean. Credentials stay here and never reach a browser. The session has no will and leaves
nothing at the broker; its client id is its own, so several boards may run.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from edge.board import sounds, ward_state
from edge.board.inbox import Arrived, Inbox
from edge.contract import filters
from edge.contract.spectrogram import MelMessage
from edge.contract.topics import is_name
from edge.delivery.mqtt import Connected, Disconnected, MqttSession, Signal
from edge.delivery.requests import Listening, Request
from edge.settings.board import BoardSettings

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
        wanted = filters(mqtt.prefix, (*ward_state.KINDS, *sounds.KINDS, MelMessage), sites)
        self._session.listening = Listening((*wanted, *answers), self._on_message, stored=True)

    def start(self) -> None:
        """Begin to connect."""
        self._session.start()

    def stop(self) -> None:
        """Disconnect."""
        self._session.stop()

    def take(self) -> list[Arrived]:
        """What has come since the last call."""
        return self.inbox.take()

    def send(self, topic: str, payload: bytes) -> bool:
        """Send an order; false if the broker is out of reach."""
        return self._session.publish(topic, payload, expiry_s=ORDER_EXPIRY_S) is not None

    def _on_message(self, request: Request) -> None:
        self.inbox.put(request, time.monotonic())
        self._wake()

    def _on_signal(self, signal: Signal) -> None:
        if isinstance(signal, Connected):
            self.lost_s = None
        elif isinstance(signal, Disconnected):
            self.lost_s = time.monotonic()
        self._wake()
