"""A node that tests itself at a real broker: passed, missed for each cause, recovered, never taken for a patient."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.commands.demo_broker import Broker
from edge.delivery.outbox import Outbox
from edge.detector.warm import warm_up
from edge.model.model import Model, load_model
from edge.node.service import Outcome, Service
from edge.settings.node import parse_config
from edge.sources.source import Wait
from edge.types import Block, Chunk, Scores
from edge.ward import self_test
from edge.ward.self_test import NOT_BACK, NOT_DETECTED
from tests.edge.conftest import PATIENCE_S, Watcher, wait_for

Answer = tuple[Scores, NDArray[np.float32]]
EVERY_S = 20.0


class Quiet:
    """Stands for a source: a bed where nothing sounds, in real time."""

    name = "quiet"

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz

    def blocks(self, stop: threading.Event) -> Iterator[Block | Wait]:
        length, start, begin_s = self._rate_hz // 10, 0, time.monotonic()
        noise = np.random.default_rng(1)
        while not stop.is_set():
            if (early_s := begin_s + (start + length) / self._rate_hz - time.monotonic()) > 0:
                yield Wait(early_s)
                continue
            samples = (1e-3 * noise.standard_normal(length)).astype(np.float32)
            yield Block(start, samples, np.ones(length, np.bool_))
            start += length

    def close(self) -> None:
        """Nothing to release."""


class Deafened:
    """The bundled model, which hears nothing at all while it is told so."""

    def __init__(self, model: Model) -> None:
        self._model, self.is_deaf = model, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def score(self, chunk: Chunk, state: NDArray[np.float32]) -> Answer:
        return self._heard(self._model.score(chunk, state))

    def score_many(self, chunks: Sequence[Chunk], states: Sequence[NDArray[np.float32]]) -> list[Answer]:
        return [self._heard(answer) for answer in self._model.score_many(chunks, states)]

    def _heard(self, answer: Answer) -> Answer:
        scores, state = answer
        return (Scores(scores.start, 0 * scores.values, scores.valid), state) if self.is_deaf else answer


class NodeAtWork:
    """A node with one quiet bed, and what it says of its tests."""

    def __init__(self, service: Service, model: Deafened) -> None:
        self.service, self.model = service, model

    def last(self) -> dict[str, Any]:
        """Of its health."""
        return dict(self.service._health()["self_test"])

    def wait_for_runs(self, runs: int) -> dict[str, Any]:
        return wait_for(lambda: (body := self.last())["runs"] >= runs and body, f"test {runs}")  # type: ignore[no-any-return]


Start = Callable[..., Any]


@pytest.fixture(scope="module")
def bundled() -> Model:
    warm_up()  # as `laennec run`
    return load_model()


@pytest.fixture
def start(bundled: Model, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    monkeypatch.setattr(self_test, "FIRST_S", 0.0)
    monkeypatch.setattr("edge.delivery.dispatch.STOPPED_S", PATIENCE_S)
    for limit in ("inbox.LIMIT_S", "scheduling.MOST_WORK_S"):  # a busy machine is late, and does not leave out the test
        monkeypatch.setattr(f"edge.node.{limit}", PATIENCE_S)

    @contextmanager
    def run(is_deaf: bool = False) -> Iterator[NodeAtWork]:
        mqtt = {"port": broker.port, "reconnect_min_s": 0.1, "reconnect_max_s": 0.5, "will_delay_s": 0}
        config = parse_config(
            {
                "node": "node",
                "mode": "Operational",
                "streams": [{"id": "bed1", "source": "quiet"}],
                "mqtt": mqtt,
                "self_test": {"every_s": EVERY_S},
            },
            "test",
        )
        model, stop, outcomes = Deafened(bundled), threading.Event(), list[Outcome]()
        model.is_deaf = is_deaf
        with closing(Outbox(tmp_path / "outbox.db", 10, 1)) as outbox:
            service = Service(config, model, [Quiet(bundled.rate_hz)], outbox)  # type: ignore[arg-type]
            thread = threading.Thread(target=lambda: outcomes.append(service.run(stop)))
            thread.start()
            yield NodeAtWork(service, model)
            stop.set()
            thread.join()
        assert outcomes[0].failures == ()
        assert outcomes[0].totals.events == 0, "a test is no event of a patient"

    return run


def signals(watcher: Watcher) -> list[tuple[str, str]]:
    """Validity and signal of the alarm, as they were published."""
    return [(body["validity"], body["signal"]) for body in watcher.bodies("node/alarm/self-test")]


def test_the_wheeze_comes_back_from_the_broker_and_is_no_patient(
    start: Start, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(self_test, "LATE_S", PATIENCE_S)  # on a busy machine
    with start() as node:
        body = node.wait_for_runs(1)
        wait_for(lambda: ("Vld", "Off") in signals(watcher), "the alarm's measurement")
        wait_for(lambda: len(watcher.bodies("s/self-test/event")) >= 2, "the event")
    watcher.wait_for_goodbye()
    assert body["passed"], body
    assert (body["missed"], body["reason"]) == (0, "")
    assert 0 < body["latency_s"] <= self_test.LATE_S
    onset, end = watcher.bodies("s/self-test/event")[:2]
    assert [(each["type"], each["mode"], each["self_test"]) for each in (onset, end)] == [
        ("onset", "Test", True),
        ("end", "Test", True),
    ]
    assert {topic.rpartition("/")[2] for topic, *_ in watcher.messages if "/self-test/" in topic} == {"event"}
    health = watcher.bodies("node/health")[-1]
    assert sum(health["streams"].values()) == 1
    assert health["checks"]["self_test"] == "ok"
    assert watcher.bodies("bed1/health")[-1]["events"] == 0
    assert {body["stream"] for body in watcher.bodies("/trend")} <= {"bed1"}


def test_a_broker_that_stands_still_is_an_alarm_until_a_test_comes_back(
    start: Start, broker: Broker, watcher: Watcher
) -> None:
    assert broker._process is not None
    with start() as node:
        node.wait_for_runs(1)
        os.kill(broker._process.pid, signal.SIGSTOP)
        try:
            missed = wait_for(lambda: (body := node.last())["reason"] == NOT_BACK and body, "a test that is missed")
            assert (missed["passed"], missed["latency_s"]) == (False, None)
            assert node.service._health()["checks"]["self_test"] == "crit"
        finally:
            os.kill(broker._process.pid, signal.SIGCONT)
        wait_for(lambda: ("Vld", "On") in signals(watcher), "the alarm")
        wait_for(lambda: node.last()["passed"], "a test that passes")
        wait_for(lambda: signals(watcher)[-1] == ("Vld", "Off"), "the end of the alarm")


def test_a_model_that_hears_nothing_is_an_alarm_until_it_hears_again(start: Start, watcher: Watcher) -> None:
    with start(is_deaf=True) as node:
        missed = node.wait_for_runs(1)
        assert (missed["passed"], missed["missed"], missed["reason"]) == (False, 1, NOT_DETECTED)
        wait_for(lambda: ("Vld", "On") in signals(watcher), "the alarm")
        node.model.is_deaf = False
        wait_for(lambda: node.last()["passed"], "a test that passes")
        wait_for(lambda: signals(watcher)[-1] == ("Vld", "Off"), "the end of the alarm")
