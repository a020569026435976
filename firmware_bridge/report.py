"""State of streams, devices and links, for a live table, health and metrics: frozen records, a unit under each field.

Not for sound (`records`) and not for how the numbers are found (`streams`, `devices`, `receive`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.clock import ClockState
from firmware_bridge.deframe import FrameCounts
from firmware_bridge.messages import Hello, StreamInfo, Telemetry
from firmware_bridge.records import Assembled, Condition


@dataclass(frozen=True, slots=True)
class StreamReport:
    """State of one stream."""

    info: StreamInfo
    boot: int
    """Boot counter of the epoch; -1 before the first packet."""
    counts: Assembled
    clock: ClockState
    received: int
    """Numbered packets of any kind that arrived, duplicates apart."""
    missing: int
    """Numbered packets that did not arrive: lost on the device or on the way."""
    lost_share: float
    """Share of the sound of the last 10 s that was lost, 0 to 1."""
    masked_share: float
    """Share of the sound of the last 10 s that cannot be judged, lost or masked for any reason, 0 to 1."""
    received_ns: int
    """Monotonic time of the last samples."""
    conditions: tuple[Condition, ...]

    @property
    def loss(self) -> float:
        """Share of packets that did not arrive, 0 to 1."""
        return self.missing / max(self.received + self.missing, 1)


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """State of one device."""

    device_id: int
    link: str
    """Where it sent last, as in `LinkBytes`."""
    peer: str
    hello: Hello | None
    """Its last hello; None before the first."""
    telemetry: Telemetry | None
    """Its newest readings."""
    received_ns: int
    """Monotonic time of its last packet."""
    unannounced: int
    """Packets of samples dropped because the hello had not announced their stream."""
    round_trip_ms: float | None
    """Time that the last ping took to be answered."""
    streams: tuple[StreamReport, ...]
    """By number."""
    conditions: tuple[Condition, ...]
    """Of the whole device; each stream has its own besides."""


@dataclass(frozen=True, slots=True)
class Report:
    """State of all devices and links."""

    devices: tuple[DeviceReport, ...]
    """By id."""
    refused: Mapping[int, int]
    """Packets of devices that are not allowed, or are too many, by id."""
    links: Mapping[str, FrameCounts]
    """What became of the bytes, by link."""
