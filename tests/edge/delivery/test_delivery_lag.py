"""How late events are: what the outbox drops is forgotten, and saying it looks at one event of each stream."""

from __future__ import annotations

from dataclasses import replace

from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import DeliveryLag
from edge.delivery.messages import Message
from tests.edge.dispatching import Box, Session, Time, clock, dispatch, event, outbox, session, step

__all__ = ["clock", "dispatch", "outbox", "session"]

looks = 0


class Moment(float):
    """Seconds that count how often they are looked at."""

    def __sub__(self, other: float) -> Moment:
        return Moment(float(self) - other)

    def __rsub__(self, other: float) -> float:
        global looks
        looks += 1
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


def test_saying_it_looks_at_one_event_of_each_stream_however_many_wait() -> None:
    global looks
    lag = DeliveryLag()
    for seq in range(10_000):
        lag.stored(seq, at(seq, Moment(seq), f"bed{seq % 3}"))
    looks = 0
    lag.publish(20_000.0)
    assert lag.status.lags_s == {"bed0": 20_000.0, "bed1": 19_999.0, "bed2": 19_998.0}
    assert looks == 3


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
