"""The retained status of a node: it obeys its schema, and a dead node does not stay `online` in a broker's store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import edge
from edge.commands.demo.broker import Broker, free_port
from edge.delivery import dispatch
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Node, status_body, stream_status_body
from edge.delivery.outbox import Outbox
from edge.settings.config import Mqtt
from tests.edge.conftest import Watcher, wait_for

SCHEMAS = Path(edge.__file__).parent / "delivery" / "schema"
NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")


def faults(name: str, body: dict[str, Any]) -> list[str]:
    schema = jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))
    return [fault.message for fault in schema.iter_errors(body)]


def persistent(folder: Path) -> str:
    """Settings of a mosquitto that keeps its store in `folder`, written after each change."""
    lines = ["allow_anonymous true", "persistence true", f"persistence_location {folder}/", "autosave_interval 1"]
    return "\n".join([*lines, "autosave_on_changes true", *["user root"] * (os.geteuid() == 0)])


@pytest.mark.parametrize("state", ["online", "offline", "stopped"])
def test_the_status_of_a_node_obeys_its_schema(state: str) -> None:
    assert faults("status", status_body(NODE, state, "a-1", 1.8e9)) == []


@pytest.mark.parametrize(("state", "reason"), [("ok", ""), ("disabled", "stopped"), ("lost", "no sound arrives")])
def test_the_status_of_a_stream_obeys_its_schema(state: str, reason: str) -> None:
    assert faults("stream", stream_status_body(NODE, state, reason, 1.8e9, 1.8e9 + 1)) == []


@pytest.mark.system
def test_a_living_node_says_that_it_is_online_again_before_that_expires(
    tmp_path: Path, broker: Broker, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "STATUS_EXPIRY_S", 3)  # so it is said each second
    outbox = Outbox(tmp_path / "outbox.db", 10, 1)
    node = Dispatch(outbox, NODE, Mqtt(port=broker.port))
    node.start()
    said = wait_for(lambda: len(found := watcher.bodies("/status")) >= 6 and found, "six births")
    assert {(body["state"], body["session"]) for body in said} == {("online", said[0]["session"])}
    later = Watcher(broker.port)
    wait_for(lambda: later.bodies("/status"), "a status that is retained after its first expiry")
    later.close()
    node.stop()
    wait_for(lambda: watcher.bodies("/status")[-1]["state"] == "stopped", "the goodbye")
    outbox.close()


@pytest.mark.system
def test_a_node_that_died_together_with_its_broker_does_not_stay_online(tmp_path: Path) -> None:
    port, store = free_port(), tmp_path / "store"
    store.mkdir()
    arguments = [str(port), str(tmp_path / "o.db"), "1000", "pace"]
    command = [sys.executable, "-m", "tests.edge.node_under_test", *arguments]
    with Broker("mosquitto", port, persistent(store)) as broker:
        watcher = Watcher(port)
        node = subprocess.Popen(command, env={**os.environ, "STATUS_EXPIRY_S": "6"}, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: watcher.bodies("node/status"), "the birth")
            wait_for(lambda: b"online" in (store / "mosquitto.db").read_bytes(), "the birth in the broker's store")
        finally:
            broker.kill()  # first, so that nobody is left to say `offline`
            node.kill()
            node.wait()
            watcher.close()
    assert b"online" in (store / "mosquitto.db").read_bytes()
    assert b"offline" not in (store / "mosquitto.db").read_bytes()
    with Broker("mosquitto", port, persistent(store)):
        wait_for(lambda: retained(port) == "", "the end of the retained status")


def retained(port: int) -> str:
    """The state that a consumer finds who comes now."""
    watcher = Watcher(port)
    done: list[int] = []
    watcher.client.on_publish = lambda _c, _u, mid, _r, _p: done.append(mid)
    watcher.client.publish("end", b"{}", 1)  # its answer comes behind anything retained
    wait_for(lambda: done, "the broker's answer")
    states = [body["state"] for body in watcher.bodies("node/status")]
    watcher.close()
    return str(states[-1]) if states else ""
