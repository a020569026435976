"""A network that is slow to acknowledge: whoever listens is told that events come late."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

import edge.delivery.latency
import edge.delivery.session
import edge.node.alarm_inputs
import edge.node.health
import edge.node.service
import edge.node.stream_status
from edge.commands.demo_broker import Broker
from edge.delivery.outbox import Outbox
from edge.node.service import Service
from edge.settings.node import parse_config
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.streaming import made_ready

DELAY_S = 0.4  # of what the broker answers


class SlowWire:
    """Stands between a node and its broker; what the broker answers takes its time."""

    def __init__(self, broker_port: int) -> None:
        self._broker_port = broker_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                node, _ = self._listener.accept()
                broker = socket.create_connection(("127.0.0.1", self._broker_port))
                late: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                threading.Thread(target=self._copy, args=(node, broker.sendall), daemon=True).start()
                delayed = lambda part, late=late: late.put((time.monotonic() + DELAY_S, part))  # noqa: E731
                threading.Thread(target=self._copy, args=(broker, delayed), daemon=True).start()
                threading.Thread(target=self._deliver, args=(late, node), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, send: Any) -> None:
        with suppress(OSError):
            while part := source.recv(4096):
                send(part)
        with suppress(OSError):
            send(b"")

    @staticmethod
    def _deliver(late: queue.SimpleQueue[tuple[float, bytes]], node: socket.socket) -> None:
        with suppress(OSError):
            while (item := late.get())[1]:
                time.sleep(max(0.0, item[0] - time.monotonic()))
                node.sendall(item[1])
        node.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def slow(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A node with two events a second, one message on its way at a time, and acknowledgements that take their time."""
    made_ready()
    for module in (edge.delivery.latency, edge.node.alarm_inputs, edge.node.health, edge.node.stream_status):
        monkeypatch.setattr(module, "LATE_S", 2.5)
    monkeypatch.setattr(edge.delivery.session, "RECEIVE_MAXIMUM", 1)
    monkeypatch.setattr(edge.node.service, "HEALTH_S", 2.0)
    with closing(SlowWire(broker.port)) as wire, closing(Outbox(tmp_path / "outbox.db", 10, 1)) as outbox:
        tree = {
            "node": "node",
            "mqtt": {"port": wire.port, "will_delay_s": 0},
            "streams": [{"id": "bed1", "source": "x", "pace": True}],
            "alarms": {"technical": {"delivery": {"delay_s": 0}}},
        }
        model: Any = LoudnessModel()
        stop = threading.Event()
        service = Service(parse_config(tree, "test"), model, [Bursts(1000, True)], outbox)
        thread = threading.Thread(target=service.run, args=(stop,))
        thread.start()
        yield
        stop.set()
        thread.join()


def test_events_that_reach_the_broker_late_are_told_by_event_stream_health_and_alarm(
    slow: None, watcher: Watcher
) -> None:
    late = "events that are marked; fewer were decided before the connection was up"
    wait_for(lambda: sum(each["late"] for each in watcher.bodies("bed1/event")) >= 8, late)

    def says_so(status: dict[str, Any]) -> bool:
        return status["state"] == "degraded" and str(status["reason"]).startswith("events reach the broker after ")

    wait_for(lambda: any(map(says_so, watcher.bodies("bed1/status"))), "a stream that says so")

    def reported() -> list[dict[str, Any]]:
        bodies = [body["delivery"] for body in watcher.bodies("node/health") if body["checks"]["delivery"] == "warn"]
        return [each for each in bodies if each["late_streams"] and each["stages_ms"]]

    (health, *_) = wait_for(reported, "health")
    assert health["lag_s"] > 2.5
    assert set(health["stages_ms"]) == {"sound", "window", "scored", "disk", "wire", "total", "ack"}
    assert health["stages_ms"]["ack"] >= 1000 * DELAY_S * 0.9
    wait_for(lambda: any(body["signal"] == "On" for body in watcher.bodies("node/alarm/delivery")), "the alarm")
