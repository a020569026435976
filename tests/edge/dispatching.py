"""A dispatch that is not started: tests take its steps, on clocks that they move, with a stand-in for the session."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import edge.delivery.dispatch
from edge.delivery.dispatch import Dispatch
from edge.delivery.message_inbox import NO_ROWS, Rows, WritePace
from edge.delivery.messages import Message, Node
from edge.delivery.mqtt_client import Subscription
from edge.delivery.outbox import Outbox
from edge.delivery.session import Acknowledged, Connected, Signal
from edge.settings.broker import Mqtt

NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")
SETTINGS = Mqtt(ack_timeout_s=20)
WALL_S = 1_800_000_000.0
WALL = "2027-01-15T08:00:00.000Z"


class Time:
    """Monotonic seconds that the test moves."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class Box(Outbox):
    """Counts what it is asked to do."""

    batches: tuple[int, ...] = ()
    tidied = 0
    is_broken = False

    def put(self, messages: Sequence[Message], rows: Rows = NO_ROWS) -> bool:
        if self.is_broken:
            self.is_broken = False
            raise RuntimeError("cannot be written")
        self.batches += (len(messages),)
        return super().put(messages, rows)

    def tidy(self) -> None:
        self.tidied += 1
        super().tidy()


class Session:
    """Stands for `MqttSession`: keeps what is sent, with packet identifiers from 1 in each session, as paho does."""

    def __init__(
        self, settings: Mqtt, client_id: str, will: Callable[[str], tuple[str, bytes]], notify: Callable[[Signal], None]
    ) -> None:
        self.settings, self.client_id, self.will, self.notify = settings, client_id, will, notify
        self.sent: list[tuple[int, str, dict[str, Any], bool, int | None]] = []  # mid, topic, body, retain, expiry_s
        self.correlations: list[bytes] = []  # of each that was sent
        self.qos: list[int] = []  # of each that was sent
        self.subscription: Subscription | None = None
        self.calls: list[str] = []
        self.client_id_conflict = "a rival"
        self.name, self.answers, self.number = "", True, 0

    def start(self) -> None:
        self.calls.append("start")

    def stop(self) -> None:
        self.calls.append("stop")

    def disconnect(self) -> None:
        self.calls.append("disconnect")

    def publish(
        self,
        topic: str,
        payload: bytes,
        retain: bool = False,
        expiry_s: int | None = None,
        correlation: bytes = b"",
        qos: int = 1,
    ) -> int | None:
        if not self.name:
            return None
        self.number += 1
        self.correlations.append(correlation)
        self.qos.append(qos)
        body = json.loads(payload)
        self.sent.append((self.number, topic.removeprefix("laennec/v1/ward/node/"), body, retain, expiry_s))
        if body.get("state") == "stopped" and self.answers:
            self.notify(Acknowledged(self.name, self.number, ""))
        return self.number

    def up(self, name: str, in_flight: int = 20) -> None:
        self.name, self.number = name, 0
        self.notify(Connected(name, in_flight))

    def ack(self, mid: int, refusal: str = "") -> None:
        self.notify(Acknowledged(self.name, mid, refusal))

    def news(self) -> list[int | str]:
        """The number of each event, or the topic of anything else, that was sent since this was asked last."""
        sent, self.sent = self.sent, []
        return [body.get("n", topic) for _, topic, body, *_ in sent]


def event(number: int, rev: int = 1, ident: int | None = None) -> Message:
    body = {"n": number, "time": {"onset": "o"}}
    return Message("old/tree/box/s/bed1/event", body, 60, (f"id{ident or number}", rev))


def step(dispatch: Dispatch, *messages: Message) -> None:
    for message in messages:
        dispatch.send(message)
    dispatch._pace = WritePace()  # as when the last writes are long ago
    dispatch._step()


def waiting(outbox: Outbox) -> list[int]:
    return [entry.seq for entry in outbox.waiting(0, 1 << 62, 10**6)]


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def outbox(tmp_path: Path, clock: Time) -> Iterator[Box]:
    box = Box(tmp_path / "outbox.db", 10, 1, monotonic=clock)
    yield box
    box.close()


@pytest.fixture
def dispatch(outbox: Box, clock: Time, monkeypatch: pytest.MonkeyPatch) -> Dispatch:
    """Not started: the test takes its steps."""
    monkeypatch.setattr(edge.delivery.dispatch, "MqttSession", Session)
    return Dispatch(outbox, NODE, SETTINGS, clock, lambda: WALL_S)


@pytest.fixture
def session(dispatch: Dispatch) -> Session:
    return dispatch._session  # type: ignore[return-value]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """What the log says."""
    monkeypatch.setattr(logging.getLogger("edge"), "propagate", True)
    return caplog
