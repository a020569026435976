"""What comes from the broker goes to the one who asked for it."""

from __future__ import annotations

import paho.mqtt.client as paho
import pytest

from edge.delivery.mqtt_client import Incoming, Subscription


@pytest.mark.parametrize(
    ("topic", "expected"),
    [("n/s/bed1/cmd/pause/anna", "commands"), ("n/s/self-test/event", "tests"), ("n/cmd/pause/anna", "commands")],
)
def test_of_two_who_listen_each_gets_what_its_filters_match(topic: str, expected: str) -> None:
    got: list[tuple[str, str]] = []
    commands = Subscription(("n/s/+/cmd/+/+", "n/cmd/+/+"), lambda request: got.append(("commands", request.topic)))
    tests = Subscription(("n/s/self-test/event",), lambda request: got.append(("tests", request.topic)))
    both = commands.beside(tests)
    both.on_message(Incoming(topic, b"{}"))
    assert got == [(expected, topic)]
    assert both.filters == commands.filters + tests.filters


def test_a_filter_that_another_covers_is_not_subscribed_to_and_its_messages_go_to_whoever_was_first() -> None:
    got: list[tuple[str, str]] = []
    one = Subscription(("n/s/+/cmd/look/+",), lambda request: got.append(("one", request.topic)))
    all_others = Subscription(("n/s/+/cmd/+/+", "n/cmd/+/+"), lambda request: got.append(("others", request.topic)))
    tests = Subscription(("n/s/self-test/event",), lambda request: got.append(("tests", request.topic)))
    both = one.beside(all_others).beside(tests)
    assert both.filters == ("n/s/+/cmd/+/+", "n/cmd/+/+", "n/s/self-test/event")
    for topic in ("n/s/bed1/cmd/look/anna", "n/s/bed1/cmd/pause/anna", "n/s/self-test/event"):
        both.on_message(Incoming(topic, b"{}"))
    assert [who for who, _ in got] == ["one", "others", "tests"]


def test_three_may_listen() -> None:
    got: list[str] = []
    first, second, third = (Subscription((name,), lambda _request, name=name: got.append(name)) for name in "abc")  # type: ignore[misc]
    both = first.beside(second).beside(third)
    for topic in "cab":
        both.on_message(Incoming(topic, b""))
    assert got == ["c", "a", "b"]


def test_a_flood_of_retained_commands_is_one_line_and_none_is_carried_out(lines: pytest.LogCaptureFixture) -> None:
    got: list[Incoming] = []
    commands = Subscription(("n/cmd/+/+",), got.append)
    message = paho.MQTTMessage(topic=b"n/cmd/pause/anna")
    message.payload, message.retain = b"{}", True
    for _ in range(1000):
        commands._on_message(message)
    assert [record.getMessage() for record in lines.records] == [
        "mqtt command=retained topic=n/cmd/pause/anna; it is not carried out"
    ]
    assert not got
