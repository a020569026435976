"""Entries `u8 id, u8 length, value`, of which payloads are made (PROTOCOL.md, "Entries").

Not for what they mean (`payloads`, `orders`). Rules: a value longer than known is read as far as known, so that later
versions may add at its end; a shorter one, one that runs over the end, or the second of what is there once, makes the
packet malformed.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from typing import Any

from edge.errors import WireError


def entries(payload: bytes) -> Iterator[tuple[int, bytes]]:
    """Id and value of each entry, in order.

    Raises:
        WireError: if the payload ends in the middle of one.
    """
    at = 0
    while at < len(payload):
        if at + 2 > len(payload) or at + 2 + payload[at + 1] > len(payload):
            raise WireError("an entry runs over the end of its packet")
        stop = at + 2 + payload[at + 1]
        yield payload[at], payload[at + 2 : stop]
        at = stop


def gather(payload: bytes, once: Container[int], repeated: int = -1) -> tuple[dict[int, bytes], list[bytes]]:
    """Values of the ids in `once`, and in order those of `repeated`; others are skipped.

    Raises:
        WireError: as `entries`, and if an id in `once` is there twice.
    """
    found: dict[int, bytes] = {}
    many: list[bytes] = []
    for number, value in entries(payload):
        if number == repeated:
            many.append(value)
        elif number in once:
            if number in found:
                raise WireError(f"entry {number} is there twice")
            found[number] = value
    return found, many


def unpack(layout: struct.Struct, value: bytes) -> tuple[Any, ...]:
    """Fields at the head of a value.

    Raises:
        WireError: if it is shorter.
    """
    if len(value) < layout.size:
        raise WireError("an entry is shorter than its id asks for")
    return layout.unpack_from(value)


def first_byte(value: bytes) -> int:
    """First byte of a value; WireError if there is none."""
    if not value:
        raise WireError("an entry is shorter than its id asks for")
    return value[0]


def byte_pair(value: bytes) -> tuple[int, int]:
    """First two bytes of a value; WireError if it is shorter."""
    if len(value) < 2:
        raise WireError("an entry is shorter than its id asks for")
    return value[0], value[1]


def entry(number: int, value: bytes) -> bytes:
    """One entry; ValueError if the value is longer than 255 bytes."""
    return bytes((number, len(value))) + value
