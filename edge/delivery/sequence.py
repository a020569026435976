"""`seq`: every message of a node gets the next number, and none is given twice, whatever the disk does.

The database knows the highest number that it has stored. What it refuses is numbered all the same: then a reserve is
written to the lock file, in place, which a full disk takes; after a kill the next process begins behind it. Where not
even that can be written, or where nothing can be read, numbering goes on a random distance further, so far that two
such distances do not meet (the odds for 100 000 messages are 1 to 10^8), and remains exact in a double.

So there are numbers that nobody ever gets. A consumer distinguishes them from lost ones by what every message carries:
from `seq_start` on none was left out, and before it none was given above `seq_before` that the database knew of.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Protocol

RESERVE = 10_000  # numbers that may be used before the disk is asked again: some hours of a busy ward
JUMP = 1 << 44  # 500 such distances are exact in a double


class Reservation(Protocol):
    """Up to which number may have been used, written in place (`edge.delivery.lock_file.LockFile`)."""

    def reserved(self) -> int:
        """Up to which number may have been used; 0 if none was written."""

    def reserve(self, seq: int) -> None:
        """Write it; raises OSError when the disk refuses."""


def jump(last: int) -> int:
    """A number at a random distance behind `last`, which no process has used."""
    return last + 1 + secrets.randbelow(JUMP)


class SequenceNumbers:
    """The `seq` of the messages of one process."""

    def __init__(self, lock_file: Reservation | None, stored: int | None) -> None:
        """Go on behind what was used.

        Args:
            lock_file: where the reserve is written; None where there is nothing to write to.
            stored: the highest number in the database; None if it cannot be read.
        """
        self.lock_file = lock_file
        reserved = lock_file.reserved() if lock_file else 0
        if stored == 0 and reserved:  # another file than the one whose numbers were used
            stored = None
        self.last = jump(reserved) if stored is None else max(reserved, stored)
        """The number of the newest message."""
        self.start = self.last + 1
        """From here on no number is left out."""
        self.is_known = stored is not None
        """Whether the database is that of the numbers before `start`."""
        self.before: int | None = None
        """The highest number below `start` that a message is known to have got, 0 for none; None: not known."""
        self._reserved = reserved
        self._has_jumped = stored is None  # far from all that the database knows
        if not self._has_jumped:
            self._write_last()

    def stored(self, number: int = 0) -> None:
        """The next `number` were given, and the database knows of all up to them."""
        self.last += number
        self._has_jumped = False

    def reserve(self, number: int) -> None:
        """Make sure that the next `number` are never given again, though the database does not know of them."""
        # After a jump no other process comes near these numbers, so nothing need be reserved.
        if self._has_jumped or self.last + number <= self._reserved:
            return
        try:
            if self.lock_file is None:
                raise OSError
            self.lock_file.reserve(self.last + number + RESERVE)
            self._reserved = self.last + number + RESERVE
        except OSError:
            # `last` was given to a message only if this process has come to its `start`.
            self.before = self.last if self.last >= self.start else self.before
            self.last, self._has_jumped = jump(self.last), True
            self.start = self.last + 1

    def attach(self, lock_file: Reservation | None, stored: int) -> None:
        """Go on with a database that could not be read until now."""
        self.lock_file, self._reserved = lock_file, lock_file.reserved() if lock_file else 0
        if (known := max(stored, self._reserved)) > self.last:
            self.last, self.start, self.before = known, known + 1, None
        self._has_jumped = False  # what is given from here on follows what the file knows, so it needs a reserve
        self._write_last()

    def release_unused(self) -> None:
        """At a clean end: how far numbers came is written, and what was reserved and not used is free again."""
        if self.lock_file is not None and self._reserved != self.last:
            self.lock_file.reserve(self.last)

    def _write_last(self) -> None:
        """So that a process that cannot read the database begins beyond what it holds, which may be far away itself."""
        with suppress(OSError):
            if self.lock_file is not None and self.last > self._reserved:
                self.lock_file.reserve(self.last)
                self._reserved = self.last
