"""From the inbox to the broker: nothing is lost, whatever the broker does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.contract.events import EVENT_EXPIRY_S
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.outbox import Outbox
from edge.settings.broker import Mqtt
from tests.edge.conftest import PATIENCE_S, Watcher, wait_for
from tests.edge.fakes import RudeBroker

NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")
Start = Callable[..., Dispatch]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.db", 10, 1)


@pytest.fixture
def start(outbox: Outbox) -> Iterator[Start]:
    running: list[Dispatch] = []

    def begin(port: int, **settings: Any) -> Dispatch:
        mqtt = Mqtt(port=port, reconnect_min_s=0.1, reconnect_max_s=0.3, **settings)
        running.append(Dispatch(outbox, NODE, mqtt))
        running[-1].start()
        return running[-1]

    yield begin
    for dispatch in running:
        dispatch.stop()
        dispatch._thread.join(PATIENCE_S)  # which a slow disk may hold up; then the outbox is closed
    outbox.close()


def event(number: int) -> Message:
    return Message(NODE.topic("s", "bed1", "event"), {"n": number, "time": {}}, EVENT_EXPIRY_S, (f"id{number}", 1))


def numbers(watcher: Watcher) -> list[int]:
    return [body["n"] for body in watcher.bodies("/event")]


def test_an_event_leaves_the_disk_when_the_broker_has_it(
    start: Start, outbox: Outbox, broker: Broker, watcher: Watcher
) -> None:
    dispatch = start(broker.port)
    wait_for(lambda: dispatch.is_connected, "the connection")
    dispatch.send(event(1))
    wait_for(lambda: numbers(watcher) == [1], "the event")
    wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
    body = watcher.bodies("/event")[0]
    assert (body["seq"], body["late"]) == (1, False)
    assert body["time"]["published"].endswith("Z")


def test_without_a_broker_events_wait_and_are_late_when_it_comes(
    start: Start, outbox: Outbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.delivery.sender.BACKLOG_PER_S", 0.0)
    dispatch = start(port := free_port())
    for number in range(50):
        dispatch.send(event(number))
    wait_for(lambda: outbox.status.waiting == 50, "the events on disk")
    wait_for(lambda: "broker=unreachable" in caplog.text, "the line that says so")
    with Broker("mosquitto", port):
        watcher = Watcher(port)
        monkeypatch.setattr("edge.delivery.sender.BACKLOG_PER_S", 100.0)  # not before somebody listens
        wait_for(lambda: numbers(watcher) == list(range(50)), "the backlog in order")
        assert all(body["late"] for body in watcher.bodies("/event"))
        dispatch.send(event(50))
        wait_for(lambda: 50 in numbers(watcher), "a live event")
        assert not watcher.bodies("/event")[-1]["late"]
        wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
        dispatch.stop()
        watcher.close()
    assert caplog.text.count("broker=unreachable") == 1


def test_a_broker_that_is_killed_and_started_again_acknowledges_every_event(start: Start, outbox: Outbox) -> None:
    port, number = free_port(), 0
    dispatch = start(port)
    for _ in range(3):
        with Broker("mosquitto", port) as broker:
            wait_for(lambda: dispatch.is_connected, "the connection")
            for _ in range(40):
                number += 1
                dispatch.send(event(number))
            broker.kill()
        number += 1
        dispatch.send(event(number))
    with Broker("mosquitto", port):
        wait_for(lambda: outbox.status.waiting == 0 and outbox.last_seq == number, "an empty outbox")
    assert number == 123


def test_connections_that_break_all_the_time_bring_every_event_at_least_once(start: Start, outbox: Outbox) -> None:
    rude = RudeBroker("flaky")
    dispatch = start(rude.port)
    wait_for(lambda: dispatch.is_connected, "the connection")
    outbox.put([event(number) for number in range(60)])  # at once, so that the last is there when the first break comes
    wait_for(lambda: outbox.last_seq == 60 and outbox.status.waiting == 0, "an empty outbox")
    sent = zip(rude.topics, rude.payloads, strict=True)
    events = [json.loads(body) for topic, body in sent if topic.endswith("/event")]
    assert {body["n"] for body in events} == set(range(60))
    first = {body["n"]: body["late"] for body in reversed(events)}
    assert not first[0]
    assert first[59]
    rude.close()


def test_a_wrong_password_is_one_clear_line_and_events_wait(
    start: Start, outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "secret").write_text("wrong")
    with Broker("mosquitto", settings="allow_anonymous false\n") as broker:
        dispatch = start(broker.port, username="node", password_file=tmp_path / "secret")
        dispatch.send(event(1))
        wait_for(lambda: "broker=refused" in caplog.text, "the refusal")
        wait_for(lambda: outbox.status.waiting == 1, "the event on disk")
        dispatch.stop()
    assert caplog.text.count("broker=refused") == 1
    assert "check mqtt.username and mqtt.password_file" in caplog.text


def test_what_waits_goes_out_under_the_names_that_the_node_has_now(
    start: Start, outbox: Outbox, broker: Broker, watcher: Watcher
) -> None:
    for number, tree in enumerate((("laennec/v1", "old", "node"), ("other/prefix", "ward", "old-name"))):
        message = event(number)
        topic = Node(*tree, "Test", "0badcafe", "0123abcd").topic("s", "s", "event")
        outbox.put([Message(topic, {**message.body, "site": tree[1]}, message.expiry_s, message.event)])
    start(broker.port)
    wait_for(lambda: len(numbers(watcher)) == 2, "both events")
    assert {topic for topic, _, _ in watcher.messages if topic.endswith("/event")} == {"laennec/v1/ward/node/s/s/event"}
    assert [body["site"] for body in watcher.bodies("/event")] == ["old", "ward"]  # as it was decided


def test_a_refused_message_is_tried_again_later(start: Start, outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.delivery.dispatch.RETRY_S", 0.1)
    rude = RudeBroker("refuse")
    dispatch = start(rude.port)
    dispatch.send(event(1))
    wait_for(lambda: sum(topic.endswith("/event") for topic in rude.topics) >= 3, "a third attempt: two were refused")
    rude.behaviour = "close_v5"  # acknowledges from now on
    wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
    assert dispatch.refusals.count == 0
    rude.close()


def test_two_boxes_of_one_name_are_told_and_found_well_when_one_has_gone(
    start: Start, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    stays, goes = start(broker.port), start(broker.port)
    wait_for(lambda: stays.client_id_conflict and goes.client_id_conflict, "both to know")
    assert "broker=unstable" in caplog.text
    assert "is another client called laennec.v1.ward.node? Give each box its own site or node" in caplog.text
    goes.stop()
    wait_for(lambda: not stays.client_id_conflict and stays.is_connected, "peace")


def test_nodes_of_one_name_at_two_sites_do_not_disturb_each_other(
    tmp_path: Path, broker: Broker, watcher: Watcher, caplog: pytest.LogCaptureFixture
) -> None:
    trees = [("laennec/v1", "a-b", "c"), ("laennec/v1", "a", "b-c"), ("laennec/v1/a", "b", "c"), ("x", "a", "c")]
    assert len({Node(*tree, "Test", "0badcafe", "0123abcd").client_id for tree in trees}) == len(trees)
    outboxes = [Outbox(tmp_path / f"{number}.db", 10, 1) for number in range(2)]
    nodes = [
        Dispatch(box, Node(*tree, "Test", "0badcafe", "0123abcd"), Mqtt(port=broker.port, reconnect_min_s=0.1))
        for box, tree in zip(outboxes, trees[:2], strict=True)
    ]
    for node in nodes:
        node.start()
    wait_for(lambda: len(watcher.bodies("/status")) >= 2 and all(node.is_connected for node in nodes), "both")
    for node in nodes:
        node.stop()
    assert "broker=lost" not in caplog.text
    for box in outboxes:
        box.close()


def test_a_broker_that_says_that_the_name_is_taken_is_believed_at_once_and_one_that_was_away_is_no_rival(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    rude = RudeBroker("taken over")
    dispatch = start(rude.port)
    wait_for(lambda: "broker=unstable" in caplog.text, "the line")
    assert "lost=1;" in caplog.text
    assert "another client called laennec.v1.ward.node" in dispatch.client_id_conflict
    rude.close()
    wait_for(lambda: not dispatch.client_id_conflict, "a connection that nobody takes")


def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1_and_told_once(
    start: Start, outbox: Outbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.delivery.dispatch.STOPPED_S", PATIENCE_S)
    with Broker("amqtt") as broker:
        watcher = Watcher(broker.port, v5=False)
        dispatch = start(broker.port)
        dispatch.send(event(1))
        wait_for(lambda: numbers(watcher) == [1], "the event")
        wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
        dispatch.stop()
        watcher.wait_for_goodbye()
        watcher.close()
    assert caplog.text.count("protocol=3.1.1 host=127.0.0.1") == 1 + caplog.text.count("broker=connected")
    assert "messages do not expire at the broker" in caplog.text


def test_a_broker_that_closes_on_mqtt_5_is_tried_in_both_versions(start: Start, outbox: Outbox) -> None:
    rude = RudeBroker("close_v5")
    dispatch = start(rude.port)
    dispatch.send(event(1))
    wait_for(lambda: rude.publishes > 0 and outbox.status.waiting == 0, "the event")
    assert rude.connects[:2] == [5, 4]
    rude.close()


def test_a_proxy_without_its_broker_is_tried_by_turns_with_one_line(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    rude = RudeBroker("close")
    start(rude.port)
    wait_for(lambda: len(rude.connects) >= 4, "four attempts")
    assert rude.connects[:4] == [5, 4, 5, 4]
    assert caplog.text.count("broker=unanswering") == 1
    rude.close()


def test_state_is_retained_once_per_topic_and_said_again_after_a_reconnection(start: Start) -> None:
    port = free_port()
    dispatch = start(port)
    for number in range(20):
        dispatch.set_state(NODE.topic("health"), {"n": number})
    for _ in range(2):
        with Broker("mosquitto", port):
            watcher = Watcher(port)
            wait_for(lambda watcher=watcher: watcher.bodies("/health"), "health")
            assert [body["n"] for body in watcher.bodies("/health")] == [19]
            assert wait_for(lambda watcher=watcher: watcher.bodies("/status"), "status")[-1]["state"] == "online"
            watcher.close()


def test_each_connection_has_its_own_session_name(start: Start, broker: Broker, watcher: Watcher) -> None:
    dispatch = start(broker.port)
    wait_for(lambda: watcher.bodies("/status"), "the birth")
    dispatch._session.disconnect()
    wait_for(lambda: len(watcher.bodies("/status")) >= 2, "the second birth")
    sessions = [body["session"] for body in watcher.bodies("/status") if body["state"] == "online"]
    assert len(set(sessions)) == len(sessions) == 2
