"""Which numbers of a node came, as ranges without a hole; what lies between two ranges did not come. Pure.

Not for the table of them (`edge.history.writer`). A number that is missing was dropped (the node counts that), expired
at the broker, was refused, or is still on its way: a range that fills a hole joins its neighbours. Numbers before the
first that ever came of a node are no loss; those from `seq_start` on are, where an earlier start was heard. Not known
is what was numbered before a restart and behind the last number that came, nor what of a box that counts from 1 again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Range:
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int
    since_ms: int
    """When the first of them came, milliseconds since 1970."""


@dataclass(frozen=True, order=True)
class Hole:
    """Numbers that did not come."""

    seq_start: int
    first: int
    last: int
    seen_ms: int
    """When the message behind it came."""

    @property
    def count(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


def joined(ranges: Iterable[Range], numbers: Iterable[int], now_ms: int) -> list[Range]:
    """Ranges with more numbers, in order; numbers that are there already change nothing."""
    pieces = sorted([*ranges, *(Range(number, number, now_ms) for number in set(numbers))])
    found: list[Range] = []
    for piece in pieces:
        before = found[-1] if found else None
        if before is None or piece.first > before.last + 1:
            found.append(piece)
        elif piece.last > before.last:
            found[-1] = Range(before.first, piece.last, before.since_ms)
    return found


def holes(starts: Mapping[int, Sequence[Range]]) -> list[Hole]:
    """What is missing of one node.

    Args:
        starts: seq_start -> its ranges, in order.
    """
    found = []
    for seq_start, ranges in sorted(starts.items()):
        is_first = seq_start == min(starts)
        expected = ranges[0].first if is_first else seq_start
        for each in ranges:
            if each.first > expected:
                found.append(Hole(seq_start, expected, each.first - 1, each.since_ms))
            expected = each.last + 1
    return found
