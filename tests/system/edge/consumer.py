"""A consumer that shares nothing with the detector: it keeps its session at the broker, and counts by (id, rev)."""

from __future__ import annotations

import json
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

TOPICS = ("laennec/v1/+/+/s/+/event", "laennec/v1/+/+/s/+/alarm/+/transition", "laennec/v1/+/+/alarm/+/transition")
KEEPING = """allow_anonymous true
user root
persistence true
persistence_location {}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 0
"""


class Consumer:
    """Subscribes to events and changes of alarms with a session that outlives broken connections."""

    def __init__(self, port: int) -> None:
        self.events: list[dict[str, Any]] = []
        """In order of arrival, copies included."""
        self.transitions: list[dict[str, Any]] = []
        """The same."""
        self._ready = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, "consumer", protocol=paho.MQTTv5)
        self.client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in TOPICS])
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _c, _u, message: self._take(message.topic, json.loads(message.payload))
        self.client.reconnect_delay_set(1, 1)
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 86400
        self.client.connect("127.0.0.1", port, clean_start=False, properties=session)
        self.client.loop_start()
        assert self._ready.wait(60)

    def _take(self, topic: str, body: dict[str, Any]) -> None:
        (self.events if topic.endswith("/event") else self.transitions).append(body)

    def first_sights(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Each event once, in the order in which it was first seen."""
        seen: dict[tuple[str, int], dict[str, Any]] = {}
        for body in list(self.events):
            seen.setdefault((body["id"], body["rev"]), body)
        return seen

    def overtaken(self) -> list[str]:
        """The ids whose end was seen before their onset."""
        order = list(self.first_sights())
        place = {key: number for number, key in enumerate(order)}
        return [ident for ident, rev in order if rev == 2 and place.get((ident, 1), -1) > place[(ident, 2)]]

    def seqs_used_twice(self) -> list[int]:
        """The numbers that two different messages had."""
        meant: dict[int, set[tuple[str, int]]] = {}
        for body in list(self.events):
            meant.setdefault(body["seq"], set()).add((body["id"], body["rev"]))
        return [seq for seq, keys in meant.items() if len(keys) > 1]

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()


def mistakes(events: list[dict[str, Any]], open_at_end: bool = False) -> list[str]:
    """What is wrong with events as they arrived, by what any consumer may rely on; copies of a message are allowed.

    Each event has an onset, revs from 1 on without a hole, and an end, which is its last; what comes again is the same.

    Args:
        events: in order of arrival.
        open_at_end: whether the last of an event may not have come yet.
    """
    revs: dict[str, dict[int, dict[str, Any]]] = {}
    wrong = []
    for body in events:
        known = revs.setdefault(body["id"], {})
        before = known.setdefault(body["rev"], body)
        if _lasting(before) != _lasting(body):
            wrong.append(f"{body['id']} rev {body['rev']} came twice and differs")
        if before is body and body["rev"] != len(known):
            wrong.append(f"{body['id']} rev {body['rev']} came as the {len(known)}th")
    for ident, known in revs.items():
        types = [known[rev]["type"] for rev in sorted(known)]
        is_whole = types[0] == "onset" and types[-1] == "end" and set(types[1:-1]) <= {"update"}
        if sorted(known) != list(range(1, len(known) + 1)) or not (is_whole or (open_at_end and "end" not in types)):
            wrong.append(f"{ident} has {types}, revs {sorted(known)}")
    return wrong


def _lasting(body: dict[str, Any]) -> dict[str, Any]:
    """What a message says whenever it is sent."""
    return {key: body[key] for key in ("id", "rev", "type", "seq", "stream", "label", "sample", "boot_id", "scores")}
