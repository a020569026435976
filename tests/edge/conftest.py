"""What tests of several rooms share: an ordinary client of a broker, the log, a signer of models and a model store."""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

import edge
from tests.edge.signed_releases import Signer

PATIENCE_S = 180.0  # no test waits this long unless it fails


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`; fails after `PATIENCE_S`."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        if time.monotonic() > deadline_s:
            pytest.fail(f"waited {PATIENCE_S:.0f} s for {what}")
        time.sleep(0.02)
    return value


def _schemas() -> dict[str, jsonschema.protocols.Validator]:
    """The published schemas, by id."""
    texts = [path.read_text() for path in (Path(edge.__file__).parent / "contract" / "schema").glob("*.json")]
    return {tree["$id"]: jsonschema.Draft202012Validator(tree) for tree in map(json.loads, texts)}


SCHEMAS = _schemas()
OF_A_NODE = sorted(SCHEMAS.keys() - {"laennec.ingest/1"})
"""What a node speaks; the rest is of those who listen."""


class Watcher:
    """A consumer: keeps every message of the tree; connects again by itself."""

    def __init__(self, port: int, v5: bool = True) -> None:
        self.port = port
        self.messages: list[tuple[str, bool, dict[str, Any]]] = []
        self.cleared: list[str] = []
        """Topics of which nothing is retained any more."""
        self._ready = threading.Event()
        protocol = paho.MQTTv5 if v5 else paho.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self.client.on_connect = lambda *_: self._subscribe()
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _c, _u, message: self._keep(message)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(PATIENCE_S)

    def _subscribe(self) -> None:
        self.client.subscribe("laennec/v1/#", qos=1)

    def _keep(self, message: paho.MQTTMessage) -> None:
        if message.payload:  # an empty one clears what was retained
            self.messages.append((message.topic, message.retain, json.loads(message.payload)))
        else:
            self.cleared.append(message.topic)

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        """Bodies of the messages whose topic ends so, in order of arrival."""
        return [body for topic, _, body in list(self.messages) if topic.endswith(ending)]

    def catch_up(self) -> None:
        """Until everything that the broker has for it by now has come: its own message comes behind that."""
        mark = "laennec/v1/end"
        self.client.publish(mark, b"{}", 1)
        (own,) = wait_for(lambda: [each for each in list(self.messages) if each[0] == mark], "its own message")
        self.messages.remove(own)

    def wait_for_goodbye(self) -> None:
        """Until the last word of a node has come, which a busy machine may keep `laennec run` from; then `catch_up`."""
        wait_for(lambda: self._states()[-1:] == ["stopped"], "the goodbye")

    def _states(self) -> list[str]:
        """Of nodes, not of beds."""
        reported = [each for each in list(self.messages) if each[0].endswith("/status") and "/s/" not in each[0]]
        return [body["state"] for _, _, body in reported]

    def close(self) -> None:
        """Disconnect; whatever came must be as its schema says."""
        self.client.disconnect()
        self.client.loop_stop()
        for topic, _, body in self.messages:
            if "schema" in body:  # not what a test made up
                assert body["schema"] in SCHEMAS, f"{topic}: {body['schema']} has no file in edge/contract/schema"
                SCHEMAS[body["schema"]].validate(body)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The log of this package, whatever was set up before."""
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    return caplog


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """A workstation whose key the box trusts."""
    return Signer(tmp_path)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """The folder of a signer whose box has two releases; made once, for each is tried in a process of its own."""
    signer = Signer(tmp_path_factory.mktemp("two"))
    store = signer.store()
    older, newer = (store.install(signer.package(f"day{days}", days)).sha256 for days in (0, 1))
    store.promote(older)
    store.promote(newer)
    return signer.folder, older, newer


@pytest.fixture
def two(signer: Signer, installed: tuple[Path, str, str]) -> tuple[str, str]:
    """Two installed releases, the older promoted first and the newer now active; with the keys of who signed them."""
    folder, older, newer = installed
    shutil.copytree(folder, signer.folder, dirs_exist_ok=True)
    return older, newer
