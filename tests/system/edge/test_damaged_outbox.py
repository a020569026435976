"""The outbox of a running node is damaged: its alarms go on at the broker, and are in the file that replaces it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker
from edge.delivery.outbox_reading import alarm_log
from edge.node import alarms as alarm_service
from edge.ward.alarm_records import Key, Transition
from tests.edge.conftest import Watcher, wait_for
from tests.system.edge.alarms_under_test import Ward

ALARM = "s/bed1/alarm/continuous"


def test_an_alarm_goes_on_and_is_in_the_new_file(
    broker: Broker, watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarm_service, "LOOK_S", 0.02)
    ward, path = Ward(broker.port, tmp_path), tmp_path / "outbox.db"
    ward.burden = 20.0
    ward.start()
    wait_for(lambda: watcher.bodies(f"{ALARM}/transition"), "that it was raised")
    with closing(sqlite3.connect(path)) as other:  # the pages come from the file again, and not from the WAL
        wait_for(lambda: other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0, "a checkpoint")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (path.stat().st_size - 4096))
    ward.burden = 0.0
    wait_for(lambda: [each["cause"] for each in watcher.bodies(f"{ALARM}/transition")] == ["raised", "cleared"], "both")
    wait_for(lambda: list(tmp_path.glob("outbox.db.damaged-*")), "the damaged one beside it")
    ward.stop()
    found = [each for each in alarm_log(path).records if isinstance(each, Transition)]
    signals = [each.state.signal for each in found if each.key == Key("bed1", "continuous")]
    assert signals[-1] == "Latch"
