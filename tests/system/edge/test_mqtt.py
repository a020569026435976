"""The session with the broker by itself: its one thread, a broker that does not answer, the end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery import session as mqtt
from edge.delivery.mqtt_client import Incoming, Subscription
from edge.delivery.session import Acknowledged, Connected, Disconnected, MqttSession, Signal
from edge.settings.broker import Mqtt
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import RudeBroker

Start = Callable[..., MqttSession]


@pytest.fixture
def signals() -> list[Signal]:
    return []


@pytest.fixture
def start(signals: list[Signal]) -> Iterator[Start]:
    running: list[MqttSession] = []

    def begin(port: int, **settings: Any) -> MqttSession:
        broker = Mqtt(port=port, reconnect_min_s=0.1, reconnect_max_s=0.3, **settings)
        running.append(MqttSession(broker, "a-node", lambda name: ("status", name.encode()), signals.append))
        running[-1].start()
        return running[-1]

    yield begin
    for session in running:
        session.stop()


def test_one_thread_connects_publishes_and_reports_what_the_broker_acknowledged(
    start: Start, signals: list[Signal], broker: Broker, watcher: Watcher
) -> None:
    before = set(threading.enumerate())
    session = start(broker.port)
    wait_for(lambda: signals, "the connection")
    mid = session.publish("laennec/v1/t", b'{"n": 1}')
    wait_for(lambda: len(signals) == 2, "the acknowledgement")
    assert {thread.name for thread in set(threading.enumerate()) - before} == {"mqtt"}
    assert isinstance(signals[0], Connected)
    assert signals[1] == Acknowledged(signals[0].session, mid, "")
    wait_for(lambda: [body["n"] for body in watcher.bodies("/t")] == [1], "the message")
    session.stop()
    assert session.publish("laennec/v1/t", b'{"n": 2}') is None  # without a connection the caller keeps it


def test_a_message_wakes_the_network_loop_and_does_not_wait_for_its_next_turn(
    start: Start, signals: list[Signal], broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "LOOP_S", 3600.0)
    session = start(broker.port)
    wait_for(lambda: signals, "the connection")
    for number in range(2, 6):
        session.publish("laennec/v1/t", b"{}")
        wait_for(lambda number=number: len(signals) == number, "its acknowledgement")
    session.disconnect()
    wait_for(lambda: sum(isinstance(signal, Connected) for signal in signals) == 2, "the next connection")
    assert isinstance(signals[5], Disconnected)


class OneByOne(RudeBroker):
    """Reads each connection to its end before it takes the next, so that they are told in their order."""

    def _take(self, peer: socket.socket) -> None:
        self._serve(peer)


def test_a_broker_that_does_not_answer_connect_is_left_and_tried_in_the_other_version(
    start: Start, signals: list[Signal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt, "CONNACK_S", 0.1)
    monkeypatch.setattr(mqtt, "LOOP_S", 0.05)
    silent = OneByOne("silent")
    start(silent.port)
    wait_for(lambda: len(silent.connects) >= 4, "four attempts")
    assert silent.connects[:4] == [5, 4, 5, 4]
    assert signals == []
    silent.close()


def test_a_session_ends_though_the_broker_reads_nothing_any_more(start: Start, signals: list[Signal]) -> None:
    deaf = RudeBroker("deaf")
    session = start(deaf.port)
    wait_for(lambda: signals, "the connection")
    for _ in range(20):
        session.publish("laennec/v1/t", bytes(1_000_000))  # more than the sockets between them hold
    session.stop()
    wait_for(lambda: not session._thread.is_alive(), "the end of its thread")
    wait_for(lambda: isinstance(signals[-1], Disconnected), "what is said of it")
    assert not any(isinstance(signal, Acknowledged) for signal in signals)
    deaf.close()


@pytest.mark.parametrize("only_311", [False, True])
def test_what_the_node_listens_to_reaches_it_in_both_versions_and_nothing_that_was_stored(
    only_311: bool, signals: list[Signal], broker: Broker, watcher: Watcher
) -> None:
    watcher.client.publish("laennec/v1/cmd/old", b"{}", 1, retain=True)
    wait_for(lambda: watcher.messages, "the stored one")
    received: list[Incoming] = []
    session = MqttSession(Mqtt(port=broker.port), "a-node", lambda name: ("status", name.encode()), signals.append)
    session._only_311 = only_311
    session.subscription = Subscription(("laennec/v1/cmd/+",), received.append)
    session.start()
    wait_for(lambda: watcher.client.publish("laennec/v1/cmd/new", b"{}", 1) and received, "a command")
    session.stop()
    assert {request.topic for request in received} == {"laennec/v1/cmd/new"}


@pytest.mark.parametrize("only_311", [False, True])
def test_a_reader_gets_what_the_broker_has_stored_marked_so_and_leaves_nothing_there(
    broker: Broker, watcher: Watcher, signals: list[Signal], only_311: bool
) -> None:
    received: list[Incoming] = []
    watcher.client.publish("laennec/v1/bed/state", b'{"n": 1}', 1, retain=True)
    watcher.catch_up()
    session = MqttSession(Mqtt(port=broker.port), "a-reader", None, signals.append)
    session._only_311 = only_311
    session.subscription = Subscription(("laennec/v1/bed/+",), received.append, stored=True)
    session.start()
    wait_for(lambda: received, "what was stored")
    watcher.client.publish("laennec/v1/bed/state", b'{"n": 2}', 1, retain=True)
    wait_for(lambda: len(received) == 2, "what came live")
    session.stop()
    assert [(each.payload, each.stored) for each in received] == [(b'{"n": 1}', True), (b'{"n": 2}', False)]
    assert watcher.bodies("status") == []


def test_a_reader_without_a_broker_does_not_say_that_it_keeps_events(caplog: pytest.LogCaptureFixture) -> None:
    answered = []
    for will in (None, lambda name: ("status", name.encode())):
        caplog.clear()
        session = MqttSession(Mqtt(port=free_port()), "a-client", will, lambda _: None)
        session.start()
        wait_for(lambda: "broker=unreachable" in caplog.text, "that there is no broker")
        session.stop()
        answered.append("events are kept" in caplog.text)
    assert answered == [False, True]
