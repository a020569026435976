"""What is acknowledged is committed: batches, a database that is away, messages that no database takes."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import Any

import pytest

from edge.delivery.consumer import ReceivedMessage
from edge.server.history import ingester as module
from edge.server.history.database import DatabaseAwayError
from edge.server.history.ingester import BATCH, IN_FLIGHT, RETRY_MAX_S, Ingester
from edge.server.history.tables import Batch
from tests.edge.server.exports.messages import BED, event, trend

PREFIX = "laennec/v1"


class FakeWriter:
    """A database that can be away, and that does not take what is called `poison`."""

    def __init__(self) -> None:
        self.is_away, self.queries, self.prepared = False, 0, 0
        self.batches: list[int] = []
        self.ids: list[str] = []

    def prepare(self) -> None:
        if self.is_away:
            raise DatabaseAwayError("away")
        self.prepared += 1

    def write(self, batch: Batch) -> Counter[str]:
        self.queries += 1
        if self.is_away:
            raise DatabaseAwayError("away")
        if any(row["label"] == "poison" for row in batch.events):
            raise ValueError("poison")
        self.batches.append(len(batch.events))
        self.ids += [row["id"] for row in batch.events]
        return Counter(events=len(batch.events))


class Made:
    """An ingester on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.writer, self.stop = 100.0, FakeWriter(), threading.Event()
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now_s)
        self.ingester = Ingester(self.writer, PREFIX, self.stop)  # type: ignore[arg-type]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(monkeypatch)


def arrived(number: int, **changed: Any) -> ReceivedMessage:
    body = {**event("onset", 1, None), "id": f"01M82V69XRES0V4E6QY2D{number:05d}", **changed}
    return ReceivedMessage(f"{BED}/event", json.dumps(body).encode(), number, 1, 1)


def test_a_batch_goes_when_it_is_full_and_what_is_left_after_a_second(made: Made) -> None:
    came = [arrived(number) for number in range(BATCH + 3)]
    assert made.ingester.take(came[: BATCH - 1]) == []
    assert made.ingester.take(came[BATCH - 1 :]) == came[:BATCH]
    made.now_s += 1.0
    assert made.ingester.take([]) == came[BATCH:]
    assert made.writer.batches == [BATCH, 3]


def test_nothing_is_acknowledged_before_the_database_has_it(made: Made) -> None:
    came, made.writer.is_away = [arrived(number) for number in range(IN_FLIGHT)], True
    for _ in range(20):
        made.now_s += 1.0
        assert made.ingester.take(came if not made.ingester.waiting else []) == []
    assert (made.ingester.is_away, made.ingester.waiting) == (True, IN_FLIGHT)
    made.writer.is_away, made.now_s = False, made.now_s + 60.0
    assert made.ingester.take([]) == came
    assert (made.ingester.is_away, made.ingester.counts["events"]) == (False, IN_FLIGHT)


def test_a_database_that_is_away_is_asked_ever_more_rarely_and_soon_again_when_it_was_back(made: Made) -> None:
    made.ingester.take([arrived(1)])
    requested = []
    for is_away, seconds in ((True, 300), (False, 40), (True, 3)):
        made.writer.is_away, before = is_away, made.writer.queries
        made.ingester.take([] if made.ingester.waiting else [arrived(2)])
        for _ in range(2 * seconds):
            made.now_s += 0.5
            made.ingester.take([])
        requested.append(made.writer.queries - before)
    assert requested[0] <= 300 / RETRY_MAX_S + 7, "0.5, 1, 2, ... 30 s"
    assert requested[1:] == [1, 3], "a second after it came, then 0.5 s and 1 s later"


def test_what_came_before_a_broker_was_killed_is_written_though_the_broker_lost_it(made: Made) -> None:
    made.ingester.take([arrived(1), arrived(2)])
    made.ingester.connected()
    made.ingester.take([arrived(2)])  # of 1 the broker knows no more
    made.stop.set()
    made.ingester.take([])
    assert made.writer.ids == ["01M82V69XRES0V4E6QY2D00001", "01M82V69XRES0V4E6QY2D00002", "01M82V69XRES0V4E6QY2D00002"]


def test_however_often_the_broker_comes_back_what_waits_for_the_database_waits_twice_at_most(made: Made) -> None:
    came, made.writer.is_away = [arrived(number) for number in range(IN_FLIGHT)], True
    for _ in range(5):
        made.ingester.connected()
        made.ingester.take(came)
    assert made.ingester.waiting == 2 * IN_FLIGHT


def test_at_the_end_what_waits_is_written_at_once(made: Made) -> None:
    made.stop.set()
    assert len(made.ingester.take([arrived(1)])) == 1


def test_what_the_database_does_not_take_is_refused_alone(made: Made) -> None:
    came = [arrived(1), arrived(2, label="poison"), arrived(3)]
    made.stop.set()
    assert made.ingester.take(came) == came, "it is acknowledged too, or it would come for ever"
    assert made.ingester.counts == {"events": 2, "refused": 1}
    assert made.writer.ids == ["01M82V69XRES0V4E6QY2D00001", "01M82V69XRES0V4E6QY2D00003"]


def test_a_trend_that_was_withdrawn_is_nothing_and_one_without_a_minute_is_refused(made: Made) -> None:
    made.stop.set()
    no_minute = {**trend(), "windows": trend()["windows"][1:]}
    payloads = [b"", json.dumps(no_minute).encode(), b"\xff"]
    made.ingester.take([ReceivedMessage(f"{BED}/trend", payload, 1, 1, 1) for payload in payloads])
    assert made.ingester.counts == {"refused": 2}


def test_tables_are_brought_up_to_date_before_a_message_comes_and_once(made: Made) -> None:
    made.writer.is_away = True
    made.ingester.prepare()
    assert (made.writer.prepared, made.ingester.is_away) == (0, True)
    made.writer.is_away = False
    made.ingester.prepare()
    assert made.writer.prepared == 0, "it is tried again after a while"
    made.now_s += RETRY_MAX_S
    for _ in range(2):
        made.ingester.prepare()
    assert (made.writer.prepared, made.ingester.is_away) == (1, False)
