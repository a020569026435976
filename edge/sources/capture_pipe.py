"""What the capture child and its parent share: the records of their pipe, and the names of microphones.

Not a network protocol (both ends are the same version on the same machine, and share its monotonic clock), and not for
opening microphones (`edge.sources.capture`). Sans-IO: bytes in, records out. What is not a record is refused at once,
so that garbage is never taken for sound. A name is matched whole first, then as a part, then without the number that
ALSA puts behind it, letters of either case alike: numbers change when something is plugged in.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum

from edge.errors import SourceError, WireError

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


ALSA_NUMBER = re.compile(r"\s*\((plug)?hw:\d+,\d+\)\s*$")  # end of a name; changes with every plug


@dataclass(frozen=True, slots=True)
class Device:
    """One microphone, as PortAudio lists it."""

    index: int
    """Its number, until something is plugged in or out."""
    name: str
    channels: int
    """How many it has at most."""
    rate_hz: int
    """Rate that it prefers, Hz."""
    default: bool = False
    """Whether `mic` alone means this one."""

    def __str__(self) -> str:
        """The line that `laennec devices` prints."""
        plural, mark = "s" * (self.channels > 1), "  (default)" * self.default
        return f"mic:{self.index}  {self.name}  {self.channels} channel{plural}, {self.rate_hz} Hz{mark}"


def to_json(devices: Sequence[Device]) -> bytes:
    """Devices as bytes for the pipe."""
    return json.dumps([asdict(device) for device in devices]).encode()


def from_json(payload: bytes) -> list[Device]:
    """What `to_json` made.

    Raises:
        ValueError: if it is something else.
    """
    try:
        return [Device(**fields) for fields in json.loads(payload)]
    except (TypeError, ValueError) as error:
        raise ValueError(f"no list of devices: {payload[:100]!r}") from error


def choose(devices: Sequence[Device], called: str) -> Device:
    """The device that the operator named.

    Args:
        devices: those that there are.
        called: a number, a name, a part of a name, or nothing for the default.

    Returns:
        The one that fits.

    Raises:
        SourceError: if none or several fit; the message lists those that there are.
    """
    if not devices:
        raise SourceError(f"{_called(called)}: this machine has no microphone; plug one in, or check its driver")
    if not called:
        return next((device for device in devices if device.default), devices[0])
    lowered = called.lower()
    lasting = ALSA_NUMBER.sub("", lowered)
    fitting = [device for device in devices if called == str(device.index) or lowered == device.name.lower()]
    fitting = fitting or [device for device in devices if lowered in device.name.lower()]
    fitting = fitting or [device for device in devices if lasting in device.name.lower()]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{device.index} = {device.name}" for device in fitting or devices)
    found = f"fits {len(fitting)} devices" if fitting else "no such device"
    raise SourceError(f"{_called(called)}: {found}; {'choose one of' if fitting else 'there are'}: {listed}")


def _called(called: str) -> str:
    return f"mic:{called}" if called else "mic"
