"""What did not come is what lies between what came, in whatever order it came."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.delivery.sequence import RESERVE
from edge.server.history.sequences import MissingNumbers, Range, Start, joined, missing_of

numbers = st.sets(st.integers(1, 60), min_size=1, max_size=40)


@given(numbers, st.lists(st.integers(1, 5), min_size=1, max_size=10), st.randoms())
def test_any_order_and_any_copies_give_the_same_ranges(came: set[int], cuts: list[int], chance: object) -> None:
    order = [*came, *list(came)[:5]]
    chance.shuffle(order)  # type: ignore[attr-defined]
    ranges: list[Range] = []
    while order:
        cut = cuts[len(order) % len(cuts)]
        ranges, order = joined(ranges, order[:cut], 0), order[cut:]
    assert {number for each in ranges for number in range(each.first, each.last + 1)} == came
    assert all(one.last + 1 < other.first for one, other in pairwise(ranges)), "none touch"


def test_a_number_that_fills_a_hole_joins_its_neighbours_and_one_that_is_there_changes_nothing() -> None:
    ranges = joined([], [1, 2, 4], 10)
    assert ranges == [Range(1, 2, 10), Range(4, 4, 10)]
    assert joined(ranges, [3], 20) == [Range(1, 4, 10)]
    assert joined(ranges, [2, 4], 20) == ranges


def test_what_lies_between_two_ranges_is_a_hole_and_what_was_before_the_first_is_none() -> None:
    assert missing_of({1: Start(0, [Range(5, 6, 10), Range(9, 9, 20)])}) == [MissingNumbers(7, 8, 20)]
    assert missing_of({9: Start(4, [Range(12, 12, 10)])}) == [], "nothing was heard before"
    assert MissingNumbers(7, 8, 20).count == 2
    assert MissingNumbers(7, 6 + RESERVE, 20).count == RESERVE
    assert MissingNumbers(7, 7 + RESERVE, 20).count is None, "numbers were jumped over, how many is not known"


def test_of_a_later_start_the_numbers_from_its_first_on_are_missing_too() -> None:
    first = Start(0, [Range(1, 6, 10)])
    assert missing_of({1: first, 100: Start(6, [Range(102, 103, 30)])}) == [MissingNumbers(100, 101, 30)]
    assert missing_of({1: first, 100: Start(6, [Range(100, 103, 30)])}) == [], (
        "no message got a number between 6 and 100"
    )


def test_what_was_lost_before_a_restart_is_told_by_the_next_start() -> None:
    first = Start(0, [Range(1, 6, 10)])
    assert missing_of({1: first, 100: Start(8, [Range(100, 103, 30)])}) == [MissingNumbers(7, 8, 30)]
    assert missing_of({1: first, 9: Start(8, [Range(10, 10, 30)])}) == [
        MissingNumbers(7, 8, 30),
        MissingNumbers(9, 9, 30),
    ]
    assert missing_of({1: first, 100: Start(None, [Range(100, 103, 30)])}) == [], "not known"
    assert missing_of({1: first, 100: Start(100, [Range(100, 103, 30)])}) == [], "a node that says nonsense"


def test_a_box_that_counts_from_1_again_makes_no_hole_between_its_numbers_and_the_old_ones() -> None:
    old = {1: Start(0, [Range(1, 1000, 10)]), 1001: Start(1000, [Range(1001, 2000, 20)])}
    new = {1: Start(0, [Range(1, 1000, 10)]), 31: Start(30, [Range(31, 40, 30)])}
    assert missing_of({**old, **new}) == []


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 9)), min_size=1, max_size=6), st.data())
def test_holes_are_what_did_not_come_between_the_first_and_the_last_that_did(
    starts: list[tuple[int, int]], data: st.DataObject
) -> None:
    """Each start gives some numbers after leaving some out; any of them may be lost, but not all of a start."""
    given, reported, last = [], {}, 0
    for number, left_out in starts:
        first = last + 1 + left_out
        numbers = list(range(first, first + number))
        came = data.draw(st.sets(st.sampled_from(numbers), min_size=1))
        reported[first] = Start(last, joined([], came, 0))
        given, last = given + numbers, numbers[-1]
    received = {
        number for start in reported.values() for each in start.ranges for number in range(each.first, each.last + 1)
    }
    missing = {number for gap in missing_of(reported) for number in range(gap.first, gap.last + 1)}
    assert missing == {number for number in given if min(received) < number < max(received)} - received
