"""The session with the broker: connected, lost, refused, connected again, for as long as the node lives.

Not for deciding what is sent or kept: `edge.dispatch` does. Every connection is a fresh paho client, so nothing waits
in paho's memory: a message that was not acknowledged in one connection is sent again by its owner in the next. What
happens is told as `Up`, `Down` and `Acked` through one callback; paho's callbacks only pass it on.

MQTT 5 first. A broker that says "unsupported protocol version" is spoken to in 3.1.1 from then on; one that closes the
connection or keeps silent is tried in both versions by turns at each connection, for it may be a proxy whose broker is
away. In 3.1.1 there is no will delay, no message expiry and no reason in an acknowledgement; all else is the same.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.config import Mqtt, password
from edge.errors import ConfigError
from edge.log import Repeats

SESSION_EXPIRY_S = 300  # must exceed the will delay, or the broker tells the will when the session ends
IN_FLIGHT = 20  # unacknowledged messages at once, both ways
ANSWER_S = 3.0  # how long a CONNACK may take; amqtt 0.12 misreads a CONNECT of MQTT 5 and waits for more of it
CLOSE_S = 0.5  # how long a polite DISCONNECT may take
UNSUPPORTED_PROTOCOL = 132  # reason code; paho gives it for the 3.1.1 return code 1 as well
TAKEN_OVER = 142  # reason code of DISCONNECT: another client came with the same id
VERSIONS = {paho.MQTTv5: "5", paho.MQTTv311: "3.1.1"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Up:
    """The broker accepted the connection."""

    session: str
    """Name of this connection, also in its will."""
    in_flight: int
    """How many unacknowledged messages the broker takes."""


@dataclass(frozen=True)
class Down:
    """The connection is gone; what was not acknowledged must be sent again."""

    session: str


@dataclass(frozen=True)
class Acked:
    """The broker answered one message."""

    session: str
    mid: int
    """Number that `Link.publish` gave."""
    refusal: str
    """Empty when the broker has the message; else its reason."""


Signal = Up | Down | Acked


class Link:
    """Keeps a session with the broker from its own thread."""

    def __init__(
        self, settings: Mqtt, client_id: str, will: Callable[[str], tuple[str, bytes]], notify: Callable[[Signal], None]
    ) -> None:
        """Prepare the link; nothing is sent before `start`.

        Args:
            settings: the broker.
            client_id: must be the only one of its name at the broker.
            will: session name -> (topic, payload) that the broker tells when the connection breaks.
            notify: called from other threads; must not wait.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._settings, self._client_id, self._will, self._notify = settings, client_id, will, notify
        self._password = password(settings)
        self._tls = _tls(settings)
        self._repeats = Repeats(logger)
        self._stop = threading.Event()
        self._client: paho.Client | None = None
        self._number = 0
        self._token = f"{random.getrandbits(32):08x}"
        self._only_311 = False
        self._told_loss = False
        self._unanswered = 0
        self._delay_s = settings.reconnect_min_s
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye if connected (the broker then drops the will) and end, within about a second."""
        self._stop.set()
        self.drop()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_S)

    def drop(self) -> None:
        """Close the present connection; the link connects again unless it was stopped."""
        if (client := self._client) is not None:
            client.disconnect()

    def publish(self, topic: str, payload: bytes, retain: bool = False, expiry_s: int | None = None) -> int | None:
        """Hand one message (QoS 1) to the present connection.

        Returns:
            Its number in later `Acked` signals, or None if there is no connection.
        """
        client = self._client
        if client is None or not client.is_connected():
            return None
        properties = None
        if expiry_s is not None and client.protocol == paho.MQTTv5:
            properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry_s)
        return client.publish(topic, payload, qos=1, retain=retain, properties=properties).mid

    def _run(self) -> None:
        while not self._stop.is_set():
            version = paho.MQTTv311 if self._only_311 or self._unanswered % 2 else paho.MQTTv5
            connection = _Connection(f"{self._token}-{self._number}", version)
            self._number += 1
            try:
                self._converse(connection)
            except (OSError, ValueError) as error:
                self._tell("unreachable", f' reason="{error}"; events are kept')
            self._after(connection)
            self._stop.wait(self._delay_s * random.uniform(0.8, 1.2))  # jitter: not every node of a ward at once

    def _converse(self, connection: _Connection) -> None:
        """One connection from CONNECT to its end."""
        client = self._prepared(connection)
        options: dict[str, Any] = {}
        if connection.version == paho.MQTTv5:
            properties = _properties(
                PacketTypes.CONNECT, SessionExpiryInterval=SESSION_EXPIRY_S, ReceiveMaximum=IN_FLIGHT
            )
            options = {"clean_start": False, "properties": properties}
        client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s, **options)
        self._client = client
        client.loop_start()
        try:
            if not connection.answered.wait(ANSWER_S):
                client.disconnect()
            while not connection.over.wait(1.0):
                if self._stop.is_set() and not connection.over.wait(CLOSE_S):
                    return  # the peer takes nothing any more: leave the thread of paho to its keepalive
        finally:
            self._client = None
            if connection.accepted:
                self._notify(Down(connection.session))
        client.loop_stop()

    def _prepared(self, connection: _Connection) -> paho.Client:
        v5 = connection.version == paho.MQTTv5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if v5 else True,
            protocol=connection.version,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(IN_FLIGHT)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        will_properties = None
        if v5:
            will_properties = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=self._settings.will_delay_s)
        topic, payload = self._will(connection.session)
        client.will_set(topic, payload, qos=1, retain=True, properties=will_properties)
        client.on_connect = lambda _c, _u, _f, reason, properties: self._connected(connection, reason, properties)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._disconnected(connection, reason)
        client.on_publish = lambda _c, _u, mid, reason, _p: self._notify(
            Acked(connection.session, mid, str(reason) if reason.value >= 0x80 else "")
        )
        return client

    def _connected(self, connection: _Connection, reason: ReasonCode, properties: Properties | None) -> None:
        connection.reason = reason.value
        connection.refusal = str(reason) if reason.is_failure else ""
        connection.accepted = not reason.is_failure
        connection.answered.set()
        if connection.accepted:
            self._delay_s = self._settings.reconnect_min_s
            for condition in ("unreachable", "refused", "unanswering"):
                self._repeats.over(condition)
            if connection.version == paho.MQTTv311:
                self._tell_loss()
            logger.info("mqtt broker=connected host=%s protocol=%s", self._where, VERSIONS[connection.version])
            limit = getattr(properties, "ReceiveMaximum", IN_FLIGHT)
            self._notify(Up(connection.session, min(IN_FLIGHT, limit)))

    def _disconnected(self, connection: _Connection, reason: ReasonCode) -> None:
        connection.parting = reason.value
        if connection.accepted and not self._stop.is_set():
            self._tell("lost", f' reason="{reason}"; {_advice(reason.value, self._client_id)}')
        connection.answered.set()
        connection.over.set()

    def _after(self, connection: _Connection) -> None:
        """Choose the version and the delay of the next attempt from what became of this one."""
        if connection.accepted:
            self._unanswered = 0
            if connection.parting == TAKEN_OVER:
                self._delay_s = self._settings.reconnect_max_s
            return
        if connection.reason == UNSUPPORTED_PROTOCOL and not self._only_311:
            self._only_311, self._delay_s = True, 0.0
            return
        if connection.refusal:
            self._tell("refused", f' reason="{connection.refusal}"; {_advice(connection.reason, self._client_id)}')
        elif connection.parting is not None:
            self._unanswered += 1
            if self._unanswered % 2:
                self._delay_s = 0.0
                return
            self._tell("unanswering", "; it does not answer in MQTT 5 or 3.1.1: is it a broker?")
        self._delay_s = min(self._settings.reconnect_max_s, max(self._settings.reconnect_min_s, 2 * self._delay_s))

    def _tell(self, condition: str, rest: str) -> None:
        self._repeats.tell(condition, f"mqtt broker={condition} host={self._where}{rest}")

    def _tell_loss(self) -> None:
        if not self._told_loss:
            self._told_loss = True
            logger.warning(
                "mqtt protocol=3.1.1 host=%s; the broker does not speak MQTT 5: a broken connection shows at once, not"
                " after %d s, messages do not expire at the broker, refused messages are not told",
                self._where,
                self._settings.will_delay_s,
            )

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"


class _Connection:
    """What became of one attempt."""

    def __init__(self, session: str, version: Any) -> None:
        self.session = session
        self.version = version
        self.answered = threading.Event()
        self.over = threading.Event()
        self.accepted = False
        self.reason = 0
        self.refusal = ""
        self.parting: int | None = None


def _advice(reason: int, client_id: str) -> str:
    if reason in (134, 135):  # bad user name or password; not authorised
        return "check mqtt.username and mqtt.password_file; events are kept"
    if reason == TAKEN_OVER:
        return f"another client is called {client_id}: give each node its own name; events are kept"
    return "events are kept"


def _properties(packet: int, **values: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _tls(settings: Mqtt) -> ssl.SSLContext | None:
    if settings.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls.ca)
        if settings.tls.cert is not None:
            context.load_cert_chain(settings.tls.cert, settings.tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"mqtt.tls: cannot use the certificates: {error}") from None
    return context
