"""The node's MQTT session: connected, lost, refused, connected again, for as long as the node lives.

Not for deciding what is sent or kept: `edge.delivery.dispatch` does. One thread connects, runs paho's network loop and
waits between attempts; other threads only queue packets, and paho's socket pair wakes the loop for them. Every
connection is a fresh paho client, so nothing waits in paho's memory: what was not acknowledged is sent again by its
owner in the next. What happens is reported as `Connected`, `Disconnected` and `Acknowledged` through one callback.

MQTT 5 first. A broker that answers "unsupported protocol version" gets 3.1.1 from then on; one that closes the
connection or does not answer is tried in both versions by turns at each connection, for it may be a proxy whose broker
is away. In 3.1.1 there is no will delay, no message expiry and no reason in an acknowledgement; all else is the same.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge.delivery.mqtt_client import RECEIVE_MAXIMUM, SESSION_EXPIRY_S, ClientFactory, Subscription, publish_properties
from edge.log import RateLimitedLog
from edge.settings.broker import Mqtt

CONNACK_S = 3.0  # how long a CONNACK may take; amqtt 0.12 misreads a CONNECT of MQTT 5 and waits for more of it
LOOP_S = 1.0  # how long the network loop waits for its socket at once; then it looks at keepalive and CONNACK_S
STABLE_S = 10.0  # a connection that lasted less was short
FLAPS = 3  # short connections in a row that are more than bad luck
CONFLICT_GONE = 3.0  # times the longest delay: a client of the same name returns within that delay
CLOSE_S = 0.5  # how long a DISCONNECT may take to be sent
FIRST_FAILURE = 0x80  # reason codes from here on mean that the broker does not have the message
UNSUPPORTED_PROTOCOL = 132  # reason code; paho gives it for the 3.1.1 return code 1 as well
BAD_CREDENTIALS = (134, 135)  # reason codes: bad user name or password; not authorised
TAKEN_OVER = 142  # reason code of DISCONNECT: another client came with the same id
VERSIONS = {paho.MQTTv5: "5", paho.MQTTv311: "3.1.1"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Connected:
    """The broker accepted the connection."""

    session: str
    """Name of this connection, also in its will."""
    receive_maximum: int
    """How many unacknowledged messages the broker takes at once."""


@dataclass(frozen=True)
class Disconnected:
    """The connection is gone; what was not acknowledged must be sent again."""

    session: str


@dataclass(frozen=True)
class Acknowledged:
    """The broker answered one message (PUBACK)."""

    session: str
    mid: int
    """Packet identifier that `MqttSession.publish` returned."""
    refusal: str
    """Empty when the broker has the message; else its reason."""


Signal = Connected | Disconnected | Acknowledged


class MqttSession:
    """Keeps the node connected to the broker, from its own thread."""

    def __init__(
        self,
        settings: Mqtt,
        client_id: str,
        will: Callable[[str], tuple[str, bytes]] | None,
        on_signal: Callable[[Signal], None],
    ) -> None:
        """Prepare the session; nothing is sent before `start`.

        Args:
            settings: the broker.
            client_id: must be the only one of its name at the broker.
            will: session name -> (topic, payload) that the broker publishes when the connection breaks. None: of one
                that only reads; then the broker keeps nothing of the session either.
            on_signal: called from this session's thread; must not wait.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._settings, self._client_id, self._will, self._on_signal = settings, client_id, will, on_signal
        self._clients, self._meanwhile = (
            ClientFactory(settings, client_id),
            "; events are kept, and it is tried again" if will else "",
        )
        self.subscription: Subscription | None = None  # what to subscribe to; to be set before `start`
        self._limited_log = RateLimitedLog(logger)
        self._stop = threading.Event()
        self._client: paho.Client | None = None
        self._attempts = 0
        self._token = f"{random.getrandbits(32):08x}"
        self._only_311 = False
        self._has_warned_of_311 = False
        self._unanswered = 0
        self._short_connections = 0
        self._conflict = ""
        self._accepted_s: float | None = None
        self._was_accepted = False
        self.unaccepted = ("", "")
        """While the broker has not accepted any connection: what is wrong, in one word and in full; empty: unknown."""
        self._delay_s = settings.reconnect_min_s
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Send DISCONNECT if connected (the broker then drops the will) and end, within about a second."""
        self._stop.set()
        self.disconnect()
        if self._thread.is_alive():
            self._thread.join(2 * CLOSE_S)

    def disconnect(self) -> None:
        """Close the present connection; the session connects again unless it was stopped."""
        if (client := self._client) is not None:
            client.disconnect()

    @property
    def client_id_conflict(self) -> str:
        """What suggests another client with the same name at the broker; empty if nothing does."""
        return "" if self._has_outlasted_conflict() else self._conflict

    def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes = b"",
        qos: int = 1,
    ) -> int | None:
        """Queue one message on the present connection; `correlation` is what an answer gives back (MQTT 5).

        Returns:
            Its packet identifier in a later `Acknowledged` (QoS 0: it was written), or None if there is no connection.
        """
        if (client := self._client) is None or not client.is_connected():
            return None
        return client.publish(topic, payload, qos, retain, publish_properties(client, expiry_s, correlation)).mid

    def _run(self) -> None:
        while not self._stop.is_set():
            version = paho.MQTTv311 if self._only_311 or self._unanswered % 2 else paho.MQTTv5
            attempt = _Attempt(f"{self._token}-{self._attempts}", version)
            self._attempts += 1
            try:
                self._connect_and_serve(attempt)
            except (OSError, ValueError) as error:
                self._short_connections, self._conflict = 0, ""  # a broker that was away explains the losses before
                if not self._warn_of_tls_fault(error):
                    self._warn("unreachable", f' reason="{error}"{self._meanwhile}')
            self._plan_next(attempt)
            self._stop.wait(self._delay_s * random.uniform(0.8, 1.2))  # jitter: not every node of a ward at once

    def _connect_and_serve(self, attempt: _Attempt) -> None:
        """One connection from CONNECT to its end."""
        client = self._clients.build(attempt.version, self._will and self._will(attempt.session))
        client.on_connect = lambda _c, _u, _f, reason, properties: self._on_connack(attempt, reason, properties)
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self._on_disconnect(attempt, reason)
        client.on_publish = lambda _c, _u, mid, reason, _p: self._on_signal(
            Acknowledged(attempt.session, mid, str(reason) if reason.value >= FIRST_FAILURE else "")
        )
        client.on_socket_register_write = lambda *_: None  # so that `publish` queues, and only the loop writes
        self._clients.connect(client, SESSION_EXPIRY_S if self._will else 0)
        self._client = client
        try:
            self._run_network_loop(client, attempt)
        finally:
            self._client = None
            if attempt.is_accepted:
                self._on_signal(Disconnected(attempt.session))

    def _run_network_loop(self, client: paho.Client, attempt: _Attempt) -> None:
        """Read, write and keep alive until the connection ends; after `stop`, for `CLOSE_S` at most."""
        connack_until_s, close_until_s = time.monotonic() + CONNACK_S, math.inf
        while client.loop(CLOSE_S if self._stop.is_set() else LOOP_S) == paho.MQTT_ERR_SUCCESS:
            now_s = time.monotonic()
            if self._stop.is_set():
                close_until_s = min(close_until_s, now_s + CLOSE_S)
                if now_s >= close_until_s:
                    return  # the peer takes nothing any more
            elif not attempt.is_answered and now_s >= connack_until_s:
                client.disconnect()
                connack_until_s = math.inf

    def _on_connack(self, attempt: _Attempt, reason: ReasonCode, properties: Properties | None) -> None:
        attempt.is_answered, attempt.reason = True, reason.value
        if reason.is_failure:
            attempt.refusal = str(reason)
            return
        attempt.is_accepted = True
        attempt.accepted_s = self._accepted_s = time.monotonic()
        self._was_accepted, self.unaccepted = True, ("", "")
        for condition in ("unreachable", "untrusted", "refused", "unanswering"):
            self._limited_log.clear(condition)
        if attempt.version == paho.MQTTv311:
            self._warn_of_311()
        logger.info("mqtt broker=connected host=%s protocol=%s", self._where, VERSIONS[attempt.version])
        if self.subscription is not None and self._client is not None:
            self.subscription.subscribe(self._client)
        limit = getattr(properties, "ReceiveMaximum", RECEIVE_MAXIMUM)
        self._on_signal(Connected(attempt.session, min(RECEIVE_MAXIMUM, limit)))

    def _on_disconnect(self, attempt: _Attempt, reason: ReasonCode) -> None:
        attempt.disconnect_reason = reason.value
        if attempt.is_accepted and not self._stop.is_set():
            self._warn("lost", f' reason="{reason}"{self._meanwhile}')

    def _plan_next(self, attempt: _Attempt) -> None:
        """Choose the version and the delay of the next attempt from the outcome of this one."""
        if attempt.is_accepted:
            self._unanswered = 0
            self._plan_after_loss(time.monotonic() - attempt.accepted_s, attempt.disconnect_reason == TAKEN_OVER)
            self._accepted_s = None
            return
        if attempt.reason == UNSUPPORTED_PROTOCOL and not self._only_311:
            self._only_311, self._delay_s = True, 0.0
            return
        if attempt.refusal:
            advice = "; check mqtt.username and mqtt.password_file" if attempt.reason in BAD_CREDENTIALS else ""
            self._warn("refused", f' reason="{attempt.refusal}"{advice}{self._meanwhile}')
        elif attempt.disconnect_reason is not None:
            self._unanswered += 1
            # The other version at once: the delay grows with each pair of attempts, not with each attempt.
            if self._unanswered % 2:
                self._delay_s = 0.0
                return
            if not self._warn_of_tls_fault(None):
                self._warn("unanswering", "; it does not answer in MQTT 5 or 3.1.1: is it a broker?")
        self._back_off()

    def _plan_after_loss(self, lasted_s: float, is_taken_over: bool) -> None:
        # Where two clients take turns, each connection lasts as long as the other one waits, which may be over
        # STABLE_S.
        if self._has_outlasted_conflict() or (lasted_s > STABLE_S and not self._conflict):
            self._short_connections, self._conflict, self._delay_s = 0, "", self._settings.reconnect_min_s
            return
        self._short_connections += 1
        if self._short_connections > 1:
            self._back_off()
        if is_taken_over or self._short_connections >= FLAPS:  # not every broker says why
            self._conflict = f"is another client called {self._client_id}? Give each box its own site or node"
            self._warn("unstable", f" lost={self._short_connections}; {self._conflict}{self._meanwhile}")

    def _has_outlasted_conflict(self) -> bool:
        since_s = self._accepted_s
        return since_s is not None and time.monotonic() - since_s > CONFLICT_GONE * self._settings.reconnect_max_s

    def _back_off(self) -> None:
        self._delay_s = min(self._settings.reconnect_max_s, max(self._settings.reconnect_min_s, 2 * self._delay_s))

    def _warn(self, condition: str, rest: str) -> None:
        if not self._was_accepted:
            self.unaccepted = (condition, f"broker={condition} host={self._where}{rest.removesuffix(self._meanwhile)}")
        self._limited_log.log(condition, f"mqtt broker={condition} host={self._where}{rest}")

    def _warn_of_tls_fault(self, error: Exception | None) -> bool:
        """Log what is wrong with TLS; false if TLS is not the cause."""
        if (fault := self._clients.diagnose(error)) is None:
            return False
        self._warn("untrusted", f' reason="{fault.found}"; {fault.advice}{self._meanwhile}')
        return True

    def _warn_of_311(self) -> None:
        if not self._has_warned_of_311:
            self._has_warned_of_311 = True
            logger.warning(
                "mqtt protocol=3.1.1 host=%s; the broker does not speak MQTT 5: a broken connection shows at once, not"
                " after %d s, messages do not expire at the broker, refused messages are not reported",
                self._where,
                self._settings.will_delay_s,
            )

    @property
    def _where(self) -> str:
        return f"{self._settings.host}:{self._settings.tcp_port}"


@dataclass
class _Attempt:
    """One attempt to connect, and its outcome."""

    session: str
    version: MQTTProtocolVersion
    is_answered: bool = False
    """Whether a CONNACK came."""
    is_accepted: bool = False
    accepted_s: float = 0.0
    """When, monotonic seconds."""
    reason: int = 0
    """Reason code of the CONNACK."""
    refusal: str = ""
    """The same in words, if the broker refused the connection."""
    disconnect_reason: int | None = None
    """Reason code with which the connection ended; None if there was none."""
