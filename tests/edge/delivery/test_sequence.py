"""No number is given twice: what is written beforehand, and where numbering goes on, counted by hand."""

from __future__ import annotations

import secrets

import pytest

from edge.delivery.sequence import JUMP, RESERVE, SequenceNumbers, jump


class Paper:
    """What is written in place; a disk that refuses takes nothing."""

    def __init__(self, number: int = 0) -> None:
        self.number, self.refuses = number, False
        self.written: list[int] = []

    def reserved(self) -> int:
        return self.number

    def reserve(self, seq: int) -> None:
        if self.refuses:
            raise OSError
        self.number = seq
        self.written.append(seq)


@pytest.fixture(autouse=True)
def farthest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The greatest distance that chance can give."""
    monkeypatch.setattr(secrets, "randbelow", lambda bound: bound - 1)


def test_a_jump_goes_at_least_one_and_at_most_the_distance_further(monkeypatch: pytest.MonkeyPatch) -> None:
    assert jump(7) == 7 + JUMP
    monkeypatch.setattr(secrets, "randbelow", lambda _bound: 0)
    assert jump(7) == 8


@pytest.mark.parametrize(("retained", "stored", "last", "written"), [(0, 0, 0, []), (7, 5, 7, []), (5, 7, 7, [7])])
def test_numbering_begins_behind_the_higher_of_what_is_stored_and_what_is_written(
    retained: int, stored: int, last: int, written: list[int]
) -> None:
    paper = Paper(retained)
    numbers = SequenceNumbers(paper, stored)
    assert (numbers.last, numbers.start, paper.written) == (last, last + 1, written)
    assert (SequenceNumbers(None, stored).last, SequenceNumbers(None, stored).start) == (stored, stored + 1)


def test_what_cannot_be_read_is_left_far_behind_and_asks_for_no_reserve() -> None:
    paper = Paper(7)
    numbers = SequenceNumbers(paper, None)
    assert (numbers.last, numbers.start) == (7 + JUMP, 8 + JUMP)
    numbers.reserve(5)
    assert (numbers.last, paper.written) == (7 + JUMP, [])
    assert (SequenceNumbers(None, None).last, SequenceNumbers(None, None).start) == (JUMP, JUMP + 1)


def test_a_reserve_is_written_once_for_ten_thousand_numbers() -> None:
    paper = Paper()
    numbers = SequenceNumbers(paper, 100)  # writes that it begins behind 100
    numbers.reserve(4)
    assert paper.written == [100, 104 + RESERVE]
    numbers.last += 4
    numbers.reserve(RESERVE)  # up to the last one of the reserve
    assert paper.written == [100, 104 + RESERVE]
    numbers.reserve(RESERVE + 1)
    assert paper.written == [100, 104 + RESERVE, 104 + RESERVE + 1 + RESERVE]
    assert (numbers.last, numbers.start) == (104, 101)


def test_what_is_stored_needs_no_reserve_and_leaves_no_hole() -> None:
    paper = Paper()
    numbers = SequenceNumbers(paper, 100)
    numbers.stored(3)
    numbers.stored()
    assert (numbers.last, numbers.start, paper.written) == (103, 101, [100])


@pytest.mark.parametrize("is_there", [False, True])
def test_where_no_reserve_can_be_written_numbering_jumps_once(is_there: bool) -> None:
    paper = Paper(50) if is_there else None
    numbers = SequenceNumbers(paper, 50)
    if paper:
        paper.refuses = True
    numbers.reserve(2)
    assert (numbers.last, numbers.start) == (50 + JUMP, 51 + JUMP)
    numbers.last += 2
    numbers.reserve(2)
    assert (numbers.last, numbers.start) == (52 + JUMP, 51 + JUMP)
    numbers.stored(1)  # the database knows of them again
    if paper:
        paper.refuses = False
        numbers.reserve(2)
        assert paper.written == [53 + JUMP + 2 + RESERVE]
    assert (numbers.last, numbers.start) == (53 + JUMP, 51 + JUMP)


@pytest.mark.parametrize(("retained", "stored"), [(900, 800), (800, 900)])
def test_a_database_that_is_further_is_gone_on_from(retained: int, stored: int) -> None:
    numbers, paper = SequenceNumbers(None, 100), Paper(retained)
    numbers.attach(paper, stored)
    assert (numbers.last, numbers.start) == (900, 901)
    assert (numbers.lock_file, paper.number) == (paper, 900)
    numbers.reserve(1)
    assert paper.written[-1] == 901 + RESERVE


def test_behind_a_database_that_was_read_late_a_reserve_is_written_again() -> None:
    numbers, paper = SequenceNumbers(None, None), Paper(JUMP + 5)
    numbers.attach(paper, 3)
    assert numbers.last == JUMP + 5
    numbers.reserve(2)  # a process that begins after a kill must not give these two again
    assert paper.written == [JUMP + 7 + RESERVE]


def test_a_database_that_is_not_as_far_is_told_how_far_numbering_came() -> None:
    numbers, paper = SequenceNumbers(None, 100), Paper(90)
    numbers.last += 3
    numbers.attach(paper, 103)
    assert (numbers.last, numbers.start, paper.written) == (103, 101, [103])
    numbers.attach(None, 95)
    assert (numbers.last, numbers.lock_file) == (103, None)
    begun = SequenceNumbers(None, 0)
    begun.attach(None, 0)
    assert (begun.last, begun.start) == (0, 1)


def test_at_a_clean_end_the_rest_of_the_reserve_is_free_again() -> None:
    paper = Paper()
    numbers = SequenceNumbers(paper, 100)
    numbers.release_unused()
    assert paper.written == [100]  # nothing was reserved
    numbers.reserve(4)
    numbers.last += 4
    numbers.release_unused()
    assert paper.written == [100, 104 + RESERVE, 104]
    SequenceNumbers(None, 5).release_unused()


def test_a_disk_that_refuses_even_that_is_no_error_and_is_told_later() -> None:
    paper = Paper(3)
    paper.refuses = True
    numbers = SequenceNumbers(paper, 9)
    paper.refuses = False
    numbers.attach(paper, 9)
    assert (numbers.last, paper.written) == (9, [9])
    numbers.attach(paper, 9)
    assert paper.written == [9]


def test_a_database_without_numbers_beside_a_lock_file_that_has_some_is_another_one() -> None:
    assert SequenceNumbers(Paper(900), 800).is_known
    assert SequenceNumbers(None, 0).is_known, "a new box"
    replaced = SequenceNumbers(Paper(500), 0)
    assert (replaced.is_known, replaced.start) == (False, 501 + JUMP), "501 may have been given"
    assert not SequenceNumbers(Paper(7), None).is_known


def test_a_jump_says_how_far_numbers_came_before_it() -> None:
    numbers = SequenceNumbers(None, 50)
    numbers.before = 50
    numbers.reserve(2)  # nothing was given by this process yet
    assert (numbers.start, numbers.before) == (51 + JUMP, 50)
    other = SequenceNumbers(None, 50)
    other.before = 40
    other.stored(3)
    other.reserve(2)
    assert (other.start, other.before) == (54 + JUMP, 53)


def test_of_a_database_that_is_further_it_is_not_known_which_numbers_were_given() -> None:
    numbers = SequenceNumbers(None, 100)
    numbers.before = 100
    numbers.attach(Paper(900), 800)
    assert (numbers.start, numbers.before) == (901, None)
