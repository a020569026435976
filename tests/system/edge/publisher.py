"""Stands for the nodes of a ward: messages of known contents, said again until the broker has acknowledged them."""

from __future__ import annotations

import json

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.edge.conftest import PATIENCE_S
from tests.edge.server.exports.messages import BED, event


class Publisher:
    """A client that connects again by itself."""

    def __init__(self, port: int) -> None:
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "nodes", protocol=paho.MQTTv5)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, and wait until the broker has it."""
        self.client.publish(topic, payload, 1).wait_for_publish(PATIENCE_S)

    def event(self, number: int) -> None:
        """The onset of a sound of its own, with its own `seq`."""
        self.publish(f"{BED}/event", json.dumps(numbered(number)).encode())

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()


def numbered(number: int) -> dict[str, object]:
    """An onset with an id and a `seq` of its own."""
    ident = f"01M82V69XRES0V4E6QY2D{number:05d}"
    return {**event("onset", 1, None), "id": ident, "seq": number + 1, "seq_start": 1}
