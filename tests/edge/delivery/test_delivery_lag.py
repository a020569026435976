"""How late events are, and what makes room where they are: updates, then values that are measured anew."""

from __future__ import annotations

from dataclasses import replace

from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import DeliveryLag
from edge.delivery.messages import Message
from tests.edge.dispatching import NODE, Box, Session, Time, clock, dispatch, event, outbox, session, step

__all__ = ["clock", "dispatch", "outbox", "session"]

reads = 0


class Moment(float):
    """Seconds that count how often they are read."""

    def __sub__(self, other: float) -> Moment:
        return Moment(float(self) - other)

    def __rsub__(self, other: float) -> float:
        global reads
        reads += 1
        return other - float(self)


def at(number: int, decided_s: float, stream: str = "bed1", filling: str = "") -> Message:
    found = event(number)
    return replace(
        found,
        body={
            **found.body,
            "stream": stream,
            "filling": filling,
            "latency_ms": dict.fromkeys(("sound", "window", "scored", "wire")),
        },
        decided_s=decided_s,
    )


def test_a_stream_is_as_late_as_the_oldest_of_its_events_that_waits() -> None:
    lag = DeliveryLag()
    for seq in range(1, 4):
        lag.stored(seq, at(seq, 10.0 * seq))
    lag.stored(4, at(4, 35.0, "bed2"))
    lag.publish(40.0)
    assert lag.status.lags_s == {"bed1": 30.0, "bed2": 5.0}
    lag.sent(1, {}, 40.0)
    lag.acknowledged(1, 40.0)
    lag.publish(100.0)
    assert lag.status.lags_s == {"bed1": 80.0, "bed2": 65.0}


def test_publishing_it_reads_one_event_of_each_stream_however_many_wait() -> None:
    global reads
    lag = DeliveryLag()
    for seq in range(10_000):
        lag.stored(seq, at(seq, Moment(seq), f"bed{seq % 3}"))
    reads = 0
    lag.publish(20_000.0)
    assert lag.status.lags_s == {"bed0": 20_000.0, "bed1": 19_999.0, "bed2": 19_998.0}
    assert reads == 3


def test_an_event_that_the_outbox_drops_is_late_no_more(
    dispatch: Dispatch, session: Session, outbox: Box, clock: Time
) -> None:
    session.up("first", in_flight=2)
    step(dispatch)
    step(dispatch, at(1, clock()))
    clock.now_s += 8
    step(dispatch)
    assert dispatch.lag.status.lags_s == {"bed1": 8.0}
    step(dispatch, *(at(number, clock(), "bed2", "x" * 200_000) for number in range(2, 62)))
    step(dispatch)
    assert sum(outbox.status.evicted.values()) > 0
    assert set(dispatch.lag.status.lags_s) <= {"bed2"}


def change_of(number: int, rev: int, kind: str, decided_s: float) -> Message:
    found = at(number, decided_s)
    return replace(found, body={**found.body, "type": kind, "stream": "bed1"}, event=("id1", rev))


def test_an_update_that_would_come_late_is_left_out_and_counted_and_the_end_behind_it_goes(
    dispatch: Dispatch, session: Session, outbox: Box, clock: Time
) -> None:
    session.up("first", in_flight=2)
    step(dispatch)
    session.ack(1)
    sound = [change_of(n, n, kind, clock()) for n, kind in enumerate(("onset", "update", "update", "end"), start=1)]
    step(dispatch, *sound)
    assert session.news() == ["status", 1]  # what follows of the same sound waits for the acknowledgement
    clock.now_s += 3.6
    session.ack(2)
    for _ in sound:
        step(dispatch)
    assert session.news() == [4]
    assert outbox.status.evicted["update"] == 2
    session.ack(3)
    step(dispatch)
    assert outbox.status.waiting == 0
    step(dispatch, change_of(5, 1, "onset", clock()))
    assert [(body["n"], body["late"]) for _, _, body, *_ in session.sent] == [(5, False)]


def test_an_update_in_time_goes(dispatch: Dispatch, session: Session, outbox: Box, clock: Time) -> None:
    session.up("first")
    step(dispatch)
    step(dispatch, change_of(1, 1, "onset", clock()))
    session.ack(2)
    clock.now_s += 3.4
    step(dispatch, change_of(2, 2, "update", clock() - 3.4))
    assert session.news() == ["status", 1, 2]
    assert outbox.status.evicted["update"] == 0


def fall_behind(dispatch: Dispatch, session: Session, clock: Time) -> None:
    """Publish an event that the broker does not take for 4 s, and see that."""
    session.up("first", in_flight=8)
    step(dispatch)
    session.ack(1)
    step(dispatch, at(1, clock()))
    clock.now_s += 4
    step(dispatch)


def test_where_events_are_behind_measured_values_go_last_and_leave_three_quarters_of_the_room(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    fall_behind(dispatch, session, clock)
    session.news()
    for name in ("s/bed1/trend", "s/bed1/status", "alarm/a", "health"):
        dispatch.set_state(NODE.topic(*name.split("/")), {})
    step(dispatch, *(at(number, clock(), "bed2") for number in range(2, 10)))
    assert session.news() == ["alarm/a", "health", 2, 3, 4, 5, 6]  # of 7 that may go, 2 are state
    for mid in range(2, 10):
        session.ack(mid)
    step(dispatch)
    assert session.news()[:2] == ["s/bed1/status", "s/bed1/trend"]


def test_alarms_of_all_beds_go_before_what_is_measured_of_any_also_where_no_event_is_behind(
    dispatch: Dispatch, session: Session
) -> None:
    session.up("first", in_flight=4)
    step(dispatch)
    session.ack(1)
    session.news()
    for name in ("s/bed1/trend", "s/bed1/status", "s/bed1/breath", "s/bed1/alarm/a", "s/bed2/alarm/a", "alarm/b"):
        dispatch.set_state(NODE.topic(*name.split("/")), {})
    step(dispatch)
    assert session.news() == ["alarm/b", "s/bed1/alarm/a", "s/bed2/alarm/a", "s/bed1/status"]


def test_where_events_are_behind_and_acknowledgements_come_one_by_one_three_quarters_go_to_events(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    fall_behind(dispatch, session, clock)
    for number in range(100):
        dispatch.set_state(NODE.topic("s", f"bed{number}", "status"), {})
    step(dispatch, *(at(number, clock(), "bed2") for number in range(2, 100)))
    session.news()
    went = list[int | str]()
    for mid in range(3, 45):  # never the first, so that events stay behind
        session.ack(mid)
        step(dispatch)
        went += session.news()
    values = sum(isinstance(each, str) for each in went)
    assert (len(went), values) == (42, 12)  # of the 7 places that come free in turn, 2 are for values
