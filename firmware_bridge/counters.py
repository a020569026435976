"""Counters that wrap: the wire's 16 and 32 bits made int64, so that no stage ever meets a wrap.

Not for deciding what a jump means (`assemble`). Source: RFC 1982, serial number arithmetic.
"""

from __future__ import annotations


def unwrap(near: int, counter: int, bits: int) -> int:
    """The number nearest to `near` whose lowest `bits` bits are `counter`.

    Args:
        near: what was expected, any integer.
        counter: as the wire says it, 0 to 2**bits - 1.
        bits: width of the counter.

    Returns:
        A number in [near - 2**(bits - 1), near + 2**(bits - 1)).
    """
    half = 1 << (bits - 1)
    # near - half is the lowest that may be meant; the rest modulo 2**bits is how far above that it is.
    return near + ((counter - near + half) & ((1 << bits) - 1)) - half


class Sequence:
    """How many numbered packets were sent and how many of them arrived, from a counter of 16 bits.

    A jump of more than `LEAP` begins anew: that is a restart, not a loss.
    """

    LEAP = 3000  # packets; a minute at 50 a second
    WINDOW = 64  # numbers behind the highest that may still come

    def __init__(self) -> None:
        self.received = 0
        """Different numbers that arrived."""
        self.missing = 0
        """Numbers that were passed over and have not arrived since."""
        self._highest: int | None = None
        self._received = 0  # bit i: number highest - i arrived
        self._span = 0  # numbers since the first

    def restart(self) -> None:
        """The device started again: its sequence numbers begin anew."""
        self._highest = None

    def push(self, seq: int) -> None:
        """Note a packet's number, 0 to 65535."""
        ahead = 0 if self._highest is None else unwrap(self._highest, seq, 16) - self._highest
        if self._highest is None or abs(ahead) > self.LEAP:
            self._highest, self._received, self._span = seq, 1, 1
        elif ahead > 0:
            self._highest += ahead
            self._span += ahead
            # By WINDOW at most: all older bits are gone then, and a number of any size need not be made.
            self._received = (self._received << min(ahead, self.WINDOW) | 1) & (1 << self.WINDOW) - 1
            self.missing += ahead - 1
        elif -ahead >= self.WINDOW or self._received >> -ahead & 1 or -ahead >= self._span:
            return  # a duplicate, too old to tell, or from before the first
        else:
            self._received |= 1 << -ahead
            self.missing -= 1
        self.received += 1
