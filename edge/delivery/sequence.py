"""`seq`: every message of a node gets the next number, and none is given twice, whatever the disk does.

The database knows the highest number that it has stored. What it refuses is numbered all the same: then a reserve is
written to the claim, in place, which a full disk takes; after a kill the next process begins behind it. Where not even
that can be written, or where nothing can be read, numbering goes on a random distance further, so far that two such
distances do not meet (the odds for 100 000 messages are 1 to 10^8), and remains exact in a double.

So there are numbers that nobody ever gets. A consumer tells them from lost ones by `seq_start`, which every message
carries: from it on, none was left out.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Protocol

RESERVE = 10_000  # numbers that may be used before the disk is asked again: some hours of a busy ward
DISTANCE = 1 << 44  # 500 such distances are exact in a double


class Kept(Protocol):
    """What is written in place (`edge.delivery.store_file.Claim`)."""

    def kept(self) -> int:
        """Up to which number may have been used; 0 if nobody said."""

    def keep(self, seq: int) -> None:
        """Say so; raises OSError when the disk refuses."""


def jump(last: int) -> int:
    """A number that nobody has come to."""
    return last + 1 + secrets.randbelow(DISTANCE)


class Numbers:
    """The numbers of one process."""

    def __init__(self, claim: Kept | None, stored: int | None) -> None:
        """Go on behind what was used.

        Args:
            claim: where the reserve is written; None where there is nothing to write to.
            stored: the highest number in the database; None if it cannot be read.
        """
        self.claim = claim
        kept = claim.kept() if claim else 0
        self.last = jump(kept) if stored is None else max(kept, stored)
        """The number of the newest message."""
        self.start = self.last + 1
        """From here on no number is left out."""
        self._kept = kept
        self._is_apart = stored is None  # far from all that the database knows
        if not self._is_apart:
            self._tell()

    def stored(self, number: int = 0) -> None:
        """The next `number` were given, and the database knows of all up to them."""
        self.last += number
        self._is_apart = False

    def reserve(self, number: int) -> None:
        """Make sure that the next `number` are never given again, though the database does not know of them."""
        if self._is_apart or self.last + number <= self._kept:
            return
        try:
            if self.claim is None:
                raise OSError
            self.claim.keep(self.last + number + RESERVE)
            self._kept = self.last + number + RESERVE
        except OSError:
            self.last, self._is_apart = jump(self.last), True
            self.start = self.last + 1

    def join(self, claim: Kept | None, stored: int) -> None:
        """Go on with a database that could not be read until now."""
        self.claim, self._kept = claim, claim.kept() if claim else 0
        if (known := max(stored, self._kept)) > self.last:
            self.last, self.start = known, known + 1
        self._is_apart = False  # what is given from here on follows what the file knows, so it needs a reserve
        self._tell()

    def settle(self) -> None:
        """At a clean end: what was reserved and not used is free again."""
        if self.claim is not None and self._kept > self.last:
            self.claim.keep(self.last)

    def _tell(self) -> None:
        """A process that cannot read the database shall begin beyond what it holds, which may be far away itself."""
        with suppress(OSError):
            if self.claim is not None and self.last > self._kept:
                self.claim.keep(self.last)
                self._kept = self.last
