"""`python -m tests.benchmarks.delivery`: messages a second from a node to a local mosquitto, and what each costs.

Onsets and ends of sounds through outbox and session, each on disk before it is sent, counted where a subscriber gets
them. Beside it, in the same run, the same messages by paho alone, which keeps nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

import paho.mqtt.client as mqtt

from edge.commands.demo_broker import Broker, free_port
from edge.contract.events import EVENT_EXPIRY_S
from edge.delivery.dispatch import INBOX_MESSAGES, Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.outbox import Outbox
from edge.settings.broker import Mqtt

NODE = Node("laennec/v1", "ward", "node", "Bench", "0badcafe", "0123abcd")
TOPIC = NODE.topic("s", "bed1", "event")
PEAKS = {"wheeze": 0.91, "rhonchus": 0.12, "stridor": 0.02, "crackle": 0.33}


def event(number: int, rev: int) -> Message:
    """About as large as a real one."""
    about = {"schema": "laennec.event/1", "id": f"id{number}", "rev": rev, "stream": "bed1", "label": "wheeze"}
    body = {**about, "type": "onset" if rev == 1 else "end", "scores": {"peak": PEAKS}, "time": {"onset": "2026-01-01"}}
    return Message(TOPIC, body, EVENT_EXPIRY_S, (f"id{number}", rev))


class Subscriber:
    """Counts what arrives."""

    def __init__(self, port: int) -> None:
        self.count = 0
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("laennec/#", 1)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.count += message.topic.endswith("/event")

    def close(self) -> None:
        """End the connection."""
        self._client.disconnect()
        self._client.loop_stop()


def ours(port: int, seconds: float) -> tuple[float, float]:
    """Messages a second, and milliseconds of a core for each (this process: outbox, session and subscriber)."""
    with tempfile.TemporaryDirectory() as folder, closing(Outbox(Path(folder) / "outbox.db", 100, 1)) as outbox:
        dispatch, subscriber = Dispatch(outbox, NODE, Mqtt(port=port)), Subscriber(port)
        with closing(subscriber):
            dispatch.start()
            while not dispatch.is_connected:
                time.sleep(0.05)
            begin_s, cpu_s, number = time.perf_counter(), time.process_time(), 0
            while time.perf_counter() - begin_s < seconds:
                if number - subscriber.count < INBOX_MESSAGES // 2:
                    dispatch.send(event(number // 2, 1 + number % 2))
                    number += 1
                else:
                    time.sleep(0.001)
            while subscriber.count < number:
                time.sleep(0.001)
            taken_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
            dispatch.stop()
    return number / taken_s, 1000 * cpu_s / number


def paho_alone(port: int, seconds: float) -> tuple[float, float]:
    """The same of paho without a disk."""
    subscriber, client = Subscriber(port), mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    payload = os.urandom(300)
    with closing(subscriber):
        time.sleep(0.5)
        begin_s, cpu_s, number = time.perf_counter(), time.process_time(), 0
        while time.perf_counter() - begin_s < seconds:
            if number - subscriber.count < INBOX_MESSAGES // 2:
                client.publish(TOPIC, payload, qos=1)
                number += 1
            else:
                time.sleep(0.001)
        while subscriber.count < number:
            time.sleep(0.001)
        taken_s, cpu_s = time.perf_counter() - begin_s, time.process_time() - cpu_s
    client.disconnect()
    client.loop_stop()
    return number / taken_s, 1000 * cpu_s / number


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each (default: %(default)s)")
    seconds = parser.parse_args().seconds
    port = free_port()
    with Broker("mosquitto", port, "allow_anonymous true\nmax_inflight_messages 0\n"):
        for name, measure in (("laennec", ours), ("paho alone", paho_alone)):
            rate, cost_ms = measure(port, seconds)
            print(f"{name:<12} {rate:7.0f} messages/s {cost_ms:7.3f} ms of a core each")


if __name__ == "__main__":
    main()
