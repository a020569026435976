"""What was open when a process died is ended by the next one, also where the outbox cannot be read at once."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import edge.delivery.dispatch
import edge.node.service
from edge.contract.fields import Body
from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.node.service import Service
from edge.settings.node import parse_config
from tests.edge.conftest import PATIENCE_S
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.outboxes import ALL

ID = "01M82V69XRES0V4E6QY2DZ65JA"


def test_an_outbox_that_cannot_be_read_is_asked_again_for_what_is_open(tmp_path: Path) -> None:
    path, config = tmp_path / "o.db", parse_config({"node": "n", "streams": [{"id": "bed1", "source": "x"}]}, "test")
    times = {"onset": "2026-11-22T23:59:16.920Z", "end": None, "published": None}
    onset = {
        "id": ID,
        "rev": 1,
        "type": "onset",
        "boot_id": "00000000",
        "stream": "bed1",
        "time": times,
        "sample": {"rate": 8000, "onset": 5, "end": None},
    }
    with closing(Outbox(path, 10, 1)) as outbox:
        outbox.put([Message("t/s/bed1/event", onset, 60, (ID, 1))])
        service = Service(config, LoudnessModel(), [Bursts(1, False)], outbox)  # type: ignore[arg-type]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("ALTER TABLE event RENAME TO away")
            service._end_orphaned_events()
            other.execute("ALTER TABLE away RENAME TO event")
        assert [entry.event for entry in outbox.waiting(0, ALL, 9)] == [(ID, 1)]
        for _ in range(2):
            service._end_orphaned_events()
            assert [entry.event for entry in outbox.waiting(0, ALL, 9)] == [(ID, 1), (ID, 2)]
        assert outbox.waiting(1, ALL, 1)[0].body["end_reason"] == "restart"


class Held(Outbox):
    """One whose disk cannot be read at first, and later holds up whoever reads it."""

    reads = 0

    def __init__(self, path: Path) -> None:
        super().__init__(path, 10, 1)
        self.is_held, self.goes_on = threading.Event(), threading.Event()

    def unfinished(self, boot_id: str) -> list[Body] | None:
        self.reads += 1
        if self.reads == 1:
            return None
        self.is_held.set()
        self.goes_on.wait()
        return super().unfinished(boot_id)


def test_a_disk_that_holds_up_who_asks_for_what_is_open_does_not_hold_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.node.service, "HEALTH_S", 0.1)
    monkeypatch.setattr(edge.delivery.dispatch, "TIDY_S", 0.1)
    tree: dict[str, Any] = {"node": "n", "mqtt": {"port": 1}, "streams": [{"id": "bed1", "source": "x", "pace": True}]}
    stop = threading.Event()
    with closing(Held(tmp_path / "o.db")) as outbox:
        service = Service(parse_config(tree, "test"), LoudnessModel(), [Bursts(1000, True)], outbox)  # type: ignore[arg-type]
        thread = threading.Thread(target=service.run, args=(stop,), daemon=True)
        thread.start()
        try:
            assert outbox.is_held.wait(PATIENCE_S)
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the loop has come to its end"
        finally:
            stop.set()
            outbox.goes_on.set()
            for each in (thread, service._dispatch._thread):
                each.join(PATIENCE_S)
