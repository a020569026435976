"""What other threads know of a stream: one frozen picture, made by the thread that scores, or that there is none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

import edge.node.stream_status
from edge.delivery.dispatch import Dispatch
from edge.delivery.entries import OutboxStatus
from edge.delivery.outbox import Outbox
from edge.node.alarm_inputs import bed_reading, bed_values
from edge.node.engine import Engine
from edge.node.health import health_body, stream_health_body
from edge.node.stream_status import STANDS_STILL, StreamStatus, StreamView
from edge.settings.broker import Mqtt
from edge.ward.alarm_records import Key
from tests.edge.conftest import wait_for
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import NODE, Driven, Published, Script, configured, sound

pytestmark = pytest.mark.usefixtures("patient")

READS = 3000  # of each of three threads


@pytest.fixture
def switching() -> Iterator[None]:
    """The interpreter changes threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Behind(Driven):
    """A live stream that is now behind by 3 s and now by 2, which ends what it said of 3."""

    def __init__(self) -> None:
        from edge.settings.node import Stream

        super().__init__(Stream(id="bed1", source="script", pace=True), Script(), Published())
        self.arrive(sound(0.1))
        self.turns = 0

    def _lag_s(self) -> float:
        self.turns += 1
        return 3.4 if self.turns % 2 else 1.0


def test_three_threads_read_a_stream_that_is_scored_and_each_picture_fits_together(switching: None) -> None:
    stream, stop, broken = Behind(), threading.Event(), list[Any]()

    def read(view: StreamView) -> None:
        try:
            for _ in range(READS):
                status = view.status
                if status.state.reason not in ("", "behind by 3 s") or (status.state.name == "ok") == bool(
                    status.state.reason
                ):
                    broken.append(status.state)
        except Exception as error:
            broken.append(error)

    def score() -> None:
        while not stop.is_set():
            stream.assess()

    readers = [threading.Thread(target=read, args=(stream,)) for _ in range(3)]  # loop, alarms, metrics
    scorer = threading.Thread(target=score)
    stream.assess()  # before the first one a stream says "unknown" and has no reason yet
    for thread in (scorer, *readers):
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    scorer.join()
    assert broken == []


def test_a_status_changes_for_nobody_who_has_it() -> None:
    stream = configured(Script(), Published())
    before = stream.assess()
    stream.feed(sound(2.0))
    assert (before.totals.received_s, stream.status.totals.received_s) == (0.0, 2.0)
    with pytest.raises(FrozenInstanceError):
        before.lag_s = 1.0  # type: ignore[misc]


class StandsStill(LoudnessModel):
    """Its first call does not come back until it is let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def score(self, chunk: Any, state: Any) -> Any:
        self.go_on.wait()
        return super().score(chunk, state)


def test_a_thread_that_scores_and_stands_still_is_told_and_nothing_is_normal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.node.stream_status, "OLD_S", 0.5)
    model = StandsStill()
    stream = configured(Script(), Published())
    engine = Engine(model, [stream], ["normal"])  # type: ignore[arg-type]
    engine.start()
    stream.arrive(sound(1.0, (0.2, 0.5)))
    engine.wake(0)

    def now(status: StreamStatus) -> float:
        return status.made_s + 1.0

    wait_for(lambda: not engine._arrivals.qsize() and stream.pending is not None, "a chunk that is being scored")
    status = stream.status
    assert status.state_at(status.made_s + 0.4).name != "lost"
    assert (status.state_at(now(status)).name, status.state_at(now(status)).reason) == ("lost", STANDS_STILL)
    assert status.state_at(now(status)) == status.state_at(now(status) + 9.0), "one change, published once"
    values = bed_values("bed1", bed_reading(stream, now(status)), ("continuous",))
    assert values[Key("bed1", "signal-lost")] is True
    assert values[Key("bed1", "continuous")] is None
    wait_for(lambda: stream_health_body(NODE, stream, 1.8e9)["reason"] == STANDS_STILL, "what its health says")
    outbox = Outbox(tmp_path / "outbox.db", 1, 1)
    dispatch = Dispatch(outbox, NODE, Mqtt())
    assert health_body(NODE, OutboxStatus(), dispatch, [stream], 1.0, 1.8e9)["streams"]["lost"] == 1
    outbox.close()
    model.go_on.set()
    assert engine.end(60.0)
    assert not stream.status.is_old(now(stream.status) + 1e6), "it has ended; nothing newer comes"
    assert stream.status.state.name == "disabled"
