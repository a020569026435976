"""The retained status of a node: it obeys its schema, and a dead node does not stay `online` in a broker's store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery import dispatch
from edge.delivery.dispatch import Dispatch
from edge.delivery.outbox import Outbox
from edge.settings.broker import Mqtt
from tests.edge.conftest import PATIENCE_S, Watcher, wait_for
from tests.edge.node.test_status import NODE


def persistent(folder: Path) -> str:
    """Settings of a mosquitto that keeps its store in `folder`, written after each change."""
    lines = ["allow_anonymous true", "persistence true", f"persistence_location {folder}/", "autosave_interval 1"]
    return "\n".join([*lines, "autosave_on_changes true", *["user root"] * (os.geteuid() == 0)])


def test_a_living_node_says_that_it_is_online_again_before_that_expires(
    tmp_path: Path, broker: Broker, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "STATUS_EXPIRY_S", 3)  # so it is said each second
    monkeypatch.setattr(dispatch, "STOPPED_S", PATIENCE_S)  # on a busy machine
    outbox = Outbox(tmp_path / "outbox.db", 10, 1)
    node = Dispatch(outbox, NODE, Mqtt(port=broker.port))
    node.start()
    message = wait_for(lambda: len(found := watcher.bodies("/status")) >= 6 and found, "six births")
    assert {(body["state"], body["session"]) for body in message} == {("online", message[0]["session"])}
    later = Watcher(broker.port)
    wait_for(lambda: later.bodies("/status"), "a status that is retained after its first expiry")
    later.close()
    node.stop()
    wait_for(lambda: watcher.bodies("/status")[-1]["state"] == "stopped", "the goodbye")
    outbox.close()


def test_a_node_that_died_together_with_its_broker_does_not_stay_online(tmp_path: Path) -> None:
    port, store = free_port(), tmp_path / "store"
    store.mkdir()
    arguments = [str(port), str(tmp_path / "o.db"), "1000", "pace"]
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", *arguments]
    with Broker("mosquitto", port, persistent(store)) as broker:
        watcher = Watcher(port)
        node = subprocess.Popen(command, env={**os.environ, "STATUS_EXPIRY_S": "6"}, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: watcher.bodies("node/status"), "the birth")
            wait_for(lambda: b"online" in stored(store), "the birth in the broker's store")
        finally:
            broker.kill()  # first, so that nobody is left to say `offline`
            node.kill()
            node.wait()
            watcher.close()
    assert b"online" in stored(store)
    assert b"offline" not in stored(store)
    with Broker("mosquitto", port, persistent(store)):
        wait_for(lambda: retained(port) == "", "the end of the retained status")


def stored(folder: Path) -> bytes:
    """What the broker has in its store; nothing before it wrote for the first time."""
    path = folder / "mosquitto.db"
    return path.read_bytes() if path.exists() else b""


def retained(port: int) -> str:
    """The state that a consumer finds who comes now."""
    watcher = Watcher(port)
    watcher.catch_up()
    states = [body["state"] for body in watcher.bodies("node/status")]
    watcher.close()
    return str(states[-1]) if states else ""
