"""An ingester that is to be forgotten: when nothing waits for it any more."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.history import service
from edge.history.service import DRAINED_S, IngestService, IngestSettings
from edge.settings.mqtt import Mqtt


class Clock:
    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(service, "time", clock)
    return clock


def test_a_session_that_is_new_had_no_time_to_bring_what_waits(clock: Clock, tmp_path: Path) -> None:
    stop = threading.Event()
    ingest = IngestService(IngestSettings(Mqtt(), f"sqlite:///{tmp_path / 'a.sqlite'}", "one"), stop, is_last=True)
    ends = SimpleNamespace(is_connected=False, connections=0), SimpleNamespace(is_connected=False, connections=0)
    ingest._of_events, ingest._of_trends = ends  # type: ignore[assignment]
    for end in ends:  # the broker was away for long, and nobody looked meanwhile
        clock.now_s += 2 * DRAINED_S
        end.is_connected, end.connections = True, 1
        ingest._tick()
        assert not stop.is_set()
    clock.now_s += DRAINED_S - 0.1
    ingest._tick()
    assert not stop.is_set()
    clock.now_s += 0.1
    ingest._tick()
    assert stop.is_set()
