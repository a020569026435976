"""A disk that does not answer: alarms reach an ordinary client from memory, marked so, and nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import edge.delivery.database
import edge.delivery.dispatch
from edge.commands.demo_broker import Broker
from edge.node import alarms as alarm_service
from tests.edge.conftest import PATIENCE_S, Watcher, wait_for
from tests.edge.outboxes import refusing
from tests.system.edge.alarms_under_test import Ward

ALARM = "s/bed1/alarm/continuous"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks are close together; a write waits for its disk as long as the disk likes."""
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.02)
    monkeypatch.setattr(alarm_service, "STALLED_S", 0.2)
    monkeypatch.setattr(edge.delivery.dispatch, "STALLED_S", 0.2)
    monkeypatch.setattr(edge.delivery.database, "BUSY_S", PATIENCE_S)


def last(watcher: Watcher, alarm: str) -> dict[str, Any]:
    return next(iter(watcher.bodies(alarm)[::-1]), {})


def test_an_alarm_does_not_wait_for_a_disk_and_is_marked_until_the_disk_has_it(
    broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    ward = Ward(broker.port, tmp_path)
    ward.burden = 20.0
    ward.start()
    wait_for(lambda: watcher.bodies(f"{ALARM}/transition"), "a first transition, so that there is a log")
    ward.burden = 0.0
    wait_for(lambda: last(watcher, ALARM).get("signal") == "Latch", "its end")
    assert last(watcher, ALARM)["durable"] is True
    wait_for(lambda: len(watcher.bodies(f"{ALARM}/transition")) == 2, "that this is told, too")
    with refusing(tmp_path / "outbox.db"):  # SQLite waits for a lock
        ward.burden = 20.0
        reported = wait_for(lambda: (body := last(watcher, ALARM)).get("signal") == "On" and body, "the alarm")
        assert (reported["durable"], reported["presence"]) == (False, True)
        for storage in ("node/alarm/outbox", "node/alarm/alarm-log"):
            wait_for(lambda of=storage: [body for body in watcher.bodies(of) if body["signal"] == "On"], storage)
        ward.burden = 0.0
        wait_for(lambda: last(watcher, ALARM).get("signal") == "Latch", "what becomes of it, in the same stall")
        before = [body["cause"] for body in watcher.bodies(f"{ALARM}/transition")]
        assert before == ["raised", "cleared"], "its changes wait for the disk"
    wait_for(lambda: last(watcher, ALARM)["durable"], "that the disk has it")
    causes = ["raised", "cleared", "returned", "cleared"]
    wait_for(lambda: len(watcher.bodies(f"{ALARM}/transition")) >= 4, "the changes")
    changes = {body["rev"]: body["cause"] for body in watcher.bodies(f"{ALARM}/transition")}
    assert [cause for _, cause in sorted(changes.items())][:2] == causes[:2]
    assert last(watcher, ALARM)["signal"] == "Latch"
    wait_for(lambda: last(watcher, "node/alarm/alarm-log").get("presence") is False, "the end of the storage alarm")
    ward.stop()
