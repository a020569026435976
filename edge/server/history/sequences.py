"""Which numbers of a node came, as ranges without a hole; what lies between two ranges did not come. Pure.

Not for the table of them (`edge.server.history.writer`). A number that is missing was dropped (the node counts that),
expired at the broker, was refused, or is still on its way: a range that fills a hole joins its neighbours. Numbers
before the first that ever came of a node are no loss. Where an earlier start was received, those from `seq_start` on
are, and those behind the last that came up to `seq_before`, which the node says with its next start. Not known is what
was lost of a node that never starts again, or of a box that counts from 1 again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from edge.delivery.sequence import RESERVE


@dataclass(frozen=True, order=True)
class Range:
    """Numbers from `first` to `last`, both included."""

    first: int
    last: int
    since_ms: int
    """When the first of them came, milliseconds since 1970."""


@dataclass(frozen=True)
class Start:
    """What came with one `seq_start`."""

    before: int | None
    """Its `seq_before`; None: not known."""
    ranges: list[Range]
    """In order, one or more."""


@dataclass(frozen=True, order=True)
class MissingNumbers:
    """Numbers that did not come."""

    first: int
    last: int
    seen_ms: int
    """When the message behind it came."""

    @property
    def count(self) -> int | None:
        """How many messages; None where nothing came of a whole start, whose numbers may not all have been used."""
        number = self.last - self.first + 1
        return number if number <= RESERVE else None


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


def missing_of(starts: Mapping[int, Start]) -> list[MissingNumbers]:
    """What is missing of one node, in order.

    Of a start of which nothing came, the numbers that it left out count as missing too, up to `RESERVE`.

    Args:
        starts: seq_start -> what came with it.
    """
    found: list[MissingNumbers] = []
    last: int | None = None  # the highest number that came
    for seq_start, start in sorted(starts.items()):
        first = start.ranges[0]
        if last is not None:
            if start.before is not None and last < start.before < seq_start:
                found.append(MissingNumbers(last + 1, start.before, first.since_ms))
            if first.first > seq_start:
                found.append(MissingNumbers(seq_start, first.first - 1, first.since_ms))
        found += [
            MissingNumbers(one.last + 1, other.first - 1, other.since_ms) for one, other in pairwise(start.ranges)
        ]
        last = max(last or 0, start.ranges[-1].last)  # a box that counts from 1 again has numbers below those of others
    return found
