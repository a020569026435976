"""Missing messages are told once in the log, and again when that has changed."""

from __future__ import annotations

import time

import pytest

from edge.server.history import service as missing_log
from edge.server.history.service import LOOK_S, MissingNumbersLog
from edge.server.history.tables import Batch
from edge.server.history.writer import HistoryWriter

NODE = ("ward-b", "edge-7", "")
LINE = "ingest missing={} messages={}; laennec history missing  lists them"


def test_what_stays_missing_is_told_when_it_changes_and_what_is_young_is_not(
    url: str, lines: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, log, now_s = HistoryWriter(url), MissingNumbersLog(url), time.monotonic()
    writer.write(Batch(numbers=[(NODE, 1, seq) for seq in (1, 4)]))
    log.tick(now_s + LOOK_S)
    assert lines.messages == [], "they may be on their way"
    monkeypatch.setattr(missing_log, "LATE_MS", -1)
    for minute in (2, 3):
        log.tick(now_s + minute * LOOK_S)
    assert lines.messages == [LINE.format(1, 2)]
    writer.write(Batch(numbers=[(NODE, 1, seq) for seq in (2, 3)]))
    log.tick(now_s + 4 * LOOK_S)
    assert lines.messages == [LINE.format(1, 2), LINE.format(0, 0)]
    writer.close()
    log.close()
