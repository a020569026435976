"""A consumer's session at a real broker: what it does at its end."""

from __future__ import annotations

import fcntl
import struct
import termios
import threading
from collections.abc import Callable

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.consumer import ReceivedMessage, Subscriber, Subscription
from edge.settings.broker import Mqtt
from tests.edge.conftest import wait_for
from tests.system.edge.publisher import Publisher


class Silent:
    """A taker that keeps nothing."""

    def connected(self) -> None:
        """Nothing is kept."""

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """All of it is safe."""
        return came


def test_who_is_stopped_at_any_moment_can_say_so_before_the_connection_ends(broker: Broker) -> None:
    stop, seen = threading.Event(), list[bool]()
    subscriber = Subscriber(Mqtt(port=broker.port), Subscription("one", ("a/+",), "test"), Silent())

    def tick() -> None:
        if subscriber.is_connected:
            seen.append(stop.is_set())
            stop.set()  # at the worst moment: what this call says is of before

    subscriber.run(stop, tick)
    assert seen == [False, True]


class Failing(Silent):
    """A taker that makes a mistake, or whose disk does."""

    def __init__(self, error: Exception, at_connection: bool) -> None:
        self.error, self.at_connection = error, at_connection

    def connected(self) -> None:
        if self.at_connection:
            raise self.error

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        raise self.error


@pytest.mark.parametrize("at_connection", [False, True])
@pytest.mark.parametrize("error", [ValueError("not a number"), OSError("disk")])
def test_what_its_taker_raises_is_no_fault_of_the_network(
    error: Exception, at_connection: bool, broker: Broker, lines: pytest.LogCaptureFixture
) -> None:
    required = Subscription("one", ("a/+",), "test")
    subscriber = Subscriber(Mqtt(port=broker.port), required, Failing(error, at_connection))
    with pytest.raises(type(error), match=str(error)):
        subscriber.run(threading.Event(), lambda: None)
    assert "unreachable" not in lines.text


def test_a_port_where_nobody_listens_is_tried_again(lines: pytest.LogCaptureFixture) -> None:
    stop, ticks = threading.Event(), list[bool]()
    settings = Mqtt(port=free_port(), reconnect_min_s=0.1, reconnect_max_s=0.1)
    subscriber = Subscriber(settings, Subscription("one", ("a/+",), "test"), Silent())

    def tick() -> None:
        ticks.append(subscriber.is_connected)
        if len(ticks) > 2:
            stop.set()

    subscriber.run(stop, tick)
    assert ticks == [False] * 3
    assert "test broker=unreachable" in lines.text


class Busy(Silent):
    """A taker that does something else for a while when the first message comes, as one whose disk is slow."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.taken: list[bytes] = []
        self._meanwhile = meanwhile

    def take(self, came: list[ReceivedMessage]) -> list[ReceivedMessage]:
        is_first = came and not self.taken
        self.taken += [each.payload for each in came]
        if is_first:
            self._meanwhile()
        return came


def unread_bytes(subscriber: Subscriber) -> int:
    """How much of what the broker sent waits in the socket."""
    assert subscriber._client is not None
    connection = subscriber._client.socket()
    return int(struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)))[0])


def test_what_a_broker_sent_before_it_died_is_taken_though_what_came_before_it_is_not_acknowledged_yet(
    broker: Broker,
) -> None:
    stop, nodes = threading.Event(), Publisher(broker.port)
    payloads = [b"%100d" % number for number in range(10)]

    def meanwhile() -> None:
        for payload in payloads[1:]:
            nodes.publish("a/b", payload)
        wait_for(lambda: unread_bytes(subscriber) > 100 * len(payloads[1:]), "the others, unread")
        broker.kill()

    taker = Busy(meanwhile)
    subscriber = Subscriber(Mqtt(port=broker.port), Subscription("one", ("a/+",), "test"), taker)
    nodes.client.publish("a/b", payloads[0], 1, retain=True).wait_for_publish(60)
    subscriber.run(stop, lambda: stop.set() if taker.taken and not subscriber.is_connected else None)
    nodes.close()
    assert taker.taken == payloads
