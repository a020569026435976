"""What packets say, as records: samples, hello, telemetry, log, time, command.

Not for bytes (`wire`, `tlv`, `rice`) and not for state: a record is what one packet said, with the unit under each
field; None means that the device did not say or does not know. PROTOCOL.md is the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EVERY_STREAM = 255  # in Start and Stop


class Type(IntEnum):
    """Kinds of packet; 0-7 are sent by devices, 8-15 by hosts."""

    SAMPLES = 0
    HELLO = 1
    TELEMETRY = 2
    LOG = 3
    TIME = 4
    COMMAND = 8


class Codec(IntEnum):
    """How the samples of a packet are written; 2 (LC3) and 3 (Opus) are reserved."""

    PCM = 0
    RICE = 1


class Kind(IntEnum):
    """What a stream measures."""

    CHEST_MICROPHONE = 0
    AMBIENT_MICROPHONE = 1
    IMU = 2
    PPG = 3
    OTHER = 255


class Site(IntEnum):
    """Where on the body, as ICBHI 2017 names the places."""

    UNKNOWN = 0
    TRACHEA = 1
    ANTERIOR_LEFT = 2
    ANTERIOR_RIGHT = 3
    POSTERIOR_LEFT = 4
    POSTERIOR_RIGHT = 5
    LATERAL_LEFT = 6
    LATERAL_RIGHT = 7
    OTHER = 255


class Charging(IntEnum):
    """Whether the battery is being charged."""

    NO = 0
    YES = 1
    FULL = 2
    UNKNOWN = 255


class Samples(NamedTuple):
    """Consecutive samples of one stream."""

    values: NDArray[np.int16]
    """(C, N) as the converter gave them, full scale = 32768; read-only where it views the packet."""
    codec: Codec = Codec.PCM
    """How they travelled; the values are the same."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One stream that a device can send."""

    stream: int
    """0 to 15."""
    rate_mhz: int
    """Declared rate in millihertz per channel, above 0."""
    kind: int = Kind.CHEST_MICROPHONE
    """A `Kind`, or a number that a later version gave a meaning."""
    channels: int = 1
    """1 to 8."""
    codecs: int = 1
    """Bit c is set where the device can send codec c."""
    n_samples: int = 0
    """Samples per channel in a usual packet; 0 where it varies."""
    gain_db: float = 0.0
    """Gain between converter and packet, dB, steps of 0.1."""
    full_scale_db_spl: float | None = None
    """Sound pressure at full scale, dB re 20 uPa, steps of 0.1."""
    site: int = Site.UNKNOWN
    """A `Site`, or a number that a later version gave a meaning."""


@dataclass(frozen=True, slots=True)
class Hello:
    """Who a device is and what it can send."""

    streams: tuple[StreamInfo, ...] = ()
    protocol: tuple[int, int] | None = None
    """Lowest and highest protocol version that it speaks."""
    model: str = ""
    """Empty where not said, as in the next two; unprintable characters were replaced."""
    firmware: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """One moment on the device, by both of its clocks."""

    uptime_us: int
    """Microseconds since boot."""
    sample_index: int
    """Sample counter of the packet's stream at that moment, mod 2**32."""


@dataclass(frozen=True, slots=True)
class Battery:
    """State of the battery."""

    millivolts: int | None = None
    percent: int | None = None
    """0 to 100."""
    charging: int = Charging.UNKNOWN
    """A `Charging`, or a number that a later version gave a meaning."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Acceleration without gravity since the last telemetry, thousandths of 9.81 m/s^2."""

    rms_mg: int
    peak_mg: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What the device counted since its boot, mod 2**32."""

    packets_sent: int
    packets_dropped: int
    """Made or due, but never handed to the link."""
    overruns: int
    """Times that the converter was read too late."""


@dataclass(frozen=True, slots=True)
class Level:
    """The packet's stream since the last telemetry."""

    peak: int
    """Largest absolute sample, 0 to 32768."""
    clipped: int
    """Samples at the end of the converter's range; stays at 65535."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Readings of a device: battery, contact, motion, radio, counters."""

    clock: Clock | None = None
    battery: Battery | None = None
    contact: int | None = None
    """Contact with skin: 0 none to 254 full."""
    skin_celsius: float | None = None
    """Temperature at the skin, steps of 0.01."""
    motion: Motion | None = None
    counters: Counters | None = None
    rssi_dbm: int | None = None
    """Strength of the radio as the device receives it."""
    level: Level | None = None
    queue_percent: int | None = None
    """Fullest that the send queue was since the last telemetry, 0 to 100."""


@dataclass(frozen=True, slots=True)
class Log:
    """A line of text for the log."""

    text: str
    """Printable characters; others were replaced."""
    severity: int = 6
    """As syslog, RFC 5424: 3 error, 4 warning, 6 information, 7 debug."""


@dataclass(frozen=True, slots=True)
class Time:
    """Answer to a `TimePing`."""

    token: int
    """The ping's, 64 bits."""
    clock: Clock
    """When the device received the ping."""


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """Order to send a hello now."""


@dataclass(frozen=True, slots=True)
class Start:
    """Order to send a stream."""

    stream: int = EVERY_STREAM


@dataclass(frozen=True, slots=True)
class Stop:
    """Order to send a stream no more."""

    stream: int = EVERY_STREAM


@dataclass(frozen=True, slots=True)
class SetCodec:
    """Order to write a stream's samples with another codec."""

    stream: int
    codec: int


@dataclass(frozen=True, slots=True)
class SetGain:
    """Order to change the gain of a stream; the next hello says what it became."""

    stream: int
    gain_db: float
    """Steps of 0.1."""


@dataclass(frozen=True, slots=True)
class Identify:
    """Order to blink, so that a person finds the device."""

    seconds: int = 10


@dataclass(frozen=True, slots=True)
class TimePing:
    """Order to answer with a `Time`."""

    token: int
    """64 bits that no one guesses."""


Order = HelloRequest | Start | Stop | SetCodec | SetGain | Identify | TimePing


@dataclass(frozen=True, slots=True)
class Command:
    """Orders of the host, in order; none of them may be needed for a device to work."""

    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """What this version does not understand: a later type, or samples in a codec that is not known here."""

    type: int
    """0 to 15."""
    codec: int
    """0 to 15."""
    n_samples: int
    """Samples per channel that cannot be read."""
    payload: bytes


Content = Samples | Hello | Telemetry | Log | Time | Command | Opaque
