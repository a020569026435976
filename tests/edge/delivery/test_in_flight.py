"""The bookkeeping of one connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.sender import BACKLOG_PER_S, InFlight


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 300)), max_size=40))
def test_between_any_two_moments_the_backlog_exceeds_its_rate_by_no_more_than_one_second(
    steps: list[tuple[float, int]],
) -> None:
    in_flight, now_s, spent = InFlight("s", 20, 1000, 0.0), 0.0, [(0.0, 0)]
    for wait_s, required in steps:
        now_s += wait_s
        number = min(required, in_flight.backlog_tokens(now_s))
        in_flight.consume_tokens(number)
        spent.append((now_s, number))
    for i in range(len(spent)):
        sent = 0
        for at_s, number in spent[i:]:
            sent += number
            assert sent <= BACKLOG_PER_S * (at_s - spent[i][0] + 1) + 1e-6


def test_the_bucket_of_the_backlog_begins_empty_and_never_holds_more_than_a_second() -> None:
    in_flight = InFlight("s", 20, 1000, 10.0)
    assert in_flight.backlog_tokens(10.0) == 0
    assert in_flight.backlog_tokens(10.25) == 25  # 100 in a second
    in_flight.consume_tokens(20)
    assert in_flight.backlog_tokens(10.25) == 5
    assert in_flight.backlog_tokens(10.5) == 30
    assert in_flight.backlog_tokens(3600.0) == 100  # an hour of rest is worth no more than a second
    in_flight.consume_tokens(100)
    assert in_flight.backlog_tokens(3600.0) == 0


def test_no_more_is_under_way_than_the_broker_takes() -> None:
    in_flight = InFlight("s", 2, 0, 0.0)
    in_flight.record(1, 10, 5.0)
    in_flight.record(None, 11, 5.0)
    assert (in_flight.send_quota, in_flight.contains(10), in_flight.contains(11)) == (1, True, False)
    in_flight.record(2, None, 6.0)
    assert in_flight.send_quota == 0
    assert in_flight.oldest_s(8.0) == 3.0


def test_what_was_refused_becomes_backlog() -> None:
    in_flight = InFlight("s", 20, 5, 0.0)
    in_flight.last_live, in_flight.has_backlog = 9, False
    in_flight.requeue()
    assert (in_flight.backlog_end, in_flight.last_backlog, in_flight.has_backlog) == (9, 0, True)


def test_a_connection_begins_with_nothing_sent_and_its_backlog_marked() -> None:
    in_flight = InFlight("s", 20, 7, 0.0)
    assert (in_flight.session, in_flight.backlog_end, in_flight.last_live, in_flight.last_backlog) == ("s", 7, 7, 0)
    assert (in_flight.has_backlog, in_flight.retry_s) == (True, 0.0)
    assert (in_flight.unacknowledged, in_flight.send_quota) == ({}, 20)
    assert not InFlight("s", 20, 0, 0.0).has_backlog
    assert InFlight("s", 20, 1, 0.0).has_backlog
    none = InFlight()
    assert (none.session, none.send_quota, none.has_backlog, none.backlog_tokens(0.0)) == ("", 0, False, 0)


def test_nothing_under_way_is_not_old() -> None:
    in_flight = InFlight("s", 2, 0, 0.0)
    assert in_flight.oldest_s(8.0) == 0.0
    in_flight.record(1, 10, 7.0)
    in_flight.record(2, 11, 5.0)
    assert in_flight.oldest_s(8.0) == 3.0


def test_what_was_refused_is_tried_again_once() -> None:
    in_flight = InFlight("s", 20, 5, 0.0)
    in_flight.last_backlog, in_flight.retry_s = 5, 30.0
    in_flight.requeue()
    assert (in_flight.retry_s, in_flight.last_backlog) == (0.0, 0)


def test_what_goes_before_all_others_does_so_in_order() -> None:
    in_flight = InFlight("s", 20, 5, 0.0)
    in_flight.make_due([5, 3])
    in_flight.make_due(iter([4]))
    assert in_flight.due == [3, 4, 5]


def test_what_is_held_behind_a_message_is_due_when_the_broker_has_that_one() -> None:
    in_flight = InFlight("s", 20, 5, 0.0)
    for seq, behind in ((9, 3), (7, 3), (8, 4)):
        in_flight.hold(seq, behind)
    in_flight.release_held(99)
    assert in_flight.due == []
    in_flight.release_held(3)
    in_flight.release_held(3)
    assert in_flight.due == [7, 9]


def test_when_all_is_tried_again_nothing_is_due_or_held_any_more() -> None:
    in_flight = InFlight("s", 20, 5, 0.0)
    in_flight.make_due([1, 2])
    in_flight.hold(8, behind=4)
    in_flight.requeue()
    in_flight.release_held(4)
    assert in_flight.due == []


def test_what_goes_without_asking_leaves_no_quota_and_never_less() -> None:
    in_flight = InFlight("s", 2, 0, 0.0)
    for mid in (1, 2, 3):
        in_flight.record(mid, None, 0.0)
    assert in_flight.send_quota == 0
