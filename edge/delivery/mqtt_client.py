"""How one paho client is built and connected, in MQTT 5 and in 3.1.1.

Not for what happens to the connection (`edge.delivery.mqtt`). MQTT 5 keeps the session for a while after a break, so
that a short one does not show the will; 3.1.1 cannot tell a break from an end, so there every session is a clean one.
"""

from __future__ import annotations

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.delivery.tls import TlsFault, diagnose, make_context
from edge.settings.mqtt import Mqtt, password

SESSION_EXPIRY_S = 300  # must exceed the will delay, or the broker publishes the will when the session ends
RECEIVE_MAXIMUM = 20  # unacknowledged messages at once, both ways


class ClientFactory:
    """Builds a paho client for each connection to one broker."""

    def __init__(self, settings: Mqtt, client_id: str, receive_maximum: int = RECEIVE_MAXIMUM) -> None:
        """Read the secrets once.

        Args:
            settings: the broker.
            client_id: must be the only one of its name at the broker.
            receive_maximum: messages that the broker may send before the first of them is acknowledged (MQTT 5).

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._settings, self._client_id, self._receive_maximum = settings, client_id, receive_maximum
        self._password = password(settings)
        self._tls = make_context(settings.tls) if settings.tls is not None else None

    def diagnose(self, error: Exception | None = None) -> TlsFault | None:
        """What is wrong with TLS after a connection failed with `error`, or was closed without an answer (None)."""
        return diagnose(self._settings, self._tls, error)

    def build(self, version: MQTTProtocolVersion, will: tuple[str, bytes] | None = None) -> paho.Client:
        """A client that is not connected yet.

        Args:
            version: `paho.MQTTv5` or `paho.MQTTv311`.
            will: topic and payload that the broker publishes, retained, when the connection breaks; None for nothing.
        """
        is_v5 = version == paho.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if is_v5 else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if will is not None:
            delay_s = self._settings.will_delay_s
            delay = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s) if is_v5 else None
            client.will_set(*will, qos=1, retain=True, properties=delay)
        return client

    def connect(self, client: paho.Client, session_s: int = SESSION_EXPIRY_S) -> None:
        """Send CONNECT; may take some seconds.

        Args:
            client: what `build` gave.
            session_s: how long the broker keeps the session after a break (MQTT 5); 0: begin without an old one.

        Raises:
            OSError: nobody listens, or the certificate is not trusted.
            ValueError: the host is no host name.
        """
        host, port, keepalive_s = self._settings.host, self._settings.tcp_port, self._settings.keepalive_s
        if client.protocol == paho.MQTTv5:
            properties = _properties(
                PacketTypes.CONNECT, SessionExpiryInterval=session_s, ReceiveMaximum=self._receive_maximum
            )
            client.connect(host, port, keepalive_s, clean_start=not session_s, properties=properties)
        else:
            client.connect(host, port, keepalive_s)


def publish_properties(client: paho.Client, expiry_s: int | None, correlation: bytes = b"") -> Properties | None:
    """Message expiry of `expiry_s` seconds and what an answer gives back, as PUBLISH properties; None in 3.1.1."""
    values: dict[str, int | bytes] = {} if expiry_s is None else {"MessageExpiryInterval": expiry_s}
    if correlation:
        values["CorrelationData"] = correlation
    return _properties(PacketTypes.PUBLISH, **values) if values and client.protocol == paho.MQTTv5 else None


def _properties(packet: int, **values: int | bytes) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
