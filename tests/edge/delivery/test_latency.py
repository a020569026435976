"""Latencies by stage: worked out by hand, on a clock that the test moves, as far as the wire."""

from __future__ import annotations

import math

import hypothesis.strategies as st
import pytest
from hypothesis import given

import edge.delivery.latency
from edge.delivery.dispatch import Dispatch
from edge.delivery.latency import BOUNDS_S, LatencyCounts, Sending, StageTimes, with_sending
from edge.delivery.messages import Latency, Message, latency_of
from tests.edge.dispatching import Box, Session, Time, clock, dispatch, outbox, session, step

__all__ = ["clock", "dispatch", "outbox", "session"]  # fixtures

DECIDED = latency_of(Latency(sound_s=0.8004, window_s=0.02, scored_s=0.005, decided_s=99.5)).body()


def decided(rev: int = 1, at_s: float | None = 99.5) -> Message:
    body = {"time": {}, "latency_ms": DECIDED}
    return Message("t/s/bed1/event", body, 60, ("id", rev), decided_s=at_s)


def test_stages_up_to_the_decision_are_milliseconds_and_never_below_zero() -> None:
    assert DECIDED == {"sound": 800.4, "window": 20.0, "scored": 5.0, "disk": None, "wire": None, "total": None}
    assert latency_of(Latency(0.0, -0.001, None, 0.0)).body().items() >= {"window": 0.0, "scored": None}.items()


def test_an_event_that_is_sent_has_all_stages_and_their_sum() -> None:
    sent = with_sending({"latency_ms": DECIDED}, Sending(0.010, 0.0306))
    assert sent["latency_ms"] == {
        "sound": 800.4,
        "window": 20.0,
        "scored": 5.0,
        "disk": 10.0,
        "wire": 30.6,
        "total": 866.0,
    }


def test_a_stage_that_is_not_known_leaves_the_sum_unknown_but_a_disk_that_refused_does_not() -> None:
    assert with_sending({"latency_ms": DECIDED}, Sending())["latency_ms"] == DECIDED
    in_memory = with_sending({"latency_ms": DECIDED}, Sending(None, 0.1))["latency_ms"]
    assert (in_memory["disk"], in_memory["wire"], in_memory["total"]) == (None, 100.0, 925.4)
    of_a_file = with_sending({"latency_ms": {**DECIDED, "window": None}}, Sending(0.0, 0.0))["latency_ms"]
    assert (of_a_file["disk"], of_a_file["total"]) == (0.0, None)


def test_what_is_no_event_is_sent_as_it_is() -> None:
    gap = {"ms": 5}
    assert with_sending(gap, Sending(1.0, 1.0)) is gap


def test_times_are_remembered_for_a_bounded_number_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.delivery.latency, "MOST", 2)
    times = StageTimes()
    for rev in (1, 2, 3):
        times.stored(("id", rev), 10.0, 11.0, is_on_disk=True)
    assert [times.sending(("id", rev), 14.0) for rev in (1, 2, 3)] == [Sending(), *[Sending(1.0, 3.0)] * 2]
    assert times.sending(None, 14.0) == Sending()
    times.stored(("id", 4), 10.0, 11.0, is_on_disk=False)
    assert times.sending(("id", 4), 14.0) == Sending(None, 4.0)


def test_the_wire_is_measured_from_the_disk_however_long_the_broker_was_away(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    step(dispatch, decided())  # at 100 s
    clock.now_s += 6.0
    session.up("s1")
    step(dispatch)
    clock.now_s += 1.0  # a backlog has its rate
    step(dispatch)
    (body,) = [body["latency_ms"] for _, topic, body, *_ in session.sent if topic.endswith("event")]
    assert (body["disk"], body["wire"], body["total"]) == (500.0, 7000.0, 8325.4)


def test_what_an_earlier_process_wrote_has_no_latency_of_disk_and_wire(
    outbox: Box, dispatch: Dispatch, session: Session, clock: Time
) -> None:
    outbox.put([decided()])  # not by this dispatch
    session.up("s1")
    step(dispatch)
    clock.now_s += 1.0
    step(dispatch)
    (body,) = [body["latency_ms"] for _, topic, body, *_ in session.sent if topic.endswith("event")]
    assert body == DECIDED


def test_an_event_is_counted_once_by_each_stage_that_is_known_though_it_is_sent_again(
    dispatch: Dispatch, session: Session, clock: Time
) -> None:
    session.up("s1")
    step(dispatch)
    step(dispatch, decided())  # at 99.5 s; sent at 100 s
    for number in (2, 3):
        session.up(f"s{number}")  # without an acknowledgement
        step(dispatch)
        clock.now_s += 10.0  # a backlog has its rate
        step(dispatch)
    assert len([topic for _, topic, *_ in session.sent if topic.endswith("event")]) == 3
    assert {stage: counts.within()[-1] for stage, counts in dispatch.stages.counts.items()} == dict.fromkeys(
        ("sound", "window", "scored", "disk", "wire", "total"), 1
    )
    assert round(dispatch.stages.counts["disk"].sum_s, 6) == 0.5
    assert round(dispatch.stages.counts["total"].sum_s, 4) == 1.3254


def test_what_an_earlier_process_decided_is_in_no_count(
    outbox: Box, dispatch: Dispatch, session: Session, clock: Time
) -> None:
    outbox.put([decided()])
    session.up("s1")
    step(dispatch)
    clock.now_s += 1.0
    step(dispatch)
    assert [counts.within()[-1] for counts in dispatch.stages.counts.values()] == [0] * 6


@given(st.lists(st.one_of(st.sampled_from(BOUNDS_S), st.floats(0, 1e6))), st.lists(st.floats(0, 1e6)))
def test_counts_are_those_of_a_plain_comparison_with_each_bound(some: list[float], more: list[float]) -> None:
    one, other = LatencyCounts(), LatencyCounts()
    for counts, values in ((one, some), (other, more)):
        for value in values:
            counts.push(value)
    expected = [sum(value <= bound for value in some + more) for bound in (*BOUNDS_S, float("inf"))]
    assert (one + other).within() == expected
    assert math.isclose((one + other).sum_s, math.fsum(some + more), abs_tol=1e-6)
