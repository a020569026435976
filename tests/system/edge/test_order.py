"""What a consumer sees of one event comes in order, whatever happens to the broker."""

from __future__ import annotations

import json
import random
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

import edge.delivery.dispatch
from edge.commands.demo_broker import Broker, free_port
from edge.contract.events import EVENT_EXPIRY_S
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.outbox import Outbox
from edge.settings.broker import Mqtt
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import RudeBroker
from tests.system.edge.consumer import KEEPING, Consumer

NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")


def message(number: int, rev: int) -> Message:
    body = {"id": f"id{number}", "rev": rev, "time": {}}
    return Message(NODE.topic("s", "bed1", "event"), body, EVENT_EXPIRY_S, (f"id{number}", rev))


@pytest.mark.parametrize(("kills", "setting"), [(6, ""), (3, "max_inflight_messages 1\n")])
def test_no_end_comes_before_its_onset_though_the_broker_is_killed_again_and_again(
    tmp_path: Path, kills: int, setting: str
) -> None:
    settings = KEEPING.format(tmp_path) + setting
    port, chance, number = free_port(), random.Random(7), 0
    outbox = Outbox(tmp_path / "outbox.db", 10, 1)
    dispatch = Dispatch(outbox, NODE, Mqtt(port=port, reconnect_min_s=0.1, reconnect_max_s=0.2))
    with closing(outbox), ExitStack() as opened:
        dispatch.start()
        opened.callback(dispatch.stop)
        consumer = None
        for _ in range(kills):
            with Broker("mosquitto", port, settings) as broker:
                consumer = consumer or opened.enter_context(closing(Consumer(port)))
                wait_for(lambda: dispatch.is_connected, "the connection")
                for _ in range(chance.randrange(10, 120)):
                    number += 1
                    dispatch.send(message(number, 1))
                    if number > 3:
                        dispatch.send(message(number - 3, 2))
                    time.sleep(0.002)
                broker.kill()
            number += 1
            dispatch.send(message(number, 1))  # its end is decided live, when the broker is there again
            dispatch.send(message(number - 3, 2))
        with Broker("mosquitto", port, settings):
            wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
            dispatch.send(message(0, 1))
            wait_for(lambda: ("id0", 1) in consumer.first_sights(), "the last event")
    assert len(consumer.first_sights()) > number  # a broker that is killed may lose some that it had acknowledged
    assert consumer.overtaken() == []
    assert consumer.seqs_used_twice() == []


def test_an_end_waits_while_the_broker_refuses_its_onset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.delivery.dispatch, "RETRY_S", 0.1)
    outbox, rude = Outbox(tmp_path / "outbox.db", 10, 1), RudeBroker("refuse")

    def reported() -> list[int]:
        return [body["rev"] for body in map(json.loads, list(rude.payloads)) if "rev" in body]

    dispatch = Dispatch(outbox, NODE, Mqtt(port=rude.port))
    with closing(outbox), closing(rude):
        dispatch.start()
        dispatch.send(message(1, 1))
        dispatch.send(message(1, 2))
        wait_for(lambda: len(reported()) >= 3, "three attempts")
        assert set(reported()) == {1}
        rude.behaviour = "close_v5"  # acknowledges from now on
        wait_for(lambda: outbox.status.waiting == 0, "an empty outbox")
        dispatch.stop()
    assert reported() == sorted(reported())
    assert reported()[-1] == 2


def test_messages_that_are_refused_for_ever_do_not_keep_the_rest_of_the_backlog_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.dispatch, "RETRY_S", 0.2)  # 300 of them take three seconds
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write laennec/v1/ward/node/status\ntopic write +/+/+/+/s/bed1/#\n")
    outbox = Outbox(tmp_path / "outbox.db", 10, 1)
    refused = Message(NODE.topic("s", "bed2", "event"), {"time": {}}, EVENT_EXPIRY_S)
    outbox.put([refused] * 300 + [message(number, 1) for number in range(20)])
    with closing(outbox), Broker("mosquitto", settings=f"allow_anonymous true\nuser root\nacl_file {acl}\n") as broker:
        watcher = Watcher(broker.port)
        dispatch = Dispatch(outbox, NODE, Mqtt(port=broker.port))
        dispatch.start()
        wait_for(lambda: len(watcher.bodies("/event")) == 20, "what lies behind the refused")
        assert outbox.status.waiting >= 300
        dispatch.stop()
        watcher.close()
