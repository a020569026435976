"""What a source of sound is, what it may know beyond its sound, which channel counts, and what cannot be read.

A source gives blocks and gaps of one stream at the model's rate, by absolute sample index, to the thread that asks. It
does not wait: where nothing has come yet it gives a `Wait`, so that one thread can read many. Not for queues between
threads, for wall time, for judging sound (`edge.detector.pipeline`) or for the wire. A device behind a link knows its
state and when each sample was recorded; a plain file or microphone does not.

Channels are not mixed: a phone writes one microphone twice, which counts once, but two that differ may be two
stethoscopes, and somebody must say which is meant. Recordings that are known and not read (phones write M4A, and
libsndfile has no AAC) are recognised by how they begin, never by the ending of a name.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import soundfile

from edge.errors import ConfigError

if TYPE_CHECKING:
    from edge.types import Block, Gap

LOUDEST = 1e6  # full scale = 1.0; beyond it is no sound, and its power would overflow float32
READ_S = 1.0  # at once
STEP = 2.0**-15  # of 16 bits, full scale = 1.0: a channel with less effective value is silent
DIFFERENCE = 1e-6  # of the power: the rounding of a converter, a dither, or a codec that codes each channel by itself


def one_for_all(file: soundfile.SoundFile) -> int | None:
    """Position of a channel, if no other has other sound; None: they differ, or the file is damaged.

    Args:
        file: at its begin, where it is again afterwards.
    """
    products, count = np.zeros((file.channels, file.channels)), 0  # sums of x_i x_j
    try:
        while len(sound := file.read(max(1, round(READ_S * file.samplerate)), dtype="float64", always_2d=True)):
            finite = np.nan_to_num(sound, posinf=0.0, neginf=0.0)
            products += finite.T @ finite
            count += len(sound)
        file.seek(0)
    except soundfile.LibsndfileError:
        return None
    power = np.diag(products)
    channels = np.flatnonzero(power > count * STEP**2)
    if not len(channels):
        return 0
    first = int(channels[0])
    apart = power + power[first] - 2 * products[first]  # of each channel from that one
    return first if (apart[channels] <= max(DIFFERENCE * power[first], count * STEP**2)).all() else None


UNREAD_ENDINGS = (".m4a", ".aac", ".3gp", ".amr", ".wma")
"""Of recordings that a folder is looked through for, so that they are refused and not passed over; lower case."""
_BEGINS = (
    (4, b"ftyp", "M4A (or MP4, 3GP)"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
    (0, b"\x1a\x45\xdf\xa3", "WebM"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
)


def unread_kind(path: Path) -> str:
    """What a file is that is not read, in a word; empty where it is none of these."""
    with path.open("rb") as file:
        head = file.read(16)
    return next((kind for at, mark, kind in _BEGINS if head[at:].startswith(mark)), "")


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """The worst thing about a stream's device now."""

    state: Literal["", "degraded", "lost"]
    """Empty if all is well; `lost` if no sound comes, `degraded` if it comes but less can be said of it."""
    reason: str
    """For the operator, such as `not measurable: no contact (contact 0 of 254)`."""


@dataclass(frozen=True, slots=True)
class Vitals:
    """State of a device and its link, for the health report; None where it is not known."""

    device: str
    """Its id, such as `0x1a2b3c4d`."""
    measurable: bool
    """False while its sound cannot be judged, whatever it holds."""
    conditions: tuple[str, ...] = ()
    """Names of what is wrong, such as `no contact`."""
    rate_hz: float | None = None
    """Samples per second by this machine's clock."""
    ppm: float | None = None
    """Deviation from the declared rate, parts per million."""
    residual_ms: float | None = None
    """How far the least delayed packets lie from the fitted clock, milliseconds."""
    lost: float | None = None
    """Share of the sound of the last 10 s that was lost, 0 to 1."""
    masked: float | None = None
    """Share of it that cannot be judged, lost or not."""
    dropped_s: float = 0.0
    """Sound that this machine was too slow for, seconds."""
    battery_percent: int | None = None
    """Charge, 0 to 100."""
    contact: int | None = None
    """Contact with the skin, 0 (none) to 254 (full)."""
    motion_mg: int | None = None
    """Rms acceleration, thousandths of 9.81 m/s^2."""
    rssi_dbm: int | None = None
    """Received signal strength of a radio link."""
    firmware: str = ""
    """Version that the device names; empty if it named none."""


@runtime_checkable
class MonitoredSource(Protocol):
    """A source whose device reports its state and its clock."""

    device: str
    """Its id, such as `0x1a2b3c4d`."""

    def recorded_s(self, index: int) -> float | None:
        """Monotonic seconds at which sample `index`, at the model's rate, was recorded; None if not yet known."""

    def device_status(self) -> DeviceStatus:
        """What is wrong now; may be called from any thread."""

    def vitals(self) -> Vitals:
        """State of the device now; may be called from any thread."""


class Wait(NamedTuple):
    """Nothing has come yet; the reader may read others meanwhile."""

    seconds: float
    """After which it is worth to ask again."""


class Source(Protocol):
    """One stream of sound."""

    name: str
    """What the operator calls it: a path, or `mic:DEVICE`."""

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Blocks and gaps at the model's rate, indices rising; to be called once. A file that is not paced never waits.

        Args:
            stop: when set, the iteration ends soon.

        Raises:
            SourceError: when the source fails for good; everything before it was given.
        """

    def close(self) -> None:
        """Release the file or device; may be called twice, and from another thread."""


def read_source(source: Source, stop: threading.Event) -> Iterator[Block | Gap]:
    """What one source gives, for whoever reads no other: waits where nothing has come yet.

    Args:
        source: read to its end.
        stop: ends it early.

    Raises:
        SourceError: as the source.
    """
    for item in source.blocks(stop):
        if isinstance(item, Wait):
            stop.wait(item.seconds)
        else:
            yield item


def check_channel(channel: int | None, available: int, what: str) -> int:
    """Position of the chosen channel.

    Args:
        channel: counted from 1; None if the operator chose none.
        available: channels there are.
        what: name of the file or device, for the message.

    Returns:
        The position, counted from 0.

    Raises:
        ConfigError: if there are several and none was chosen, or the chosen one does not exist.
    """
    if channel is None and available > 1:
        raise ConfigError(f"{what}: has {available} channels; choose one, channel 1 to {available}")
    chosen = 1 if channel is None else channel
    if not isinstance(chosen, int | np.integer):
        raise ConfigError(f"{what}: channel: expected a whole number, counted from 1, found {channel!r}")
    if not 1 <= chosen <= available:
        allowed = "it has only channel 1" if available == 1 else f"channels are counted from 1 to {available}"
        raise ConfigError(f"{what}: no channel {channel}; {allowed}")
    return chosen - 1
