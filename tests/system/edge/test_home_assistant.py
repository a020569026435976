"""A node that announces its beds at a real broker: retained for who comes later, gone when it is switched off."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from edge.delivery.messages import Node
from edge.delivery.mqtt_client import ClientFactory
from edge.delivery.one_off_session import OneOffSession
from edge.node import alarms as alarm_service
from edge.node.home_assistant import announcement, beds_of
from edge.settings.broker import Mqtt
from edge.settings.node import Stream
from edge.settings.sections import HomeAssistant
from edge.sources.file_search import DEMO_AUDIO
from edge.ward.alarm_records import Key
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from tests.edge.server.exports.discovery import DISCOVERY, render
from tests.system.edge.alarms_under_test import Ward

CONFIG = "homeassistant/device/laennec_local_n/{}/config"


def run(folder: Path, port: int, *streams: str, **settings: object) -> None:
    """A node with these streams, to the end of its files."""
    tree = {
        "node": "n",
        "mqtt": {"port": port},
        "outbox": {"path": "o.db"},
        **settings,
        "streams": [{"id": each, "source": str(DEMO_AUDIO), "pace": False} for each in streams],
    }
    (folder / "ward.yaml").write_text(json.dumps(tree))
    command = [sys.executable, "-m", "edge", "run", "--config", str(folder / "ward.yaml")]
    subprocess.run(command, check=True, capture_output=True, timeout=HANGS_S)


def retained(port: int, *filters: str) -> dict[str, dict[str, Any]]:
    """What a Home Assistant finds that starts now."""
    with OneOffSession(ClientFactory(Mqtt(port=port), "home-assistant")) as session:
        session.subscribe((*filters, "end"))
        assert session.publish("end", b"{}", 60) is not None
        assert session.wait_for_message("end", HANGS_S)  # which comes behind what the broker retains
        return {topic: json.loads(payload) for topic, payload in session.received.items() if topic != "end"}


def test_beds_are_announced_withdrawn_one_by_one_and_all_of_them_when_it_is_switched_off(
    tmp_path: Path, broker: Broker
) -> None:
    run(tmp_path, broker.port, "bed1", "bed2", home_assistant={"user": "ha"})
    found = retained(broker.port, "homeassistant/#")
    assert found.keys() == {CONFIG.format("bed1"), CONFIG.format("bed2")}
    for body in found.values():
        DISCOVERY.validate(body)
    run(tmp_path, broker.port, "bed1", home_assistant={"user": "ha"})
    assert retained(broker.port, "homeassistant/#").keys() == {CONFIG.format("bed1")}
    run(tmp_path, broker.port, "bed1")
    assert retained(broker.port, "homeassistant/#") == {}


def test_every_topic_of_an_announcement_is_one_that_the_node_says(tmp_path: Path, broker: Broker) -> None:
    run(tmp_path, broker.port, "bed1", home_assistant={})
    message = retained(broker.port, "laennec/#")
    entities = retained(broker.port, "homeassistant/#")[CONFIG.format("bed1")]
    topics = {each[key] for each in entities["components"].values() for key in each if key.endswith("_topic")}
    topics |= {each["topic"] for each in entities["availability"]}
    rate = "laennec/v1/local/n/s/bed1/breath"  # said each 5 s: a file at full speed may have ended before
    assert rate in topics
    assert topics - {rate} <= message.keys()
    shown = {
        name: render(each["value_template"], message[each["state_topic"]])
        for name, each in entities["components"].items()
        if each["state_topic"] in message
    }
    assert 0 < float(shown["burden_continuous"] if shown["burden_continuous"] != "None" else 1) <= 60
    assert 0 <= float(shown["coverage"]) <= 100
    assert shown["quality"] == "disabled"
    assert shown["alarm_continuous"] == "None", "mode Test alarms nobody"


def test_the_button_of_a_bed_acknowledges_its_alarm(
    broker: Broker, watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.02)
    ward = Ward(broker.port, tmp_path)
    node = Node("laennec/v1", "ward", "node", "Test", "00000000")
    (bed,) = beds_of([Stream(id="bed1", source="mic")], ["continuous"], [Key("bed1", "continuous")])
    button = announcement(node, HomeAssistant(user="ha"), bed)["components"]["acknowledge"]
    ward.burden = 20.0
    ward.start()
    try:
        topic = "s/bed1/alarm/continuous"
        wait_for(lambda: (message := watcher.bodies(topic)) and message[-1]["signal"] == "On", "the alarm")
        watcher.client.publish(button["command_topic"], render(button["command_template"]), 1)
        wait_for(lambda: watcher.bodies(topic)[-1]["signal"] == "Ack", "the acknowledgement")
        assert watcher.bodies(topic)[-1]["acknowledged"]["by"] == "Home Assistant (ha)"
    finally:
        ward.stop()
