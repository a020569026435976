"""The bookkeeping of one connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.flight import BACKLOG_PER_S, Flight


@given(st.lists(st.tuples(st.floats(0, 0.5), st.integers(0, 30)), max_size=60))
def test_the_backlog_never_exceeds_its_rate_by_more_than_one_second(steps: list[tuple[float, int]]) -> None:
    flight, now_s, sent = Flight("s", 20, 1000, 0.0), 0.0, 0
    for wait_s, wanted in steps:
        now_s += wait_s
        number = min(wanted, flight.allowance(now_s))
        flight.spent(number)
        sent += number
        assert sent <= BACKLOG_PER_S * (now_s + 1)


def test_no_more_is_under_way_than_the_broker_takes() -> None:
    flight = Flight("s", 2, 0, 0.0)
    flight.note(1, 10, 5.0)
    flight.note(None, 11, 5.0)
    assert (flight.room, flight.is_under_way(10), flight.is_under_way(11)) == (1, True, False)
    flight.note(2, None, 6.0)
    assert flight.room == 0
    assert flight.oldest_s(8.0) == 3.0


def test_what_was_refused_becomes_backlog() -> None:
    flight = Flight("s", 20, 5, 0.0)
    flight.live_from, flight.has_backlog = 9, False
    flight.start_again()
    assert (flight.mark, flight.backlog_from, flight.has_backlog) == (9, 0, True)
