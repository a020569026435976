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
    return near + ((counter - near + half) & ((1 << bits) - 1)) - half
