"""What did not come is what lies between what came, in whatever order it came."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.history.sequences import Hole, Range, holes, joined

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
    assert holes({1: [Range(5, 6, 10), Range(9, 9, 20)]}) == [Hole(1, 7, 8, 20)]
    assert Hole(1, 7, 8, 20).count == 2


def test_of_a_later_start_the_numbers_from_its_first_on_are_missing_too() -> None:
    assert holes({1: [Range(1, 6, 10)], 100: [Range(102, 103, 30)]}) == [Hole(100, 100, 101, 30)]
    told = holes({1: [Range(1, 6, 10)], 100: [Range(100, 103, 30)]})
    assert told == [], "what was numbered between two starts is not known"
