"""The bookkeeping of one connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.in_flight import BACKLOG_PER_S, Flight


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 300)), max_size=40))
def test_between_any_two_moments_the_backlog_exceeds_its_rate_by_no_more_than_one_second(
    steps: list[tuple[float, int]],
) -> None:
    flight, now_s, spent = Flight("s", 20, 1000, 0.0), 0.0, [(0.0, 0)]
    for wait_s, wanted in steps:
        now_s += wait_s
        number = min(wanted, flight.allowance(now_s))
        flight.spent(number)
        spent.append((now_s, number))
    for i in range(len(spent)):
        sent = 0
        for at_s, number in spent[i:]:
            sent += number
            assert sent <= BACKLOG_PER_S * (at_s - spent[i][0] + 1) + 1e-6


def test_the_bucket_of_the_backlog_begins_empty_and_never_holds_more_than_a_second() -> None:
    flight = Flight("s", 20, 1000, 10.0)
    assert flight.allowance(10.0) == 0
    assert flight.allowance(10.25) == 25  # 100 in a second
    flight.spent(20)
    assert flight.allowance(10.25) == 5
    assert flight.allowance(10.5) == 30
    assert flight.allowance(3600.0) == 100  # an hour of rest is worth no more than a second
    flight.spent(100)
    assert flight.allowance(3600.0) == 0


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


def test_a_connection_begins_with_nothing_sent_and_its_backlog_marked() -> None:
    flight = Flight("s", 20, 7, 0.0)
    assert (flight.session, flight.mark, flight.live_from, flight.backlog_from) == ("s", 7, 7, 0)
    assert (flight.has_backlog, flight.retry_s, flight.sent, flight.room) == (True, 0.0, {}, 20)
    assert not Flight("s", 20, 0, 0.0).has_backlog
    assert Flight("s", 20, 1, 0.0).has_backlog
    assert (Flight().session, Flight().room, Flight().has_backlog, Flight().allowance(0.0)) == ("", 0, False, 0)


def test_nothing_under_way_is_not_old() -> None:
    flight = Flight("s", 2, 0, 0.0)
    assert flight.oldest_s(8.0) == 0.0
    flight.note(1, 10, 7.0)
    flight.note(2, 11, 5.0)
    assert flight.oldest_s(8.0) == 3.0


def test_what_was_refused_is_tried_again_once() -> None:
    flight = Flight("s", 20, 5, 0.0)
    flight.backlog_from, flight.retry_s = 5, 30.0
    flight.start_again()
    assert (flight.retry_s, flight.backlog_from) == (0.0, 0)


def test_what_goes_before_all_others_does_so_in_order() -> None:
    flight = Flight("s", 20, 5, 0.0)
    flight.make_due([5, 3])
    flight.make_due(iter([4]))
    assert flight.due == [3, 4, 5]


def test_what_is_held_behind_a_message_is_due_when_the_broker_has_that_one() -> None:
    flight = Flight("s", 20, 5, 0.0)
    for seq, behind in ((9, 3), (7, 3), (8, 4)):
        flight.hold(seq, behind)
    flight.arrived(99)
    assert flight.due == []
    flight.arrived(3)
    flight.arrived(3)
    assert flight.due == [7, 9]


def test_when_all_is_tried_again_nothing_is_due_or_held_any_more() -> None:
    flight = Flight("s", 20, 5, 0.0)
    flight.make_due([1, 2])
    flight.hold(8, behind=4)
    flight.start_again()
    flight.arrived(4)
    assert flight.due == []
