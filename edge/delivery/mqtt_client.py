"""How one paho client is built and connected in MQTT 5 and 3.1.1, and the messages that it is subscribed to.

Not for what happens to the connection (`edge.delivery.session`), nor for what messages mean (`edge.node.alarms`,
`edge.server.board`). MQTT 5 keeps the session for a while after a break, so that a short one does not show the will;
3.1.1 cannot distinguish a break from an end, so there every session is a clean one.

To a node a retained message is no order: that is of the moment, and one that is stored would be carried out again at
each connection, so it is dropped. In 3.1.1 its first copies look alike. Whoever reads states (`Subscription.stored`)
gets what the broker has stored, marked so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge.delivery.tls import TlsFault, diagnose, make_context
from edge.log import RateLimitedLog
from edge.settings.broker import Mqtt, password

# The broker keeps the mark of a retained message, and sends none that it had before.
FRESH_ONLY = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Incoming:
    """One message that the broker sent here: a command, an answer, a state."""

    topic: str
    payload: bytes
    response_topic: str | None = None
    """Where the sender wants the answer (MQTT 5)."""
    correlation: bytes = b""
    """What the sender wants back with the answer (MQTT 5)."""
    stored: bool = False
    """Whether the broker had stored it before this connection; it may be old."""


@dataclass(frozen=True)
class Subscription:
    """What a session subscribes to in each of its connections."""

    filters: tuple[str, ...]
    on_message: Callable[[Incoming], None]
    """Called from the session's thread; must not wait."""
    stored: bool = False
    """Whether messages that the broker has stored are wanted: of states, never of orders."""
    limited_log: RateLimitedLog = field(default_factory=lambda: RateLimitedLog(logger), compare=False)

    def beside(self, other: Subscription) -> Subscription:
        """Both as one; a message goes to the one whose filters it matches, to this first.

        A filter that another one covers is not subscribed to: the broker would send its messages twice.
        """

        def route(incoming: Incoming) -> None:
            own = any(paho.topic_matches_sub(each, incoming.topic) for each in self.filters)
            (self if own else other).on_message(incoming)

        both = self.filters + other.filters
        covered = [each for each in both if any(paho.topic_matches_sub(wide, each) for wide in both if wide != each)]
        return Subscription(tuple(each for each in both if each not in covered), route)

    def subscribe(self, client: paho.Client) -> None:
        """Subscribe on a connection that the broker has accepted."""
        client.on_message = lambda _c, _u, message: self._on_message(message)
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._on_subscribed([each.value for each in reasons])
        if client.protocol == paho.MQTTv5 and not self.stored:
            client.subscribe([(each, FRESH_ONLY) for each in self.filters])
        else:
            client.subscribe([(each, 1) for each in self.filters])

    def _on_subscribed(self, reasons: list[int]) -> None:
        if any(reason >= 0x80 for reason in reasons):
            logger.warning(
                "mqtt subscription=refused; what others say does not come here: may this user read these topics?"
            )

    def _on_message(self, message: paho.MQTTMessage) -> None:
        if message.retain and not self.stored:
            line = f"mqtt command=retained topic={message.topic[:128]}; it is not carried out"
            self.limited_log.log("retained", line)  # who may order can send a thousand a second
            return
        wanted = getattr(message.properties, "ResponseTopic", None)
        correlation = getattr(message.properties, "CorrelationData", b"")
        self.on_message(Incoming(message.topic, bytes(message.payload), wanted, correlation, message.retain))


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


@lru_cache(maxsize=64)  # of a node a few, which its messages share: paho reads them only
def _properties(packet: int, **values: int | bytes) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
