"""A device that stays away: no stop of its node ends the alarm, but an operator who takes the bed out does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import edge.delivery.dispatch
import edge.node.alarms
import edge.node.service
import edge.node.stream
from edge.commands.demo_broker import Broker
from edge.delivery.outbox import Outbox
from edge.node.service import Service
from edge.settings.node import parse_config
from edge.sources.source import Wait
from edge.types import Block, Gap
from tests.edge.conftest import PATIENCE_S, Watcher, wait_for
from tests.edge.fakes import Bursts, LoudnessModel

ALARM = "s/bed1/alarm/signal-lost"


class Absent(Bursts):
    """A device of which nothing comes."""

    def __init__(self) -> None:
        super().__init__(1000, pace=True)

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        while not stop.is_set():
            yield Wait(0.02)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bed of which nothing came for a moment is lost."""
    for name in ("STREAMS_END_S", "CLOSE_S", "LAST_DELIVERY_S"):  # a busy machine may take its time to end
        monkeypatch.setattr(edge.node.service, name, PATIENCE_S)
    monkeypatch.setattr(edge.node.alarms, "STOPPED_S", PATIENCE_S)
    monkeypatch.setattr(edge.delivery.dispatch, "STOPPED_S", PATIENCE_S)
    monkeypatch.setattr(edge.node.stream, "STALL_S", 0.2)


class Running:
    """A node whose beds have such devices, in this process."""

    def __init__(self, port: int, folder: Path, *beds: str) -> None:
        tree = {
            "node": "node",
            "mqtt": {"port": port, "will_delay_s": 0},
            "streams": [{"id": bed, "source": "absent"} for bed in beds],
            "alarms": {"technical": {"signal-lost": {"delay_s": 0}}},
        }
        self.outbox, self.stop = Outbox(folder / "outbox.db", 10, 1), threading.Event()
        model: Any = LoudnessModel()
        service = Service(parse_config(tree, "test"), model, [Absent() for _ in beds], self.outbox)
        self.thread = threading.Thread(target=service.run, args=(self.stop,))
        self.thread.start()

    def close(self) -> None:
        """As by SIGTERM."""
        self.stop.set()
        self.thread.join()
        self.outbox.close()


def changes(watcher: Watcher) -> list[tuple[str, str]]:
    return [(body["cause"], body["signal"]) for body in watcher.bodies(f"{ALARM}/transition")]


def test_a_node_that_is_stopped_while_a_device_is_away_does_not_end_its_alarm(
    broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    with closing(Running(broker.port, tmp_path, "bed1", "bed2")):
        wait_for(lambda: [body for body in watcher.bodies(ALARM) if body["signal"] == "On"], "the alarm")
    watcher.wait_for_goodbye()
    assert changes(watcher) == [("raised", "On")], "nobody has heard of the device since"
    last = watcher.bodies(ALARM)[-1]
    assert (last["signal"], last["presence"], last["validity"]) == ("On", True, "NA")
    with closing(Running(broker.port, tmp_path, "bed2")):  # the operator takes the bed out of the settings
        wait_for(lambda: len(changes(watcher)) == 2, "its end")
    assert changes(watcher)[-1] == ("not configured", "Off")
