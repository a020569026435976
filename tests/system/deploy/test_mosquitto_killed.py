"""The broker of `deploy/mosquitto/setup` is killed: what it acknowledged waits for the consumer who was away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.commands.demo_broker import Broker
from edge.contract.events import EVENT_EXPIRY_S
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.outbox import Outbox
from edge.settings.node import Config, load_config
from tests.conftest import HANGS_S
from tests.deploy.mosquitto_setup import needs_mosquitto
from tests.edge.conftest import PATIENCE_S, wait_for

pytestmark = needs_mosquitto
EVENTS = 52


def settings(made: Path) -> str:
    """What setup wrote, for a broker on another port and under the tester's own name."""
    lines = [line for line in (made / "mosquitto.conf").read_text().splitlines() if not line.startswith("listener")]
    return "\n".join(lines + ["user root"] * (os.geteuid() == 0))


class Board:
    """The reader `board`, whose session the broker keeps for a day while it is away."""

    def __init__(self, broker: Broker, made: Path) -> None:
        self.topics: list[str] = []
        self.bodies: list[dict[str, object]] = []
        self.others: dict[str, dict[str, object]] = {}
        """The last of each topic that is no event."""
        ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="board", protocol=paho.MQTTv5)
        self.client.tls_set(str(made / "ca.pem"))
        self.client.username_pw_set("board", (made / "clients" / "board" / "mqtt-password").read_text().strip())
        self.client.on_connect = lambda *_: self.client.subscribe("laennec/v1/#", 1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _c, _u, message: self._heard(message)
        lasting = Properties(PacketTypes.CONNECT)
        lasting.SessionExpiryInterval = 86_400
        self.client.connect("127.0.0.1", broker.port, clean_start=False, properties=lasting)
        self.client.loop_start()
        assert ready.wait(PATIENCE_S)

    def _heard(self, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/event"):
            self.topics.append(message.topic)
            self.bodies.append(json.loads(message.payload))
        else:
            self.others[message.topic] = json.loads(message.payload)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(made: Path) -> Iterator[Broker]:
    for file in (made / "store").iterdir():
        file.unlink()  # of the test before
    with Broker("mosquitto", settings=settings(made)) as running:
        yield running


def ward(folder: Path, made: Path, broker: Broker, site: str = "ward-b") -> Path:
    """Settings of a node that logs in as ward-b.edge-7."""
    client = made / "clients" / "ward-b.edge-7"
    mqtt = {
        "host": "localhost",
        "port": broker.port,
        "username": "ward-b.edge-7",
        "reconnect_min_s": 0.1,
        "reconnect_max_s": 0.3,
        "password_file": str(client / "mqtt-password"),
        "tls": {"ca": str(client / "ca.pem")},
    }
    tree = {"site": site, "node": "edge-7", "streams": [{"id": "bed1", "source": "none.wav"}], "mqtt": mqtt}
    path = folder / f"{site}.yaml"
    path.write_text(yaml.safe_dump({**tree, "outbox": {"path": str(folder / "outbox.db")}}))
    return path


def node_of(config: Config) -> Node:
    return Node(config.mqtt.prefix, config.site, config.node, config.mode, "0badcafe")


def event(node: Node, number: int, rev: int = 1) -> Message:
    """An event as the contract has it, in the parts that are used here."""
    minute = f"2026-11-21T03:{number // 60:02}:{number % 60:02}.000Z"
    body = {
        "id": f"id{number:04}",
        "rev": rev,
        "seq": 0,
        "site": node.site,
        "stream": "bed1",
        "late": False,
        "time": {"onset": minute, "end": minute if rev == 2 else None, "published": None},
    }
    return Message(node.topic("s", "bed1", "event"), body, EVENT_EXPIRY_S, (f"id{number:04}", rev))


def deliver(config: Config, outbox: Outbox, numbers: range) -> None:
    """Everything acknowledged by the broker."""
    node = node_of(config)
    dispatch = Dispatch(outbox, node, config.mqtt)
    dispatch.start()
    for number in numbers:
        dispatch.send(event(node, number))
    wait_for(lambda: outbox.last_seq == numbers[-1] + 1 and outbox.status.waiting == 0, "every acknowledgement")
    dispatch.stop()


def test_events_acknowledged_before_a_kill_reach_a_consumer_that_was_away(
    broker: Broker, made: Path, tmp_path: Path
) -> None:
    Board(broker, made).close()
    config = load_config(ward(tmp_path, made, broker))
    outbox = Outbox(config.outbox_path(), 10, 1)
    deliver(config, outbox, range(EVENTS))
    last, store = b'"id":"id0051"', made / "store" / "mosquitto.db"  # which mosquitto writes every 5 s
    wait_for(lambda: store.exists() and last in store.read_bytes(), "the last of them in the broker's store")
    broker.kill()
    broker.stop()
    broker.start()
    board = Board(broker, made)
    wait_for(lambda: len({body["id"] for body in board.bodies}) == EVENTS, "every event")
    board.close()
    assert sorted({body["id"] for body in board.bodies}) == [f"id{number:04}" for number in range(EVENTS)]
    outbox.close()


def test_what_a_broker_lost_is_sent_again_from_the_log_while_the_service_runs(
    broker: Broker, made: Path, tmp_path: Path
) -> None:
    path = ward(tmp_path, made, broker)
    config = load_config(path)
    outbox = Outbox(config.outbox_path(), 10, 1)
    node = node_of(config)
    service = Dispatch(outbox, node, config.mqtt)
    service.start()
    for number in range(120):
        service.send(event(node, number // 2, 1 + number % 2))
    wait_for(lambda: outbox.last_seq == 120 and outbox.status.waiting == 0, "every acknowledgement")
    service.set_state(health := node.topic("health"), {"uptime_s": 7.0})
    before = service._in_flight.session
    broker.kill()
    broker.stop()
    for file in (made / "store").iterdir():
        file.unlink()
    broker.start()
    session = wait_for(lambda: service._in_flight.session.replace(before, ""), "the service's next connection")
    board = Board(broker, made)
    wait_for(lambda: board.others.get(health) == {"uptime_s": 7.0}, "a retained value, which nobody sent anew")
    times = ["--since", "2026-11-21T03:00:30Z", "--until", "2026-11-21T06:00:00+02:00"]
    command = [sys.executable, "-m", "edge", "resend", "--config", str(path), *times]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "60 of 60 messages sent again, of events since 2026-11-21T03:00:30.000Z\n"
    wait_for(lambda: len(board.bodies) >= 60, "every message")
    assert [(body["id"], body["rev"]) for body in board.bodies] == [
        (f"id{number // 2:04}", 1 + number % 2) for number in range(60, 120)
    ]
    assert all(body["resent"] and body["late"] for body in board.bodies)
    assert set(board.topics) == {"laennec/v1/ward-b/edge-7/s/bed1/event"}
    assert service._in_flight.session == session  # nobody took its place
    service.stop()
    board.close()
    outbox.close()


def test_what_waited_under_a_wrong_site_goes_out_where_the_acl_lets_it(
    broker: Broker, made: Path, tmp_path: Path
) -> None:
    board = Board(broker, made)
    wrong, right = (load_config(ward(tmp_path, made, broker, site)) for site in ("ward-c", "ward-b"))
    outbox = Outbox(right.outbox_path(), 10, 1)
    refused = Dispatch(outbox, node_of(wrong), wrong.mqtt)
    refused.start()
    refused.send(event(node_of(wrong), 1))
    wait_for(lambda: refused.refusals.count == 1, "the refusal")
    assert refused.refusals.reason == "Not authorized"
    refused.stop()
    assert outbox.status.waiting == 1
    corrected = Dispatch(outbox, node_of(right), right.mqtt)
    corrected.start()
    wait_for(lambda: outbox.status.waiting == 0 and board.bodies, "the event")
    assert (board.topics, board.bodies[0]["site"]) == (["laennec/v1/ward-b/edge-7/s/bed1/event"], "ward-c")
    corrected.stop()
    board.close()
    outbox.close()
