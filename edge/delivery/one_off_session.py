"""A one-off MQTT session beside that of the service: for the doctor and for `laennec resend`.

Not the node's own session (`edge.delivery.session`): it has a client id of its own, no will, and a clean session, so it
never takes the service's place and leaves nothing at the broker. One connection: MQTT 5 if the broker speaks it, else
3.1.1.
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

from edge.delivery.mqtt_client import RECEIVE_MAXIMUM, ClientFactory, publish_properties
from edge.delivery.session import FIRST_FAILURE, UNSUPPORTED_PROTOCOL

ANSWER_S = 5.0  # how long a CONNACK, PUBACK or SUBACK may take


class OneOffSession:
    """One connection; use it in a `with` block. What the broker answered stays readable afterwards."""

    def __init__(self, clients: ClientFactory) -> None:
        """Connect, in the version that the broker speaks.

        Raises:
            OSError: nobody listens, or the certificate is not trusted.
            ValueError: the host is no host name.
        """
        self._change = threading.Condition()
        self._answers: dict[int, tuple[int, str]] = {}
        self.received: dict[str, bytes] = {}
        """Topic -> payload of the last message that came."""
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
        """Subscribe to `topics`, retained messages included, as far as the broker lets this user."""
        mid = self._client.subscribe([(topic, 1) for topic in topics])[1]
        if mid is not None:
            self.wait_for_answer(mid)

    def publish(self, topic: str, payload: bytes, expiry_s: int) -> int | None:
        """Send one message (QoS 1); its packet identifier, or None if the connection is gone."""
        if self._is_over:
            return None
        return self._client.publish(topic, payload, 1, properties=publish_properties(self._client, expiry_s)).mid

    def clear(self, topic: str) -> None:
        """Take a retained message away; returns when the broker has answered, or will not."""
        mid = self._client.publish(topic, b"", 1, retain=True).mid
        self.wait_for_answer(mid)

    def wait_for_answer(self, mid: int, timeout_s: float = ANSWER_S) -> tuple[int, str] | None:
        """Reason code and reason of the answer to packet `mid`; None if none comes within `timeout_s` seconds."""
        with self._change:
            self._change.wait_for(lambda: mid in self._answers or self._is_over, timeout_s)
            return self._answers.pop(mid, None)

    def wait_for_message(self, topic: str, timeout_s: float) -> bool:
        """Whether a message came on `topic`, now or within `timeout_s` seconds."""
        with self._change:
            return (
                self._change.wait_for(lambda: topic in self.received or self._is_over, timeout_s)
                and topic in self.received
            )

    def close(self) -> None:
        """Send DISCONNECT and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> OneOffSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _connect(self, clients: ClientFactory) -> None:
        self.connack: int | None = None
        self.connack_text, self.receive_maximum, self._is_over = "", RECEIVE_MAXIMUM, False
        client = self._client = clients.build(self.version)
        client.on_connect = lambda _c, _u, _f, reason, properties: self._on_connack(reason, properties)
        client.on_disconnect = lambda *_: self._on_disconnect()
        client.on_publish = lambda _c, _u, mid, reason, _p: self._on_answer(mid, reason)
        client.on_subscribe = lambda _c, _u, mid, reasons, _p: self._on_answer(mid, reasons[0])
        client.on_message = lambda _c, _u, message: self._on_message(message)
        clients.connect(client, session_s=0)
        client.loop_start()
        with self._change:
            self._change.wait_for(lambda: self.connack is not None or self._is_over, ANSWER_S)

    def _on_connack(self, reason: ReasonCode, properties: Properties | None) -> None:
        with self._change:
            self.connack, self.connack_text = reason.value, str(reason)
            self.receive_maximum = min(RECEIVE_MAXIMUM, getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM))
            self._change.notify_all()

    def _on_disconnect(self) -> None:
        with self._change:
            self._is_over = True
            self._change.notify_all()

    def _on_answer(self, mid: int, reason: ReasonCode) -> None:
        with self._change:
            self._answers[mid] = (reason.value, str(reason))
            self._change.notify_all()

    def _on_message(self, message: paho.MQTTMessage) -> None:
        with self._change:
            self.received[message.topic] = bytes(message.payload)
            self._change.notify_all()
