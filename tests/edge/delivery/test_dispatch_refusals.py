"""What the broker refuses or leaves unanswered, and what holds something back, step by step."""

from __future__ import annotations

import logging

import pytest

from edge.delivery.dispatch import Dispatch
from tests.edge.dispatching import (
    Box,
    Session,
    Time,
    clock,
    dispatch,
    event,
    logged,
    outbox,
    session,
    step,
    waiting,
)

__all__ = ["clock", "dispatch", "logged", "outbox", "session"]


def test_a_message_that_is_not_acknowledged_in_time_ends_the_session(
    dispatch: Dispatch, session: Session, clock: Time, outbox: Box, logged: pytest.LogCaptureFixture
) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1), event(2))
    clock.now_s += 20.0
    step(dispatch)
    assert (dispatch.is_connected, session.calls) == (True, [])
    clock.now_s += 0.5
    step(dispatch)
    assert (dispatch.is_connected, session.calls) == (False, ["disconnect"])
    line = "mqtt unacknowledged=3; connecting again"  # the status and two events
    assert logged.record_tuples == [("edge.delivery.dispatch", logging.WARNING, line)]
    session.ack(2)
    step(dispatch)
    assert waiting(outbox) == [1, 2]


def test_what_the_broker_refuses_is_counted_told_and_tried_again_after_half_a_minute(
    dispatch: Dispatch, session: Session, clock: Time, outbox: Box, logged: pytest.LogCaptureFixture
) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1), event(2))
    session.news()
    session.ack(1)
    session.ack(2, "Quota exceeded")
    session.ack(3)
    step(dispatch)
    assert (dispatch.refusals.count, dispatch.refusals.reason, waiting(outbox)) == (1, "Quota exceeded", [1])
    line = 'mqtt message=refused reason="Quota exceeded" seq=1; tried again in 30 s'
    assert logged.record_tuples == [("edge.delivery.dispatch", logging.WARNING, line)]
    clock.now_s += 29.5
    step(dispatch)
    assert (session.news(), dispatch.refusals.count) == ([], 1)
    clock.now_s += 0.5
    step(dispatch)
    step(dispatch)
    assert (session.news(), dispatch.refusals.count) == ([1], 0)
    session.ack(4)
    step(dispatch)
    assert waiting(outbox) == []


def test_later_refusals_do_not_put_off_the_next_attempt(dispatch: Dispatch, session: Session, clock: Time) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1), event(2))
    for mid in (2, 3):  # the second is refused 10 s after the first
        session.ack(mid, "no")
        step(dispatch)
        clock.now_s += 10.0
    session.ack(1)
    session.news()
    clock.now_s += 10.0
    step(dispatch)
    step(dispatch)
    assert session.news() == [1, 2]


def test_while_a_backlog_goes_refusals_put_the_next_attempt_off_until_it_is_through(
    dispatch: Dispatch, session: Session, clock: Time, outbox: Box
) -> None:
    outbox.put([event(n) for n in range(1, 5)])
    session.up("first", in_flight=2)
    step(dispatch)
    session.ack(1)
    session.news()
    clock.now_s += 0.025  # two of the backlog
    step(dispatch)
    session.ack(2, "no")
    step(dispatch)
    assert session.news() == [1, 2]
    clock.now_s += 15.0
    session.ack(3, "no")  # 30 s from now
    step(dispatch)
    assert session.news() == [3, 4]
    session.ack(4)
    session.ack(5)
    clock.now_s += 29.0
    step(dispatch)
    step(dispatch)
    assert session.news() == []
    clock.now_s += 1.0
    step(dispatch)
    step(dispatch)
    assert session.news() == [1, 2]


def test_messages_that_are_to_go_first_do_so_in_each_session(dispatch: Dispatch, session: Session, outbox: Box) -> None:
    outbox.put([event(n) for n in range(1, 6)])
    dispatch.send_first(iter([2, 4]))
    for name in ("first", "second"):
        session.up(name)
        step(dispatch)
        assert session.news() == ["status", 2, 4]


def test_an_end_whose_onset_was_dropped_goes_as_soon_as_that_is_known(
    dispatch: Dispatch, session: Session, clock: Time, outbox: Box
) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1, 1, ident=7))
    session.ack(2, "no")
    step(dispatch, event(2, 2, ident=7))
    session.ack(3, "no")
    step(dispatch)
    assert session.news() == ["status", 1, 1]  # the end waits for its onset, which it brought again, in vain
    outbox.ack([1])
    outbox._drops += 1  # as when it was evicted
    step(dispatch)
    step(dispatch)
    clock.now_s += 0.5
    step(dispatch)
    assert session.news() == [2]
    session.ack(4, "no")  # tried again at once only when something has changed once more
    for _ in range(3):
        step(dispatch)
    assert session.news() == []


def test_an_end_follows_its_onset_as_soon_as_the_broker_has_it(dispatch: Dispatch, session: Session) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1, 1, ident=7), event(2, 2, ident=7), event(3))
    assert session.news() == ["status", 1, 3]
    session.ack(3)  # not the onset
    step(dispatch)
    assert session.news() == []
    session.ack(2)
    step(dispatch)
    assert session.news() == [2]
