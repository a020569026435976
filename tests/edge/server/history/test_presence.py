"""What an ingester says of itself, and what it means later."""

from __future__ import annotations

import json

import pytest

from edge.server.history.presence import SILENT_S, Presence, judge, topic_of
from tests.edge.conftest import SCHEMAS

NOW_S = 1_800_000_000.0
WELL = Presence("db1", "online", "ok", 3, {"events": 7, "refused": 2})


@pytest.mark.parametrize("one", [WELL, Presence("db1", "offline"), Presence("db1", "stopped", "away", 9)])
def test_what_it_says_is_as_its_schema_says(one: Presence) -> None:
    body = json.loads(one.payload(NOW_S))
    assert list(SCHEMAS["laennec.ingest/1"].iter_errors(body)) == []
    assert topic_of("laennec/v1", "db1") == "laennec/v1/ingest/db1"


def test_one_that_is_there_and_writes_is_well() -> None:
    verdict = judge("db1", WELL.payload(NOW_S), NOW_S + SILENT_S - 1)
    assert (verdict.is_healthy, verdict.words) == (True, "online, 3 messages wait, 2 refused since it started")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (Presence("db1", "offline").payload(NOW_S), "offline, said 2027-01-15T08:00:00.000Z"),
        (Presence("db1", "stopped").payload(NOW_S), "stopped"),
        (Presence("db1", "online", "away", 4).payload(NOW_S), "database is away; 4 messages wait"),
        (WELL.payload(NOW_S - SILENT_S - 1), "silent for 181 s"),
        (None, "never been there"),
        (b"{}", "no laennec.ingest/1"),
        (b"\xff", "no laennec.ingest/1"),
    ],
)
def test_all_else_is_not_well_and_says_why(payload: bytes | None, expected: str) -> None:
    verdict = judge("db1", payload, NOW_S)
    assert not verdict.is_healthy
    assert expected in verdict.words
