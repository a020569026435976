"""Events, trends and changes of alarms of all nodes at a broker, into a journal: an MQTT client, and nothing else.

Not for alarming anybody, and read by no alarm: it may be away. The broker keeps its session (MQTT 5) and what came
meanwhile, within `max_queued_messages`; a message is acknowledged when it is on the disk, so that a death of the broker
or of this process, at any moment, loses nothing and may write a copy. A 3.1.1 broker keeps nothing for it: it says so.
One thread: read the socket, write what came, acknowledge it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.delivery.mqtt import BAD_CREDENTIALS, FIRST_FAILURE, UNSUPPORTED_PROTOCOL
from edge.delivery.mqtt_client import ClientFactory
from edge.errors import SourceError
from edge.log import RateLimitedLog
from edge.neighbours.journal import Journal
from edge.neighbours.wire_records import WireRecord, filters, is_self_test, kind_of, parse
from edge.settings.mqtt import Mqtt

SESSION_S = 14 * 86_400  # as deploy/mosquitto/setup lets a consumer be away
LOOP_S = 0.5  # how long the socket is waited for at once
CONNACK_S = 5.0

logger = logging.getLogger(__name__)


class Collector:
    """One subscriber; `run` until it is stopped. Its counts may be read from any thread."""

    def __init__(self, settings: Mqtt, name: str, journal: Journal) -> None:
        """Prepare; nothing is connected before `run`.

        Args:
            settings: the broker.
            name: of the client; the broker keeps what it missed under this name.
            journal: where messages go.

        Raises:
            ConfigError: the password or a certificate cannot be read.
        """
        self._settings, self._journal = settings, journal
        self._clients = ClientFactory(settings, f"laennec-export.{name}")
        self._version: MQTTProtocolVersion = paho.MQTTv5
        self._came: list[paho.MQTTMessage] = []
        self._connack: ReasonCode | None = None
        self._refused_filters = False
        self._limited_log = RateLimitedLog(logger)
        self.counts: Counter[str] = Counter()
        """Messages by table, and `refused` (not as the contract says) and `self-test`, which are not kept."""

    def run(self, stop: threading.Event, tick: Callable[[], None]) -> None:
        """Collect, and connect again whenever the connection is gone.

        Args:
            stop: ends it.
            tick: called a few times a second, while there is a connection or not.

        Raises:
            SourceError: the disk takes nothing, or the broker refuses this user or what it subscribes to.
        """
        wait_s = self._settings.reconnect_min_s
        while not stop.is_set():
            try:
                if self._serve(stop, tick):
                    wait_s = self._settings.reconnect_min_s
                elif not stop.is_set():
                    why = "no answer in MQTT 5; is it a broker?" if self._connack is None else str(self._connack)
                    self._limited_log.log("refused", f'export broker=refusing reason="{why}"; trying again')
            except (OSError, ValueError) as error:
                fault = self._clients.diagnose(error)
                why = f"{fault.found}; {fault.advice}" if fault is not None else str(error)
                self._limited_log.log("unreachable", f'export broker=unreachable reason="{why}"; trying again')
            tick()
            stop.wait(0.0 if self._is_to_be_tried_again() else wait_s)
            wait_s = min(2 * wait_s, self._settings.reconnect_max_s)

    def _serve(self, stop: threading.Event, tick: Callable[[], None]) -> bool:
        """One connection to its end; whether the broker accepted it."""
        client = self._clients.build(self._version)
        client.manual_ack_set(True)
        client.on_connect = lambda client, _u, _f, reason, _p: self._on_connack(client, reason)
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self._on_subscribed(reasons)
        client.on_message = lambda _c, _u, message: self._came.append(message)
        self._connack, self._came = None, []
        self._clients.connect(client, SESSION_S)
        deadline_s = time.monotonic() + CONNACK_S
        while client.loop(LOOP_S) == paho.MQTT_ERR_SUCCESS:
            self._store(client)
            self._check_refused()
            tick()
            is_late = self._connack is None and time.monotonic() > deadline_s
            if stop.is_set() or is_late:
                client.disconnect()
        self._store(client)
        self._check_refused()
        return self._is_accepted

    @property
    def _is_accepted(self) -> bool:
        return self._connack is not None and self._connack.value < FIRST_FAILURE

    def _is_to_be_tried_again(self) -> bool:
        """After a broker that says it does not speak MQTT 5: once more, at once, in 3.1.1.

        Not after one that says nothing: a session of 3.1.1 would end the one that the broker keeps.
        """
        is_old = self._connack is not None and self._connack.value == UNSUPPORTED_PROTOCOL
        if not is_old or self._version == paho.MQTTv311:
            return False
        self._version = paho.MQTTv311
        logger.warning("export protocol=3.1.1; the broker keeps nothing for this command while it is away")
        return True

    def _on_connack(self, client: paho.Client, reason: ReasonCode) -> None:
        self._connack = reason
        if self._is_accepted:
            self._limited_log.clear("unreachable")
            logger.info("export broker=connected host=%s", self._settings.host)
            client.subscribe([(each, 1) for each in filters(self._settings.prefix)])

    def _on_subscribed(self, reasons: list[ReasonCode]) -> None:
        self._refused_filters = any(reason.value >= FIRST_FAILURE for reason in reasons)

    def _check_refused(self) -> None:
        where = f"broker {self._settings.host}:{self._settings.tcp_port}"
        if self._refused_filters:
            raise SourceError(f"{where}: does not let this user read {self._settings.prefix}/#; make it a reader there")
        if self._connack is not None and self._connack.value in BAD_CREDENTIALS:
            raise SourceError(f"{where}: refuses: {self._connack}; check mqtt.username and mqtt.password_file")

    def _store(self, client: paho.Client) -> None:
        """What came since the last time: to the disk, then acknowledged, as one."""
        came, self._came = self._came, []
        if not came:
            return
        kept = [pair for message in came if (pair := self._kept(message)) is not None]
        self._journal.append(kept)
        for message in came:
            client.ack(message.mid, message.qos)
        self.counts.update(kind_of(record) for record, _ in kept)

    def _kept(self, message: paho.MQTTMessage) -> tuple[WireRecord, dict[str, Any]] | None:
        if is_self_test(message.topic):
            self.counts["self-test"] += 1
            return None
        if not message.payload:  # a retained trend that was withdrawn
            return None
        try:
            return parse(message.topic, bytes(message.payload), self._settings.prefix)
        except ValueError as error:
            self.counts["refused"] += 1
            self._limited_log.log("message", f'export message=refused topic={message.topic[:128]} reason="{error}"')
            return None
