"""Records that pass between the parts of the bridge: bytes of a link, sound of a stream, conditions of a device.

Not what is on the wire (`messages`, `wire`). Frozen records, a unit under every field. The sound itself travels as
`edge.types.Block` and `Gap`, by the device's sample counter, unwrapped to int64: an index counts samples at the rate of
the *device*, from the start of its boot, and `Epoch` marks where a new count begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from edge.types import Block, Gap
from firmware_bridge.clock import ClockState
from firmware_bridge.messages import Log, StreamInfo

END = "end:"  # link of a piece that carries the time alone, at the end of a capture
STREAM_LINKS = ("serial",)  # links whose bytes are COBS with a delimiter; all others deliver one body at a time


EpochCause = Literal["first packet", "device restarted", "counter went back", "started again"]


def is_stream(link: str) -> bool:
    """Whether a link of this name carries a byte stream."""
    return link.partition(":")[0] in STREAM_LINKS


class LinkBytes(NamedTuple):
    """A piece of what a link delivered: part of a byte stream, or one datagram."""

    arrival_ns: int
    """`time.monotonic_ns` when they were read."""
    link: str
    """KIND:ADDRESS of our end, such as `serial:/dev/ttyACM0`, `udp:192.168.7.1:7355` or `ble:AA:BB:CC:DD:EE:FF`."""
    peer: str
    """Who sent them, such as `192.168.7.20:49152`; empty where a link has one peer only."""
    content: bytes
    """Empty where a byte stream begins anew: the link was opened, or opened again."""

    @property
    def is_stream(self) -> bool:
        """Whether the bytes are a piece of a byte stream, to be cut at delimiters."""
        return is_stream(self.link)


class Outgoing(NamedTuple):
    """Bytes for a link to send, framed as it needs them."""

    link: str
    peer: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Epoch:
    """A new count of samples begins: nothing before it may be joined with anything after it.

    Whoever detects must start anew (flush, then reset), and indices of two epochs cannot be compared; how long the
    device was away only the clock knows.
    """

    start: int
    """Index of the first sample that follows."""
    boot: int
    """The device's boot counter, 8 bits."""
    cause: EpochCause
    """Short words for the operator."""
    stop: int = field(default=0, compare=False)
    """Index one past the first packet's samples."""
    arrival_ns: int = field(default=0, compare=False)
    """Monotonic time at which that packet came; it may have waited since."""
    clock: ClockState | None = field(default=None, compare=False)
    """When its samples were taken, as far as that packet says; None before the clock was used (`streams`)."""


Item = Block | Gap | Epoch
"""What an assembler gives, in order."""

ConditionName = Literal[
    "lost",  # no packet for 2 s
    "ended",  # the device ended the stream on purpose
    "choppy",  # more than 5 % of the last 10 s masked
    "no contact",  # the sensor does not touch the skin
    "motion",  # the wearer or the sensor moves too much to judge the sound
    "battery",  # so low that sound may fail
    "overrun",  # samples are lost on the device
    "wrong rate",  # the declared rate cannot be, or measurement refutes it
    "two devices",  # one id is used by two devices
    "codec",  # samples in a codec that is not known here
]


@dataclass(frozen=True, slots=True)
class Condition:
    """Something about a device or one of its streams began or ended."""

    name: ConditionName
    active: bool
    """True when it began."""
    measurable: bool
    """False if the sound cannot be judged while it lasts; true for mere technical notes such as a low battery."""
    detail: str
    """What was found, for the operator, such as `battery at 8 %`."""


class Delivery(NamedTuple):
    """One item of one stream of one device, as the receiver delivers it."""

    device_id: int
    """32 bits."""
    stream: int
    """0 to 15; -1 for what concerns the whole device."""
    arrival_ns: int
    """Monotonic time at which it became known."""
    item: Block | Gap | Epoch | Condition | StreamInfo | Log
    """A `StreamInfo` comes before the first epoch of a stream, and again when a hello describes it otherwise."""


@dataclass(slots=True)
class Assembled:
    """What an assembler counted since it was made; resetting it does not touch this."""

    packets: int = 0
    """Packets of samples taken, whatever became of them."""
    duplicates: int = 0
    """Packets whose samples had been received."""
    late: int = 0
    """Packets whose samples had been given up."""
    reordered: int = 0
    """Packets that came behind a later one, in time."""
    overlaps: int = 0
    """Packets that share some samples with an earlier one."""
    stray: int = 0
    """Packets of another epoch: a counter that went back, or a boot that is over."""
    unreadable: int = 0
    """Packets in an unknown codec, or without the channel that is taken."""
    epochs: int = 0
    gaps: int = 0
    samples: int = 0
    """Samples given in blocks, masked or not."""
    masked: int = 0
    """Samples given with `valid` false, for any cause: the three below and the first one behind a discontinuity."""
    concealed: int = 0
    """Samples that were lost and concealed."""
    clipped: int = 0
    """Samples of packets that the device marked as clipped."""
    no_contact: int = 0
    """Samples of packets that the device marked as off the skin."""
    lost: int = 0
    """Samples in gaps, which are in no block."""
