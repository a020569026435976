"""One device: its hello, its telemetry, its conditions, and whether its sound can be judged.

Not for sound (`streams`) and not for packets of several devices (`receive`). Pure. The limits say from where on a
reading is a condition; which of these make sound "not measurable" is decided here and nowhere else: no contact and
motion do (with a Littmann 3200 on 56 healthy people 61 of 500 recordings held false crackles of friction; Ye 2022,
PMC9791113), sound that is lost, ended or choppy does, and two devices of one id, since nobody knows on whom they are.
A low battery and overruns do not: what they spoil is marked by itself. A wrong rate does until it is corrected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware_bridge.messages import Hello, StreamInfo, Telemetry
from firmware_bridge.records import Condition, ConditionName

QUIET_NS = 10_000_000_000  # an overrun is over when none was counted for so long
NOT_MEASURABLE = ("no contact", "motion", "lost", "ended", "choppy", "two devices", "wrong rate")


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a reading is a condition."""

    lost_s: float = 2.0
    """No samples for longer: lost."""
    choppy_share: float = 0.05
    """More of the last `choppy_s` lost: choppy, until at most half of this; a link at its limit is reported once."""
    choppy_s: float = 10.0
    contact_least: int = 1
    """Contact, 0 to 254, below which there is none."""
    motion_rms_mg: int = 150
    """Motion, thousandths of 9.81 m/s^2, above which friction is audible; walking is 200 to 300 [estimate]."""
    battery_percent: int = 10
    """At or below: battery."""
    stray_packets: int = 10
    """More packets in `choppy_s` that fit no epoch: two devices use one id."""
    corrects_rate: bool = True
    """Whether a rate that is up to 5 % wrong is corrected by resampling; else its sound is not judged."""


class Conditions:
    """The conditions that last; returns only changes."""

    def __init__(self) -> None:
        self._lasting: dict[ConditionName, Condition] = {}

    def note(self, name: ConditionName, active: bool, detail: str, cured: bool = False) -> list[Condition]:
        """Set a condition; returns the change, if it is one. What lasts has the newest detail.

        Args:
            name: which.
            active: whether it lasts.
            detail: what was found.
            cured: whether sound can be judged all the same.
        """
        before, now = self._lasting.get(name), Condition(name, active, cured or name not in NOT_MEASURABLE, detail)
        if not active:
            self._lasting.pop(name, None)
            return [now] if before else []
        self._lasting[name] = now
        return [] if before and before.measurable == now.measurable else [now]

    def end(self, detail: str) -> list[Condition]:
        """End all that last; the changes."""
        return [change for each in self.lasting for change in self.note(each.name, False, detail)]

    def lasts(self, name: ConditionName) -> bool:
        """Whether the condition lasts now."""
        return name in self._lasting

    @property
    def lasting(self) -> tuple[Condition, ...]:
        """Those that last, the oldest first."""
        return tuple(self._lasting.values())

    @property
    def measurable(self) -> bool:
        """Whether the sound can be judged in spite of them."""
        return all(condition.measurable for condition in self._lasting.values())


class Device:
    """One device.

    Args:
        limits: from where on a reading is a condition.
    """

    def __init__(self, device_id: int, limits: Limits) -> None:
        self.device_id = device_id
        self.hello: Hello | None = None
        self.telemetry: Telemetry | None = None
        """The newest readings; one that a telemetry did not hold is the last known."""
        self.conditions = Conditions()
        self._limits = limits
        self._boot = -1
        self._drops: tuple[int, int] | None = None
        self._dropped_ns = -QUIET_NS

    def info(self, stream: int) -> StreamInfo | None:
        """The hello's description of a stream; None if there is none."""
        streams = self.hello.streams if self.hello else ()
        return next((info for info in streams if info.stream == stream), None)

    def take(self, telemetry: Telemetry, boot: int, arrival_ns: int) -> list[Condition]:
        """Take readings of one boot; the conditions that begin or end with them."""
        if boot != self._boot:
            self._boot, self._drops = boot, None  # the counters begin anew
        known = {name: value for name in Telemetry.__slots__ if (value := getattr(telemetry, name)) is not None}
        now = replace(self.telemetry or Telemetry(), **known)
        self.telemetry = now
        changes = self._overrun(telemetry, arrival_ns)
        if now.contact is not None:
            off = now.contact < self._limits.contact_least
            changes += self.conditions.note("no contact", off, f"contact {now.contact} of 254")
        if now.motion is not None:
            moves = now.motion.rms_mg > self._limits.motion_rms_mg
            changes += self.conditions.note("motion", moves, f"motion of {now.motion.rms_mg} mg rms")
        if now.battery is not None and now.battery.percent is not None:
            low = now.battery.percent <= self._limits.battery_percent
            changes += self.conditions.note("battery", low, f"battery at {now.battery.percent} %")
        return changes

    def _overrun(self, telemetry: Telemetry, arrival_ns: int) -> list[Condition]:
        """Whether the device loses samples: its counters moved in the last 10 s."""
        if telemetry.counters is None:
            return []
        drops = (telemetry.counters.packets_dropped, telemetry.counters.overruns)
        if self._drops is not None and drops != self._drops:
            self._dropped_ns = arrival_ns
        self._drops = drops
        detail = f"{drops[0]} packets dropped, {drops[1]} overruns since boot"
        return self.conditions.note("overrun", arrival_ns - self._dropped_ns < QUIET_NS, detail)
