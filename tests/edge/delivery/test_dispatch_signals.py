"""Acknowledgements, refusals and sessions in any order, told by a stand-in for the session with the broker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edge.delivery.dispatch
from edge.commands.demo_broker import free_port
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message, Node
from edge.delivery.outbox import Outbox
from edge.delivery.session import Acknowledged, Connected, Disconnected, Signal
from edge.errors import ConfigError
from edge.settings.broker import Mqtt, Tls
from tests.edge.conftest import PATIENCE_S, wait_for

NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")
EVERYTHING = 1 << 62


class Session:
    """Stands for `MqttSession`: keeps what is sent, with packet identifiers from 1 in each session, as paho does."""

    def __init__(self, *given: Any) -> None:
        self.notify: Callable[[Signal], None] = next(one for one in reversed(given) if callable(one))
        self.sent: list[tuple[str, int, str, dict[str, Any]]] = []  # session, mid, topic, body
        self.name = ""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def disconnect(self) -> None: ...

    def publish(self, topic: str, payload: bytes, *_: Any, **__: Any) -> int:
        mid, body = 1 + sum(session == self.name for session, *_ in self.sent), json.loads(payload)
        self.sent.append((self.name, mid, topic, body))
        if body.get("state") == "stopped":
            self.notify(Acknowledged(self.name, mid, ""))  # nobody waits for the goodbye
        return mid

    def up(self, name: str, in_flight: int = 20) -> None:
        """The broker takes messages in a new session; the one before is gone."""
        if self.name:
            self.notify(Disconnected(self.name))
        self.name = name
        self.notify(Connected(name, in_flight))

    def mids(self, session: str) -> dict[int, int]:
        """Number of each event in one session: its packet."""
        return {body["n"]: mid for name, mid, topic, body in self.sent if name == session and topic.endswith("/event")}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.db", 10, 1)
    yield box
    box.close()


@pytest.fixture
def dispatch(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dispatch]:
    monkeypatch.setattr(edge.delivery.dispatch, "MqttSession", Session)
    running = Dispatch(outbox, NODE, Mqtt())
    running.start()
    yield running
    running.stop()
    running._thread.join(PATIENCE_S)  # a disk that is slow may take longer; then the outbox is closed


@pytest.fixture
def session(dispatch: Dispatch) -> Session:
    return dispatch._session  # type: ignore[return-value]


def event(number: int) -> Message:
    return Message(NODE.topic("s", "bed1", "event"), {"n": number, "time": {}}, 60, (f"id{number}", 1))


def waiting(outbox: Outbox) -> list[int]:
    return [entry.body["n"] for entry in outbox.waiting(0, EVERYTHING, 100)]


def test_an_acknowledgement_of_an_earlier_session_deletes_nothing(
    dispatch: Dispatch, session: Session, outbox: Outbox
) -> None:
    session.up("first")
    dispatch.send(event(1))
    wait_for(lambda: session.mids("first"), "event 1 in the first session")
    dispatch.send(event(2))
    wait_for(lambda: len(session.mids("first")) == 2, "event 2 in the first session")
    session.notify(Acknowledged("first", session.mids("first")[1], ""))
    wait_for(lambda: waiting(outbox) == [2], "event 1 off the disk")
    session.up("second")
    wait_for(lambda: session.mids("second"), "event 2 in the second session")
    assert session.mids("second")[2] == session.mids("first")[1]  # status has packet 1, so both are packet 2
    session.notify(Acknowledged("first", 2, ""))  # event 1, acknowledged late: not event 2
    dispatch.send(event(3))
    wait_for(lambda: 3 in session.mids("second"), "event 3, which is sent after that was read")
    assert waiting(outbox) == [2, 3]
    session.notify(Acknowledged("second", 2, ""))
    wait_for(lambda: waiting(outbox) == [3], "event 2 off the disk")


def test_an_acknowledgement_of_a_packet_that_was_not_sent_deletes_nothing(
    dispatch: Dispatch, session: Session, outbox: Outbox
) -> None:
    session.up("first")
    dispatch.send(event(1))
    wait_for(lambda: session.mids("first"), "event 1")
    session.notify(Acknowledged("first", 77, ""))
    session.notify(Acknowledged("first", 1, ""))  # the status, which is not on the disk
    dispatch.send(event(2))
    wait_for(lambda: 2 in session.mids("first"), "event 2")
    assert waiting(outbox) == [1, 2]


def test_what_was_not_acknowledged_goes_again_in_the_next_session_and_is_late(
    dispatch: Dispatch, session: Session, outbox: Outbox
) -> None:
    session.up("first")
    for number in (1, 2, 3):
        dispatch.send(event(number))
    wait_for(lambda: len(session.mids("first")) == 3, "three events")
    session.notify(Acknowledged("first", session.mids("first")[2], ""))
    wait_for(lambda: waiting(outbox) == [1, 3], "event 2 off the disk")
    session.up("second")
    wait_for(lambda: len(session.mids("second")) == 2, "the other two again")
    late = [(body["n"], body["late"]) for name, _, _, body in list(session.sent) if name == "second" and "n" in body]
    assert late == [(1, True), (3, True)]


def test_no_more_is_sent_than_the_broker_takes_at_once(dispatch: Dispatch, session: Session, outbox: Outbox) -> None:
    session.up("first", in_flight=3)  # the status is one of them
    wait_for(lambda: session.sent, "the status")  # what was there before it is a backlog, and goes behind the rest
    for number in range(1, 6):
        dispatch.send(event(number))
    wait_for(lambda: len(waiting(outbox)) == 5 and len(session.mids("first")) == 2, "as many as there is room for")
    session.notify(Acknowledged("first", session.mids("first")[1], ""))
    wait_for(lambda: 3 in session.mids("first"), "the next one")
    assert sorted(session.mids("first")) == [1, 2, 3]


def test_a_session_begins_with_its_status_and_each_state_once(dispatch: Dispatch, session: Session) -> None:
    dispatch.set_state(NODE.topic("health"), {"h": 1})
    dispatch.set_state(NODE.topic("health"), {"h": 2})
    session.up("first")
    wait_for(lambda: len(session.sent) == 2, "status and health")
    (_, _, first, status), (_, _, second, health) = session.sent
    assert (first, status["state"], status["session"]) == (NODE.topic("status"), "online", "first")
    assert (second, health) == (NODE.topic("health"), {"h": 2})


def test_a_certificate_that_cannot_be_read_is_a_mistake_of_the_operator(outbox: Outbox, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.tls\.ca: cannot read .*none\.pem"):
        Dispatch(outbox, NODE, Mqtt(tls=Tls(ca=tmp_path / "none.pem")))


def test_a_full_inbox_drops_and_counts(outbox: Outbox) -> None:
    dispatch = Dispatch(outbox, NODE, Mqtt(port=free_port()))  # not started: nobody empties the inbox
    for number in range(1030):
        dispatch.send(event(number))
    assert dispatch.dropped == 6
