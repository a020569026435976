"""Somebody who gives commands: an ordinary MQTT client, in MQTT 5 with request and response or in 3.1.1 without."""

from __future__ import annotations

import json
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.edge.conftest import PATIENCE_S, SCHEMAS, wait_for

BED = "laennec/v1/ward/node/s/bed1"


class Staff:
    """One terminal."""

    def __init__(self, port: int, name: str = "board", v5: bool = True) -> None:
        self.answers: list[tuple[str, bytes | None, dict[str, Any]]] = []
        """Topic, correlation data and body of each, in order of arrival."""
        self.name, self._v5, ready = name, v5, threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5 if v5 else paho.MQTTv311)
        self.client.on_connect = lambda client, *_: client.subscribe(f"laennec/v1/+/+/s/+/result/+/{name}/#", 1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = lambda _c, _u, message: self._on_answer(message)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(PATIENCE_S)

    def send(
        self, verb: str, where: str = BED, answer_to: str | None = None, retain: bool = False, **body: Any
    ) -> None:
        """Give a command; in MQTT 5 with correlation data of its id."""
        properties = None
        if self._v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.CorrelationData = str(body.get("id", "")).encode() + b"\x00\xff"
            properties.MessageExpiryInterval = 60
            if answer_to is not None:
                properties.ResponseTopic = answer_to
        self.client.publish(f"{where}/cmd/{verb}/{self.name}", json.dumps(body), 1, retain, properties)

    def request(self, verb: str, where: str = BED, answer_to: str | None = None, **body: Any) -> dict[str, Any]:
        """Give a command and wait for its answer."""
        before = len(self.answers)
        self.send(verb, where, answer_to, **body)
        wait_for(lambda: len(self.answers) > before, f"the answer to {verb}")
        return self.answers[before][2]

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()

    def _on_answer(self, message: paho.MQTTMessage) -> None:
        body = json.loads(message.payload)
        SCHEMAS["laennec.result/1"].validate(body)
        self.answers.append((message.topic, getattr(message.properties, "CorrelationData", None), body))
