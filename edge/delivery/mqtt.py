"""The session with the broker: connected, lost, refused, connected again, for as long as the node lives.

Not for deciding what is sent or kept: `edge.delivery.dispatch` does. Every connection is a fresh paho client, so
nothing waits in paho's memory: a message that was not acknowledged in one connection is sent again by its owner in the
next. What happens is told as `Up`, `Down` and `Acked` through one callback; paho's callbacks only pass it on.

MQTT 5 first. A broker that says "unsupported protocol version" is spoken to in 3.1.1 from then on; one that closes the
connection or keeps silent is tried in both versions by turns at each connection, for it may be a proxy whose broker is
away. In 3.1.1 there is no will delay, no message expiry and no reason in an acknowledgement; all else is the same.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.delivery.mqtt_client import IN_FLIGHT, Clients, publish_properties
from edge.log import Repeats
from edge.settings.config import Mqtt

ANSWER_S = 3.0  # how long a CONNACK may take; amqtt 0.12 misreads a CONNECT of MQTT 5 and waits for more of it
STABLE_S = 10.0  # a connection that lasted less was brief
FLAPS = 3  # brief connections in a row that are more than bad luck
CALM = 3.0  # times the longest delay: a connection that lasts so long has no rival, who comes back within that delay
CLOSE_S = 0.5  # how long a polite DISCONNECT may take
FIRST_FAILURE = 0x80  # reason codes from here on mean that the broker does not have the message
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
        self._clients = Clients(settings, client_id)
        self._repeats = Repeats(logger)
        self._stop = threading.Event()
        self._client: paho.Client | None = None
        self._number = 0
        self._token = f"{random.getrandbits(32):08x}"
        self._only_311 = False
        self._told_loss = False
        self._unanswered = 0
        self._brief = 0
        self._rival = ""
        self._accepted_s: float | None = None
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

    @property
    def rival(self) -> str:
        """What speaks for another client with the same name at the broker; empty if nothing does."""
        return "" if self._is_calm() else self._rival

    def _is_calm(self) -> bool:
        since_s = self._accepted_s
        return since_s is not None and time.monotonic() - since_s > CALM * self._settings.reconnect_max_s

    def publish(self, topic: str, payload: bytes, retain: bool = False, expiry_s: int | None = None) -> int | None:
        """Hand one message (QoS 1) to the present connection.

        Returns:
            Its number in later `Acked` signals, or None if there is no connection.
        """
        client = self._client
        if client is None or not client.is_connected():
            return None
        return client.publish(topic, payload, 1, retain, properties=publish_properties(client, expiry_s)).mid

    def _run(self) -> None:
        while not self._stop.is_set():
            version = paho.MQTTv311 if self._only_311 or self._unanswered % 2 else paho.MQTTv5
            connection = _Connection(f"{self._token}-{self._number}", version)
            self._number += 1
            try:
                self._converse(connection)
            except (OSError, ValueError) as error:
                self._brief, self._rival = 0, ""  # a broker that was away explains the losses before
                if not self._tell_trouble(error):
                    self._tell("unreachable", f' reason="{error}"; events are kept')
            self._after(connection)
            self._stop.wait(self._delay_s * random.uniform(0.8, 1.2))  # jitter: not every node of a ward at once

    def _converse(self, connection: _Connection) -> None:
        """One connection from CONNECT to its end."""
        client = self._clients.build(connection.version, self._will(connection.session))
        client.on_connect = lambda _c, _u, _f, reason, properties: self._connected(connection, reason, properties)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._disconnected(connection, reason)
        client.on_publish = lambda _c, _u, mid, reason, _p: self._notify(
            Acked(connection.session, mid, str(reason) if reason.value >= FIRST_FAILURE else "")
        )
        self._clients.connect(client)
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

    def _connected(self, connection: _Connection, reason: ReasonCode, properties: Properties | None) -> None:
        connection.reason = reason.value
        connection.refusal = str(reason) if reason.is_failure else ""
        connection.accepted, connection.accepted_s = not reason.is_failure, time.monotonic()
        connection.answered.set()
        if connection.accepted:
            self._accepted_s = connection.accepted_s
            for condition in ("unreachable", "untrusted", "refused", "unanswering"):
                self._repeats.over(condition)
            if connection.version == paho.MQTTv311:
                self._tell_loss()
            logger.info("mqtt broker=connected host=%s protocol=%s", self._where, VERSIONS[connection.version])
            limit = getattr(properties, "ReceiveMaximum", IN_FLIGHT)
            self._notify(Up(connection.session, min(IN_FLIGHT, limit)))

    def _disconnected(self, connection: _Connection, reason: ReasonCode) -> None:
        connection.parting = reason.value
        if connection.accepted and not self._stop.is_set():
            self._tell("lost", f' reason="{reason}"; events are kept')
        connection.answered.set()
        connection.over.set()

    def _after(self, connection: _Connection) -> None:
        """Choose the version and the delay of the next attempt from what became of this one."""
        if connection.accepted:
            self._unanswered = 0
            self._after_acceptance(time.monotonic() - connection.accepted_s, connection.parting == TAKEN_OVER)
            self._accepted_s = None
            return
        if connection.reason == UNSUPPORTED_PROTOCOL and not self._only_311:
            self._only_311, self._delay_s = True, 0.0
            return
        if connection.refusal:
            self._tell("refused", f' reason="{connection.refusal}"; {_advice(connection.reason)}')
        elif connection.parting is not None:
            self._unanswered += 1
            if self._unanswered % 2:
                self._delay_s = 0.0
                return
            if not self._tell_trouble(None):
                self._tell("unanswering", "; it does not answer in MQTT 5 or 3.1.1: is it a broker?")
        self._wait_longer()

    def _after_acceptance(self, lasted_s: float, is_taken_over: bool) -> None:
        if self._is_calm() or (lasted_s > STABLE_S and not self._rival):
            self._brief, self._rival, self._delay_s = 0, "", self._settings.reconnect_min_s
            return
        self._brief += 1
        if self._brief > 1:
            self._wait_longer()
        if is_taken_over or self._brief >= FLAPS:  # not every broker says why
            self._rival = f"is another client called {self._client_id}? Give each box its own site or node"
            self._tell("unstable", f" lost={self._brief}; {self._rival}; events are kept")

    def _wait_longer(self) -> None:
        self._delay_s = min(self._settings.reconnect_max_s, max(self._settings.reconnect_min_s, 2 * self._delay_s))

    def _tell(self, condition: str, rest: str) -> None:
        self._repeats.tell(condition, f"mqtt broker={condition} host={self._where}{rest}")

    def _tell_trouble(self, error: Exception | None) -> bool:
        """Say what is wrong with TLS, if it is that."""
        if (trouble := self._clients.diagnose(error)) is None:
            return False
        self._tell("untrusted", f' reason="{trouble.found}"; {trouble.advice}; events are kept')
        return True

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
        return f"{self._settings.host}:{self._settings.tcp_port}"


class _Connection:
    """What became of one attempt."""

    def __init__(self, session: str, version: Any) -> None:
        self.session = session
        self.version = version
        self.answered = threading.Event()
        self.over = threading.Event()
        self.accepted = False
        self.accepted_s = 0.0
        self.reason = 0
        self.refusal = ""
        self.parting: int | None = None


def _advice(reason: int) -> str:
    if reason in (134, 135):  # bad user name or password; not authorised
        return "check mqtt.username and mqtt.password_file; events are kept"
    return "events are kept"
