"""A consumer whose session the broker keeps: what came is handed over, and acknowledged once it is safe elsewhere.

Not for a node's own session (`edge.delivery.session`) nor for a board, which needs the present alone. The broker (MQTT
5) keeps what comes while the consumer is away, within its `max_queued_messages`; what is not acknowledged comes again.
So a death of the broker or of this process, at any moment, loses nothing and may bring a copy. A 3.1.1 broker would
keep nothing: it is refused. One thread: read the socket, hand over, acknowledge.
"""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import paho.mqtt.client as paho
from paho.mqtt.reasoncodes import ReasonCode

from edge.delivery.mqtt_client import RECEIVE_MAXIMUM, ClientFactory
from edge.delivery.session import BAD_CREDENTIALS, FIRST_FAILURE, UNSUPPORTED_PROTOCOL
from edge.errors import SourceError
from edge.log import RateLimitedLog
from edge.settings.broker import Mqtt

SESSION_S = 14 * 86_400  # as deploy/mosquitto/setup lets a consumer be away
LOOP_S = 0.5  # how long the socket is waited for at once
CONNACK_S = 5.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReceivedMessage:
    """One message, and by which connection it came."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    connection: int
    """An acknowledgement is for the connection that brought the message, and for no other."""


class Taker(Protocol):
    """Where messages go."""

    def connected(self) -> None:
        """A connection is up. What was not acknowledged comes again, except what the broker lost when it was killed."""

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """Take messages, perhaps none.

        Returns:
            Those, of this call or earlier ones, that are safe and may be acknowledged now.
        """


@dataclass(frozen=True)
class Subscription:
    """What a consumer is to the broker."""

    client_id: str
    filters: tuple[str, ...]
    word: str
    """First word of its log lines."""
    session_s: int = SESSION_S
    """How long the broker keeps the session while the consumer is away."""
    receive_maximum: int = RECEIVE_MAXIMUM
    """Messages that may wait for their acknowledgement."""
    will: Callable[[], tuple[str, bytes]] | None = None
    """Topic and payload that the broker publishes, retained, when the consumer is gone; asked at each connection."""


class Subscriber:
    """One consumer; `run` until it is stopped."""

    def __init__(self, settings: Mqtt, subscription: Subscription, taker: Taker) -> None:
        """Prepare; nothing is connected before `run`.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._settings, self._wanted, self._taker = settings, subscription, taker
        self._clients = ClientFactory(settings, subscription.client_id, subscription.receive_maximum)
        self._client: paho.Client | None = None
        self._came: list[ReceivedMessage] = []
        self._safe: list[ReceivedMessage] = []  # taken, and not acknowledged yet
        self._connack: ReasonCode | None = None
        self._refused_filters = self._is_new = False
        self._fault: OSError | ValueError | None = None  # of the network, in this connection
        self._limited_log = RateLimitedLog(logger)
        self.connections = 0
        """How many connections the broker accepted until now."""

    @property
    def is_connected(self) -> bool:
        """Whether the broker is there."""
        return self._client is not None and self._is_accepted

    def run(self, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Take messages, and connect again whenever the connection is gone.

        Args:
            stop: ends it.
            tick: called a few times a second, while there is a connection or not.

        Raises:
            SourceError: the taker fails, or the broker refuses this user, what it subscribes to, or MQTT 5.
        """
        wait_s, word = self._settings.reconnect_min_s, self._wanted.word
        while not stop.is_set():
            is_accepted = self._serve(stop, tick)
            if self._fault is not None:
                fault = self._clients.diagnose(self._fault)
                why = f"{fault.found}; {fault.advice}" if fault is not None else str(self._fault)
                self._limited_log.log("unreachable", f'{word} broker=unreachable reason="{why}"; trying again')
            elif is_accepted:
                wait_s = self._settings.reconnect_min_s
            elif not stop.is_set():
                why = "no answer in MQTT 5; is it a broker?" if self._connack is None else str(self._connack)
                self._limited_log.log("refused", f'{word} broker=refusing reason="{why}"; trying again')
            self._client = None
            tick()
            self._wait(wait_s, stop)
            wait_s = min(2 * wait_s, self._settings.reconnect_max_s)

    def publish(self, topic: str, payload: bytes) -> None:
        """Say something, retained (QoS 1), from within `tick`; nothing without a connection."""
        if self._client is not None and self._is_accepted:
            with self._noting_faults():
                self._client.publish(topic, payload, 1, retain=True)

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        """Until the next attempt. The taker goes on with what it has: a broker that was killed may not bring it again.

        Nothing is acknowledged: the connection that brought it is gone, so it comes again, or is lost there.
        """
        until_s, left_s = time.monotonic() + seconds, seconds
        while left_s > 0 and not stop.wait(min(left_s, LOOP_S)):
            self._taker.take([])
            left_s = until_s - time.monotonic()
        self._taker.take([])

    def _serve(self, stop: threading.Event, tick: Callable[[], None]) -> bool:
        """One connection to its end; whether the broker accepted it."""
        client = self._clients.build(paho.MQTTv5, self._wanted.will and self._wanted.will())
        client.manual_ack_set(True)
        client.on_connect = lambda client, _u, flags, reason, _p: self._on_connack(client, flags, reason)
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._on_subscribed(reasons)
        client.on_message = lambda _c, _u, message: self._on_message(message)
        self._connack, self._came, self._safe, self._client = None, [], [], client
        self._fault, self._is_new = None, False
        with self._noting_faults():
            self._clients.connect(client, self._wanted.session_s)
        deadline_s = time.monotonic() + CONNACK_S
        while self._fault is None and self._goes_on(client):
            is_stopping = stop.is_set()  # before the taker and `tick`, so that both see it before the connection ends
            self._hand_over(client)
            self._check_refused()
            tick()
            is_late = self._connack is None and time.monotonic() > deadline_s
            if is_stopping or is_late:
                with self._noting_faults():
                    client.disconnect()
        if self._fault is None:
            self._hand_over(client)
            self._check_refused()
        return self._is_accepted

    def _goes_on(self, client: paho.Client) -> bool:
        """Read the socket; whether the connection stands then."""
        with self._noting_faults():
            return client.loop(LOOP_S) == paho.MQTT_ERR_SUCCESS
        return False

    @contextmanager
    def _noting_faults(self) -> Iterator[None]:
        """What the network does wrong ends the connection; what the taker or `tick` raises is no fault of it."""
        try:
            yield
        except (OSError, ValueError) as error:
            self._fault = error

    @property
    def _is_accepted(self) -> bool:
        return self._connack is not None and self._connack.value < FIRST_FAILURE

    def _on_connack(self, client: paho.Client, flags: paho.ConnectFlags, reason: ReasonCode) -> None:
        self._connack = reason
        if self._is_accepted:
            self._limited_log.clear("unreachable")
            session = "resumed" if flags.session_present else "new"
            logger.info("%s broker=connected host=%s session=%s", self._wanted.word, self._settings.host, session)
            if self.connections and not flags.session_present:
                logger.warning("%s session=lost; the broker kept nothing of what came meanwhile", self._wanted.word)
            self.connections += 1
            self._is_new = True
            client.subscribe([(each, 1) for each in self._wanted.filters])

    def _on_message(self, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        self._came.append(ReceivedMessage(message.topic, payload, message.mid, message.qos, self.connections))

    def _on_subscribed(self, reasons: list[ReasonCode]) -> None:
        self._refused_filters = any(reason.value >= FIRST_FAILURE for reason in reasons)
        if not self._refused_filters:
            logger.info("%s broker=subscribed", self._wanted.word)

    @property
    def _where(self) -> str:
        return f"broker {self._settings.host}:{self._settings.tcp_port}"

    def _check_refused(self) -> None:
        if self._refused_filters:
            where = f"{self._where}: does not let this user read"
            raise SourceError(f"{where} {self._settings.prefix}/#; make it a reader there")
        if self._connack is not None and self._connack.value == UNSUPPORTED_PROTOCOL:
            raise SourceError(f"{self._where}: speaks MQTT 3.1.1 alone; {self._wanted.word} needs MQTT 5 (mosquitto 2)")
        if self._connack is not None and self._connack.value in BAD_CREDENTIALS:
            raise SourceError(f"{self._where}: refuses: {self._connack}; check mqtt.username and mqtt.password_file")

    def _hand_over(self, client: paho.Client) -> None:
        """What came since the last time; then acknowledge what is safe, once all that the broker sent is read.

        To answer a broker that has died ends the connection, and with it what is unread.
        """
        if self._is_new:
            self._is_new = False
            self._taker.connected()
        came, self._came = self._came, []
        self._safe += [each for each in self._taker.take(came) if each.connection == self.connections]
        if _has_unread(client):
            return
        safe, self._safe = self._safe, []
        with self._noting_faults():
            for each in safe:
                client.ack(each.mid, each.qos)


def _has_unread(client: paho.Client) -> bool:
    """Whether something of the broker waits to be read, be it the end of the connection."""
    connection = client.socket()
    return connection is not None and bool(select.select([connection], [], [], 0)[0])
