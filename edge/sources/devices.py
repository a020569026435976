"""Microphones as the operator sees and names them.

Not for opening them (`capture`). A name is matched whole first, then as a part, then without the number that ALSA puts
behind it, letters of either case alike: numbers change when something is plugged in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from edge.errors import SourceError

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


def choose(devices: Sequence[Device], wanted: str) -> Device:
    """The device that the operator named.

    Args:
        devices: those that there are.
        wanted: a number, a name, a part of a name, or nothing for the default.

    Returns:
        The one that fits.

    Raises:
        SourceError: if none or several fit; the message lists those that there are.
    """
    if not devices:
        raise SourceError(f"{_called(wanted)}: this machine has no microphone; plug one in, or check its driver")
    if not wanted:
        return next((device for device in devices if device.default), devices[0])
    lowered = wanted.lower()
    lasting = ALSA_NUMBER.sub("", lowered)
    fitting = [device for device in devices if wanted == str(device.index) or lowered == device.name.lower()]
    fitting = fitting or [device for device in devices if lowered in device.name.lower()]
    fitting = fitting or [device for device in devices if lasting in device.name.lower()]
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(f"{device.index} = {device.name}" for device in fitting or devices)
    found = f"fits {len(fitting)} devices" if fitting else "no such device"
    raise SourceError(f"{_called(wanted)}: {found}; {'choose one of' if fitting else 'there are'}: {listed}")


def _called(wanted: str) -> str:
    return f"mic:{wanted}" if wanted else "mic"
