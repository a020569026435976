"""What was open when a process died is ended by the next one, also where the outbox cannot be read at once."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from edge.delivery.messages import Message
from edge.delivery.outbox import Outbox
from edge.node.service import Service
from edge.settings.config import parse_config
from tests.edge.fakes import Bursts, LoudnessModel
from tests.edge.outboxes import ALL

ID = "01M82V69XRES0V4E6QY2DZ65JA"


def test_an_outbox_that_cannot_be_read_is_asked_again_for_what_is_open(tmp_path: Path) -> None:
    path, config = tmp_path / "o.db", parse_config({"node": "n", "streams": [{"id": "bed1", "source": "x"}]}, "test")
    times = {"onset": "2026-11-22T23:59:16.920Z", "end": None, "published": None}
    onset = {"id": ID, "rev": 1, "type": "onset", "boot_id": "00000000", "stream": "bed1", "time": times,
             "sample": {"rate": 8000, "onset": 5, "end": None}}  # fmt: skip
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
