"""A short session with the broker beside that of the service: for the doctor and for `laennec resend`.

Not the node's own session (`edge.delivery.mqtt`): it has a client id of its own, no will, and leaves nothing at the
broker when it ends, so it never takes the service's place. One connection, MQTT 5 if the broker speaks it, else 3.1.1.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Sequence
from types import TracebackType

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.delivery.mqtt import FIRST_FAILURE, UNSUPPORTED_PROTOCOL
from edge.delivery.mqtt_client import IN_FLIGHT, Clients, publish_properties

ANSWER_S = 5.0


class Errand:
    """One connection; use it in a `with` block. What the broker said stays readable afterwards."""

    def __init__(self, clients: Clients) -> None:
        """Connect, in the version that the broker speaks.

        Raises:
            OSError: nobody listens, or the certificate is not trusted.
            ValueError: the host is no host name.
        """
        self._change = threading.Condition()
        self._answers: dict[int, tuple[int, str]] = {}
        self.heard: dict[str, bytes] = {}
        """Topic -> the last message that came."""
        self.version: MQTTProtocolVersion = paho.MQTTv5
        self._connect(clients)
        if self.connack in (None, UNSUPPORTED_PROTOCOL):
            self.close()
            self.version = paho.MQTTv311
            self._connect(clients)

    @property
    def is_accepted(self) -> bool:
        """Whether the broker took the connection."""
        return self.connack is not None and self.connack < FIRST_FAILURE

    def certificate_ends_s(self) -> float | None:
        """When the broker's certificate ends, seconds since 1970; None without TLS."""
        connection = self._client.socket()
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
        return float(ssl.cert_time_to_seconds(str(certificate["notAfter"]))) if certificate else None

    def subscribe(self, topics: Sequence[str]) -> None:
        """Hear `topics` from now on, and what is retained there, as far as the broker lets this user."""
        mid = self._client.subscribe([(topic, 1) for topic in topics])[1]
        if mid is not None:
            self.answer(mid)

    def publish(self, topic: str, payload: bytes, expiry_s: int) -> int | None:
        """Send one message (QoS 1); its number, or None if the connection is gone."""
        if self._over:
            return None
        return self._client.publish(topic, payload, 1, properties=publish_properties(self._client, expiry_s)).mid

    def answer(self, mid: int, timeout_s: float = ANSWER_S) -> tuple[int, str] | None:
        """Reason code and words for message `mid`, awaited for `timeout_s` seconds; None if none comes."""
        with self._change:
            self._change.wait_for(lambda: mid in self._answers or self._over, timeout_s)
            return self._answers.pop(mid, None)

    def hears(self, topic: str, timeout_s: float) -> bool:
        """Whether something came on `topic`, awaited for `timeout_s` seconds."""
        with self._change:
            return self._change.wait_for(lambda: topic in self.heard or self._over, timeout_s) and topic in self.heard

    def close(self) -> None:
        """Say goodbye."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Errand:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, clients: Clients) -> None:
        self.connack: int | None = None
        self.connack_text, self.in_flight, self._over = "", IN_FLIGHT, False
        client = self._client = clients.build(self.version)
        client.on_connect = lambda _c, _u, _f, reason, properties: self._connected(reason, properties)
        client.on_disconnect = lambda *_: self._ended()
        client.on_publish = lambda _c, _u, mid, reason, _p: self._answered(mid, reason)
        client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._answered(mid, reasons[0])
        client.on_message = lambda _c, _u, message: self._came(message)
        clients.connect(client, lasting=False)
        client.loop_start()
        with self._change:
            self._change.wait_for(lambda: self.connack is not None or self._over, ANSWER_S)

    def _connected(self, reason: ReasonCode, properties: Properties | None) -> None:
        with self._change:
            self.connack, self.connack_text = reason.value, str(reason)
            self.in_flight = min(IN_FLIGHT, getattr(properties, "ReceiveMaximum", IN_FLIGHT))
            self._change.notify_all()

    def _ended(self) -> None:
        with self._change:
            self._over = True
            self._change.notify_all()

    def _answered(self, mid: int, reason: ReasonCode) -> None:
        with self._change:
            self._answers[mid] = (reason.value, str(reason))
            self._change.notify_all()

    def _came(self, message: paho.MQTTMessage) -> None:
        with self._change:
            self.heard[message.topic] = bytes(message.payload)
            self._change.notify_all()
