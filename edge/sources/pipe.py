"""What the capture child writes into its pipe: records of a fixed header and a payload.

Not a network protocol: both ends are the same version on the same machine, and share its monotonic clock. Sans-IO:
bytes in, records out. Invariant: what is not a record is refused at once, so that garbage is never taken for sound.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from edge.errors import WireError

HEADER = struct.Struct("<4sBBxxIqq")  # magic, kind, flags, payload bytes, first sample, monotonic time in ns
MAGIC = b"LAE1"
OVERFLOW = 1  # flag: the system lost samples before these, and does not say how many
MOST_BYTES = 1 << 20  # of one payload; 50 ms of sound are at most 38 kB


class Kind(IntEnum):
    """What a record holds."""

    HELLO = 1
    """The device is open; payload: JSON of a `Device`, its rate the one that the sound comes at."""
    AUDIO = 2
    """Samples of one channel, float32, little-endian, full scale = 1.0."""
    HEARTBEAT = 3
    """Empty: the child is alive."""
    CONFIG_ERROR = 4
    """The operator must choose otherwise; payload: one line, UTF-8. The child ends."""
    SOURCE_ERROR = 5
    """The device does not give sound; payload: one line, UTF-8. The child ends."""
    DEVICES = 6
    """Payload: JSON list of `Device`s. The child ends."""


KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Record:
    """One message of the recording process."""

    kind: Kind
    payload: bytes = b""
    first: int = 0
    """AUDIO: index of the first sample since the device was opened; a jump is a loss in the child."""
    time_ns: int = 0
    """AUDIO: monotonic clock just after the last sample, ns."""
    overflow: bool = False
    """AUDIO: the system lost samples before these."""

    def to_bytes(self) -> bytes:
        """The record as it goes through the pipe."""
        flags = OVERFLOW if self.overflow else 0
        return HEADER.pack(MAGIC, self.kind, flags, len(self.payload), self.first, self.time_ns) + self.payload


class Reader:
    """Records out of bytes, cut anywhere."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def push(self, received: bytes) -> list[Record]:
        """Take bytes, give the records that are whole.

        Raises:
            WireError: if what comes next is no record, once the good ones before it were given; the rest of the pipe
                is then worth nothing.
        """
        self._bytes += received
        records: list[Record] = []
        while len(self._bytes) >= HEADER.size:
            magic, kind, flags, length, first, time_ns = HEADER.unpack_from(self._bytes)
            whole = length <= MOST_BYTES and (kind != Kind.AUDIO or length % 4 == 0)
            if magic != MAGIC or kind not in KINDS or not whole:
                if records:
                    break
                raise WireError(f"expected a record, found {bytes(self._bytes[:12])!r}")
            end = HEADER.size + length
            if len(self._bytes) < end:
                break
            payload = bytes(self._bytes[HEADER.size : end])
            records.append(Record(Kind(kind), payload, first, time_ns, bool(flags & OVERFLOW)))
            del self._bytes[:end]
        return records
