"""What the dispatch thread does next, step by step."""

from __future__ import annotations

import json
import logging

import pytest

import edge.delivery.dispatch
from edge.delivery.dispatch import Dispatch
from edge.delivery.messages import Message
from edge.delivery.session import Acknowledged, Disconnected
from tests.edge.conftest import wait_for
from tests.edge.dispatching import (
    NODE,
    SETTINGS,
    WALL,
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


def test_the_session_is_told_who_speaks_and_what_the_broker_shall_say_of_a_loss(session: Session) -> None:
    topic, payload = session.will("s1")
    assert (session.settings, session.client_id) == (SETTINGS, NODE.client_id)
    assert topic == "laennec/v1/ward/node/status"
    assert json.loads(payload) == {
        "schema": "laennec.status/1",
        "state": "offline",
        "boot_id": "0badcafe",
        "session": "s1",
        "box": "0123abcd",
        "ts": WALL,
    }


def test_a_session_begins_with_status_state_live_messages_and_the_backlog_in_this_order(
    dispatch: Dispatch, session: Session, outbox: Box, clock: Time
) -> None:
    outbox.put([event(1), event(2)])
    dispatch.set_state(NODE.topic("s", "bed1", "status"), {"s": 1})
    dispatch.set_state(NODE.topic("health"), {"h": 1}, 90)
    session.up("first")
    step(dispatch)
    assert session.news() == ["status", "health", "s/bed1/status"]  # the bucket of the backlog begins empty
    clock.now_s += 0.5
    step(dispatch, event(3))
    assert [(mid, topic, retain, expiry_s) for mid, topic, _, retain, expiry_s in session.sent] == [
        (4, "s/bed1/event", False, 60),
        (5, "s/bed1/event", False, 60),
        (6, "s/bed1/event", False, 60),
    ]
    assert [(body["n"], body["seq"], body["late"]) for _, _, body, *_ in session.sent] == [
        (3, 3, False),
        (1, 1, True),
        (2, 2, True),
    ]
    assert session.sent[0][2]["time"] == {"onset": "o", "published": WALL}


def test_state_is_retained_and_expires_as_asked(dispatch: Dispatch, session: Session) -> None:
    dispatch.set_state(NODE.topic("health"), {"h": 1}, 90)
    dispatch.set_state(NODE.topic("s", "bed1", "status"), {"s": 1})
    session.up("first")
    step(dispatch)
    assert [(topic, retain, expiry_s) for _, topic, _, retain, expiry_s in session.sent] == [
        ("status", True, 180),
        ("health", True, 90),
        ("s/bed1/status", True, None),
    ]
    status = session.sent[0][2]
    assert (status["state"], status["session"], status["ts"]) == ("online", "first", WALL)
    session.news()
    step(dispatch)
    assert session.news() == []
    dispatch.set_state(NODE.topic("health"), {"h": 2})
    step(dispatch)
    assert [(body, retain) for _, _, body, retain, _ in session.sent] == [({"h": 2}, True)]


def test_each_session_is_told_every_state_again(dispatch: Dispatch, session: Session) -> None:
    dispatch.set_state(NODE.topic("health"), {})
    for name in ("first", "second"):
        session.up(name)
        step(dispatch)
        assert session.news() == ["status", "health"]


def test_no_more_state_goes_than_the_broker_takes_and_the_rest_follows(dispatch: Dispatch, session: Session) -> None:
    for name in "cab":
        dispatch.set_state(NODE.topic(name), {})
    session.up("first", in_flight=3)
    step(dispatch)
    assert session.news() == ["status", "a", "b"]
    step(dispatch)
    assert session.news() == []
    session.ack(2)
    step(dispatch)
    assert session.news() == ["c"]


def test_without_a_session_nothing_is_sent_and_all_is_kept(dispatch: Dispatch, session: Session, outbox: Box) -> None:
    dispatch.set_state(NODE.topic("health"), {})
    step(dispatch, event(1))
    assert (dispatch.is_connected, session.news(), waiting(outbox)) == (False, [], [1])
    session.up("first")
    step(dispatch)
    assert (dispatch.is_connected, session.news()) == (True, ["status", "health"])
    session.notify(Disconnected("first"))
    step(dispatch, event(2))
    assert (dispatch.is_connected, session.news(), waiting(outbox)) == (False, [], [1, 2])
    session.ack(1)  # of a session that is gone
    session.notify(Acknowledged("", 1, ""))
    step(dispatch)
    assert waiting(outbox) == [1, 2]


def test_what_is_in_the_inbox_is_written_in_one_transaction_of_at_most_1024(dispatch: Dispatch, outbox: Box) -> None:
    step(dispatch)
    assert outbox.batches == ()
    step(dispatch, event(1), event(2), event(3))
    assert outbox.batches == (3,)
    for number in range(1024):
        dispatch.send(event(number))
    assert dispatch.dropped == 0
    step(dispatch)
    assert outbox.batches == (3, 1024)


def test_a_full_inbox_is_told_with_the_number_that_was_dropped(
    dispatch: Dispatch, logged: pytest.LogCaptureFixture
) -> None:
    for number in range(1024 + 2):
        dispatch.send(event(number))
    assert dispatch.dropped == 2
    assert logged.record_tuples == [
        ("edge.delivery.dispatch", logging.ERROR, "dispatch dropped=1; the disk has stalled")
    ]


def test_the_status_is_said_again_when_a_third_of_its_life_is_over(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    session.up("first")
    step(dispatch)
    session.ack(1)
    assert session.news() == ["status"]
    for seconds, expected in ((60.0, []), (0.5, ["status"]), (60.0, []), (0.5, ["status"])):
        clock.now_s += seconds
        step(dispatch)
        assert {body["state"] for _, _, body, *_ in session.sent} <= {"online"}
        assert session.news() == expected
        session.ack(session.number)


def test_the_outbox_is_tidied_every_half_minute(dispatch: Dispatch, outbox: Box, clock: Time) -> None:
    found = []
    for seconds in (0.0, 30.0, 0.5, 30.0, 0.5):
        clock.now_s += seconds
        step(dispatch)
        found.append(outbox.tidied)
    assert found == [0, 0, 1, 1, 2]


def test_what_holds_the_name_at_the_broker_is_the_sessions_to_say(dispatch: Dispatch) -> None:
    assert dispatch.client_id_conflict == "a rival"


def test_draining_waits_for_inbox_and_outbox_and_no_longer_than_asked(
    dispatch: Dispatch, outbox: Box, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge.delivery.dispatch.time, "sleep", clock.sleep)
    assert dispatch.drain(1.0) == 0
    outbox.put([event(1), event(2)])
    dispatch.send(event(3))
    begin_s = clock.now_s
    assert (dispatch.drain(0.0), clock.now_s) == (3, begin_s)
    assert dispatch.drain(0.1) == 3
    assert 0.1 <= clock.now_s - begin_s <= 0.12 + 1e-6

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        outbox.ack([1, 2])
        dispatch._persist()
        outbox.ack([3])

    monkeypatch.setattr(edge.delivery.dispatch.time, "sleep", sleep)
    assert dispatch.drain(1.0) == 0


@pytest.mark.parametrize(("answers", "lasts_s"), [(True, 0.125), (False, 0.5)])
def test_the_goodbye_is_said_without_expiry_and_waited_for_half_a_second(
    dispatch: Dispatch, session: Session, clock: Time, monkeypatch: pytest.MonkeyPatch, answers: bool, lasts_s: float
) -> None:
    session.answers = answers
    session.up("first")
    step(dispatch)
    waits: list[float] = []
    monkeypatch.setattr(dispatch._wake, "wait", lambda seconds: (waits.append(seconds), clock.sleep(0.125)))
    session.news()
    begin_s = clock.now_s
    dispatch._publish_stopped()
    assert (clock.now_s - begin_s, set(waits) - {0.05}) == (lasts_s, set())
    (sent,) = session.sent
    assert (sent[1], sent[2]["state"], sent[2]["session"], sent[3], sent[4]) == (
        "status",
        "stopped",
        "first",
        True,
        None,
    )


def test_the_thread_looks_up_ten_times_a_second_while_a_backlog_goes_and_else_once(
    dispatch: Dispatch, session: Session, outbox: Box, clock: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        clock.sleep(0.5)
        if len(waits) == 1:
            session.up("first")
        if len(waits) == 3:
            dispatch._stopping.set()

    outbox.put([event(1)])
    monkeypatch.setattr(dispatch._wake, "wait", wait)
    dispatch._run()
    assert waits[:3] == [1.0, 0.1, 1.0]
    assert session.news() == ["status", 1, "status"]


def test_a_stop_waits_no_longer_than_a_second_for_the_thread(
    dispatch: Dispatch, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(dispatch._thread, "join", waits.append)
    dispatch.stop()
    assert (waits, session.calls) == ([1.0], ["stop"])


def test_without_a_session_there_is_no_goodbye(dispatch: Dispatch, session: Session) -> None:
    dispatch._publish_stopped()
    assert session.sent == []


def test_the_thread_outlives_what_it_cannot_write_and_stops_when_asked(
    dispatch: Dispatch,
    session: Session,
    outbox: Box,
    logged: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(dispatch._stopping, "wait", waits.append)
    dispatch.start()
    outbox.is_broken = True
    dispatch.send(event(1))
    wait_for(lambda: logged.messages == ["dispatch error; going on in 1 s"], "the line that says so")
    dispatch.send(event(2))
    dispatch.stop()
    dispatch._thread.join()
    assert waits == [1.0]
    assert waiting(outbox) == [1]  # event 2: what was in the inbox at the stop is written all the same
    assert session.calls == ["start", "stop"]
    assert (dispatch._thread.name, dispatch._thread.daemon) == ("disk", True)


def test_an_answer_beyond_the_quota_lets_no_retained_state_go_with_it(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    session.up("a")
    step(dispatch, *(event(number) for number in range(1, 31)))
    for number in range(100):
        dispatch.set_state(NODE.topic("s", f"b{number}", "trend"), {"n": number}, 180)
    step(dispatch)
    session.news()
    dispatch.answer(NODE.topic("result", "pause", "u"), {"ok": True}, 60)
    for _ in range(2):
        step(dispatch)
    assert session.news() == ["result/pause/u"]


def test_a_message_on_the_disk_that_names_no_topic_is_dropped_and_told_and_the_next_one_goes(
    dispatch: Dispatch, session: Session, outbox: Box, clock: Time, logged: pytest.LogCaptureFixture
) -> None:
    outbox.put([Message("laennec/v1/ward/node/s/bed\x01/event", event(1).body, 60, ("id1", 1))])
    session.up("one")
    step(dispatch, event(2))
    clock.sleep(1.0)  # a backlog goes at a bounded rate
    step(dispatch)
    assert session.news() == ["status", 2]
    assert (dispatch.dropped, waiting(outbox)) == (1, [2])
    assert "no topic of the contract" in logged.text


def test_what_the_broker_acknowledged_since_the_last_step_leaves_the_disk_in_one_transaction(
    dispatch: Dispatch, session: Session, outbox: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, event(1), event(2), event(3))
    taken, acknowledge = list[list[int]](), outbox.ack
    monkeypatch.setattr(outbox, "ack", lambda seqs: taken.append(list(seqs)) or acknowledge(taken[-1]))
    for mid in (2, 3, 4):
        session.ack(mid)
    step(dispatch)
    assert (taken, waiting(outbox)) == ([[1, 2, 3]], [])
    step(dispatch)
    assert len(taken) == 1
