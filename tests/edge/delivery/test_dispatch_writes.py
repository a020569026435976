"""When the dispatch thread writes what waits for the disk, step by step."""

from __future__ import annotations

import pytest

from edge.delivery.dispatch import DELETE_S, Dispatch
from edge.delivery.message_inbox import AT_ONCE, EVERY_S, WRITE_S
from edge.delivery.store import Store
from edge.ward.alarm_records import Key, Rule
from edge.ward.alarms import Alarms
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
LOST = Key("bed1", "signal-lost")


def test_what_comes_within_a_moment_of_a_write_goes_with_the_next_and_what_was_delivered_with_it(
    dispatch: Dispatch, session: Session, clock: Time, outbox: Box
) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1))
    session.ack(2)
    for number in (2, 3):
        dispatch.send(event(number))
        dispatch._step()
    assert (outbox.batches, waiting(outbox), session.news()) == ((1,), [], ["status", 1])
    clock.now_s += WRITE_S
    dispatch._step()
    assert (outbox.batches, waiting(outbox), session.news()) == ((1, 2), [2, 3], [2, 3])
    session.ack(3)
    session.ack(4)
    dispatch._step()
    assert outbox._disk.read(Store.depth, -1) == 2, "nothing is written that takes them along"
    clock.now_s += DELETE_S + 0.1
    dispatch._step()
    assert outbox._disk.read(Store.depth, -1) == 0


def test_where_many_come_they_are_written_together_but_no_alarm_waits_for_that(
    dispatch: Dispatch, clock: Time, outbox: Box
) -> None:
    for number in range(600):
        dispatch.send(event(number))
        dispatch._step()
        clock.now_s += 0.1
    assert len(outbox.batches) == pytest.approx(60 / EVERY_S + AT_ONCE, abs=EVERY_S * 60)
    dispatch._step()
    before = len(outbox.batches)
    dispatch.send(event(600))
    dispatch._step()
    assert len(outbox.batches) == before
    dispatch.record(Alarms({LOST: Rule("Tec", "Me")}).advance(1.0, {LOST: True}), [event(601)])
    dispatch._step()
    assert (len(outbox.batches), outbox.last_seq) == (before + 1, 602)


def test_what_waits_for_the_disk_is_done_by_its_thread_before_what_was_sent_later_is_written(
    dispatch: Dispatch, outbox: Box
) -> None:
    done: list[tuple[int, ...]] = []
    dispatch.do(lambda: done.append(outbox.batches))
    dispatch.send(event(1))
    assert done == []
    dispatch._step()
    assert (done, outbox.batches) == ([()], (1,))


def test_half_an_inbox_waits_for_nothing(dispatch: Dispatch, clock: Time, outbox: Box) -> None:
    for number in range(10_000):
        dispatch.send(event(number))
        if number % 100 == 0:
            dispatch._step()
            clock.now_s += WRITE_S
    assert dispatch.dropped == 0
