"""What a source can know beyond its sound: the state of its device, and when each sample was recorded.

Not for judging sound (`edge.detector.pipeline`) and not for the wire. A plain file or microphone knows nothing of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Trouble:
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

    def trouble(self) -> Trouble:
        """What is wrong now; may be called from any thread."""

    def vitals(self) -> Vitals:
        """State of the device now; may be called from any thread."""
