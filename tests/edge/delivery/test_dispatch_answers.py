"""Commands and their answers on their way through the dispatch: not stored, not retained, not waited for."""

from __future__ import annotations

from edge.delivery.dispatch import Dispatch
from edge.delivery.mqtt_client import Subscription
from tests.edge import dispatching
from tests.edge.dispatching import Session, step

clock, outbox, dispatch, session = dispatching.clock, dispatching.outbox, dispatching.dispatch, dispatching.session


def test_an_answer_goes_out_once_with_what_its_sender_wants_back(dispatch: Dispatch, session: Session) -> None:
    session.up("s1")
    step(dispatch)
    session.sent.clear()
    dispatch.answer("laennec/v1/ward/node/result/pause/board", {"ok": True}, 60, b"\x00a")
    step(dispatch)
    step(dispatch)
    assert [(topic, body, retain, expiry_s) for _, topic, body, retain, expiry_s in session.sent] == [
        ("result/pause/board", {"ok": True}, False, 60)
    ]
    assert session.correlations[-1] == b"\x00a"


def test_an_answer_without_a_connection_is_lost_for_it_would_come_late(dispatch: Dispatch, session: Session) -> None:
    dispatch.answer("result/pause/board", {"ok": True}, 60)
    step(dispatch)
    session.up("s1")
    step(dispatch)
    assert [topic for _, topic, *_ in session.sent] == ["status"]


def test_what_to_listen_to_reaches_the_session(dispatch: Dispatch, session: Session) -> None:
    subscription = Subscription(("a/+",), lambda request: None)
    dispatch.subscribe(subscription)
    assert session.subscription is subscription
