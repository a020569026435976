"""A ward at a real broker that does what a test tells it: nodes and beds whose messages are made by hand."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.contract.fields import rfc3339
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.ward_messages import Body


class FakeWard:
    """Publishes states, retained, and answers commands as a node does."""

    def __init__(self, port: int, site: str = "ward-b", node: str = "box-1", boot_id: str = made.BOOT) -> None:
        self.node_topic, self.boot_id = f"{made.PREFIX}/{site}/{node}", boot_id
        self.beds: dict[str, dict[str, Body]] = {}
        self.orders: list[tuple[str, Body]] = []
        self.looks: list[tuple[str, float]] = []
        """Beds whose live picture was asked for, each with for how long, seconds."""
        self.look_refusal = ""
        """Why none is sent; empty: it is allowed."""
        self.listen_refusal = ""
        """The same of live sound."""
        self._ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self.client.max_inflight_messages_set(1000)
        self.client.on_connect = lambda client, *_: client.subscribe(f"{self.node_topic}/s/+/cmd/+/+", qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _c, _u, message: self._on_order(message)
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(60)

    def publish(self, levels: str, body: Body | bytes, retain: bool = True) -> None:
        """Publish one message below the node's topic."""
        payload = body if isinstance(body, bytes) else made.bytes_of(body)
        self.client.publish(f"{self.node_topic}/{levels}", payload, 1, retain)

    def publish_node(self, **changed: Any) -> None:
        """The node is there."""
        now_s = time.time()
        self.publish("status", made.status(now_s, self.boot_id))
        self.publish("health", made.health(now_s, self.boot_id, **changed))

    def publish_bed(self, bed: str, mode: str = "Operational", **changed: Body) -> None:
        """A quiet bed, or one of which some messages are others."""
        messages = made.quiet_bed(time.time(), self.boot_id, mode)
        messages |= {
            name.replace("alarm_", "alarm/").replace("signal_", "signal-"): body for name, body in changed.items()
        }
        self.beds[bed] = messages
        for levels, body in messages.items():
            self.publish(f"s/{bed}/{levels}", {**body, "boot_id": self.boot_id})

    def alarm(self, bed: str, condition: str = "continuous", **changed: Any) -> None:
        """One alarm of a bed is so from now on."""
        rev = self.beds[bed].get(f"alarm/{condition}", {"rev": 0})["rev"] + 1
        body = made.alarm(condition, time.time(), self.boot_id, **{"rev": rev, **changed})
        self.beds[bed][f"alarm/{condition}"] = body
        self.publish(f"s/{bed}/alarm/{condition}", body)

    def close(self) -> None:
        """Disconnect; nothing is cleared."""
        self.client.disconnect()
        self.client.loop_stop()

    def _on_order(self, message: paho.MQTTMessage) -> None:
        *_, bed, _, verb, user = message.topic.split("/")
        body = json.loads(message.payload)
        if verb == "look":
            self.looks.append((bed, body["duration_s"]))
        else:
            self.orders.append((verb, body))
        if verb == "acknowledge":
            at = rfc3339(time.time())
            before = self.beds[bed][f"alarm/{body['condition']}"]
            seen = {
                "signal": "Ack",
                "audible": False,
                "acknowledged": {"by": f"{body['by']} ({user})", "at": at, "why": ""},
            }
            after = {**before, **seen, "since": at, "ts": at, "rev": before["rev"] + 1}
            self.beds[bed][f"alarm/{body['condition']}"] = after
            self.publish(f"s/{bed}/alarm/{body['condition']}", after)
        reason = {"look": self.look_refusal, "listen": self.listen_refusal}.get(verb, "")
        answer = made.result(body["id"], verb, reason, stream=bed, boot_id=self.boot_id)
        self.publish(f"s/{bed}/result/{verb}/{user}", answer, retain=False)
