"""A consumer's session at a real broker: what it does at its end."""

from __future__ import annotations

import threading

from edge.commands.demo.broker import Broker
from edge.delivery.subscriber import Arrived, Subscriber, Subscription
from edge.settings.mqtt import Mqtt


class Silent:
    """A taker that keeps nothing."""

    def connected(self) -> None:
        """Nothing is kept."""

    def take(self, came: list[Arrived]) -> list[Arrived]:
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
