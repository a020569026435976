"""Messages of the moment go at once or not at all."""

from __future__ import annotations

from edge.delivery import unstored
from edge.delivery.dispatch import Dispatch
from edge.delivery.session import Acknowledged, Disconnected
from tests.edge import dispatching
from tests.edge.dispatching import Session, step

clock, outbox, dispatch, session = dispatching.clock, dispatching.outbox, dispatching.dispatch, dispatching.session


def test_a_message_of_the_moment_goes_at_once_with_qos_0_and_nobody_waits_for_its_answer(
    dispatch: Dispatch, session: Session
) -> None:
    session.up("s1")
    step(dispatch)
    session.sent.clear()
    assert set(session.qos) == {1}
    assert dispatch.best_effort.publish("laennec/v1/ward/node/s/bed1/mel", {"k": 1}, 5) == ""
    assert [(topic, body, retain, expiry_s) for _, topic, body, retain, expiry_s in session.sent] == [
        ("s/bed1/mel", {"k": 1}, False, 5)
    ]
    assert session.qos[-1] == 0
    assert not dispatch._in_flight.unacknowledged.keys() & {session.sent[-1][0]}


def test_without_a_connection_it_is_dropped_with_its_cause(dispatch: Dispatch, session: Session) -> None:
    assert dispatch.best_effort.publish("mel", {}, 5) == "no broker"
    assert not session.sent


def test_a_network_that_takes_nothing_is_given_no_more_until_it_does(dispatch: Dispatch, session: Session) -> None:
    session.up("s1")
    step(dispatch)
    before = len(session.sent)
    answers = [dispatch.best_effort.publish("mel", {}, 5) for _ in range(unstored.MOST + 2)]
    assert answers == [""] * unstored.MOST + ["slow broker"] * 2
    assert len(session.sent) == before + unstored.MOST
    session.notify(Acknowledged("s1", session.sent[-1][0], ""))
    step(dispatch)
    assert [dispatch.best_effort.publish("mel", {}, 5) for _ in range(2)] == ["", "slow broker"]
    session.notify(Disconnected("s1"))
    session.up("s2")
    step(dispatch)
    assert dispatch.best_effort.publish("mel", {}, 5) == ""
