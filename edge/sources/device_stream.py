"""One stream of a device behind a link as a source, with the device's conditions.

From the device's sample counters to one index that only rises; and what `firmware_bridge` found of the device, as
status, vitals and log lines.

Not for links or packets (`edge.sources.bridge`, `firmware_bridge`) nor for deciding what is wrong
(`firmware_bridge.devices`). "Not measurable" keeps its own words, for it is not the same as "no event".

The first epoch keeps its indices, so sample k of the stream is sample k of the device (at the model's rate). When the
device restarts, its next epoch is appended: as far behind the first as the clock says, after a `Gap` that restarts the
detector, so that nothing is spliced.

A device whose rate is surely not the declared one is resampled by the measured ratio from then on, or masked, as
configured; until that ratio is measured well enough, and where it is more than a crystal can be off, it is masked. So
that nothing is scored before its rate was checked, the first second of an epoch waits in the queue. The ratio is set
once per epoch: times come from the clock in any case, and half a hertz at 400 Hz is nothing to a detector.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from edge.log import BurstLimitedLog
from edge.settings.link import format_device_id
from edge.sources.block_queue import BlockQueue, DeviceEpoch, StreamEnd
from edge.sources.resample import RateAdapter
from edge.sources.source import DeviceStatus, Vitals, Wait
from edge.types import Block, Gap
from firmware_bridge.records import Condition
from firmware_bridge.report import DeviceReport, StreamReport

POLL_S = 0.02  # how often the queue is looked at: a packet of 20 ms
MEASURING_S = 2.0  # the longest that the start of an epoch waits for the measurement of its rate


@dataclass(frozen=True, slots=True)
class LinkPolicy:
    """How the sound of every device is treated."""

    rate_hz: int
    """Rate of the model, Hz."""
    rate_error: Literal["resample", "refuse"]
    """What is done where its rate is surely not the declared one."""


class LinkReader(Protocol):
    """What reads the links and fills the queues (`edge.sources.bridge`)."""

    def start(self) -> None:
        """Begin to read all links; later calls do nothing."""

    def check(self) -> None:
        """Whether the links are still read.

        Raises:
            RuntimeError: reading them failed by an error of this program.
        """

    def leave(self) -> None:
        """One source has closed."""


class LinkSource:
    """One stream of one device; a `Source` and a `MonitoredSource`.

    Args:
        name: what the operator calls it.
        device: id of the device, for people.
        policy: how its sound is treated.
        reader: fills `queue`.
    """

    def __init__(self, name: str, device: str, policy: LinkPolicy, reader: LinkReader) -> None:
        self.name, self.device = name, device
        self.queue = BlockQueue()
        self._policy, self._reader = policy, reader
        self._closed, self._ended = threading.Event(), threading.Event()
        self._state = (DeviceStatus("", ""), Vitals(device, True))  # written by the bridge, read by any thread
        self._epoch: DeviceEpoch | None = None
        self._adapter: RateAdapter | None = None
        self._from_hz = 0  # the device's rate that the adapter converts from
        self._offset = 0  # index of the stream less that of the adapter's output
        self._next_in = 0  # index of the device one past the last input
        self._next = 0  # index of the stream one past the last output

    def update(self, device_status: DeviceStatus, vitals: Vitals) -> None:
        """Called by the bridge with the present state of the device."""
        self._state = (device_status, vitals)

    def device_status(self) -> DeviceStatus:
        """What is wrong with the device now; any thread may ask."""
        return self._state[0]

    def vitals(self) -> Vitals:
        """State of the device now; any thread may ask."""
        epoch = self._epoch
        dropped_s = self.queue.dropped / epoch.rate_hz if epoch is not None else 0.0
        return replace(self._state[1], dropped_s=round(dropped_s, 3))

    def recorded_s(self, index: int) -> float | None:
        """Monotonic seconds at which sample `index` of the present epoch was recorded; None before the first."""
        if self._epoch is None:
            return None
        return self._epoch.time_s((index - self._offset) * self._from_hz / self._policy.rate_hz)

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap | Wait]:
        """Sound until `stop` is set, see `edge.sources.source.Source`; a lost device does not end it, `end` does."""
        self._reader.start()
        while not (stop.is_set() or self._closed.is_set()):
            is_last = self._ended.is_set()  # asked first: what was put before the end is in the queue by then
            item = self.queue.get()
            if item is None:
                self._reader.check()
                if is_last:
                    break
                yield Wait(POLL_S)
            elif isinstance(item, DeviceEpoch):
                yield from self._begin(item)
                yield from self._waits(item, stop)
            elif isinstance(item, StreamEnd):
                yield from self._restart(0, "ended by the device")
            elif self._epoch is not None:
                yield from self._convert(item, self._epoch)
        if self._adapter is not None:
            yield from self._shifted(self._adapter.flush())

    def end(self) -> None:
        """Called by the bridge when nothing will come any more; `blocks` ends when the queue is empty."""
        self._ended.set()

    def close(self) -> None:
        """End `blocks`, in its own thread; the last stream that is closed ends the bridge."""
        if not self._closed.is_set():
            self._closed.set()
            self._reader.leave()

    def _begin(self, epoch: DeviceEpoch) -> Iterator[Block | Gap]:
        """Append an epoch to the one before."""
        before = self._epoch
        start = 0
        if before is not None:
            away_s = epoch.time_s(epoch.start) - before.time_s(self._next_in)
            # At least one: the errors of two clocks may put the begin of this epoch before the end of the last.
            yield from self._restart(max(1, round(away_s * self._policy.rate_hz)), epoch.cause)
            start = self._next
        known_hz = self._corrected_hz(before) if before is not None else None
        self._epoch, self._next_in = epoch, epoch.start
        self._open(known_hz or round(epoch.rate_hz))
        if before is not None:
            self._offset = start - self._first(epoch.start)
        self._next = self._first(epoch.start) + self._offset

    def _waits(self, epoch: DeviceEpoch, stop: threading.Event) -> Iterator[Wait]:
        """Leave the start of an epoch in the queue until its rate was measured, or it is clear that it will not be."""
        end_s = time.monotonic() + MEASURING_S
        while not (epoch.clock.is_measured or epoch.is_over or stop.is_set() or self._closed.is_set()):
            if time.monotonic() >= end_s:
                return
            yield Wait(POLL_S)

    def _convert(self, item: Block | Gap, epoch: DeviceEpoch) -> Iterator[Block | Gap]:
        if item.start < self._next_in or self._adapter is None:
            return  # of an epoch whose start did not fit the queue
        if not epoch.clock.agrees_with(self._from_hz):
            right_hz = self._corrected_hz(epoch) if epoch.clock.is_wrong else round(epoch.rate_hz)
            if right_hz is None:
                if isinstance(item, Block):
                    item = item._replace(valid=np.zeros(len(item.samples), np.bool_))
            elif right_hz != self._from_hz and epoch.clock.is_sure:
                yield from self._restart(1, "rate corrected")
                start = self._next
                self._open(right_hz)
                self._offset = start - self._first(item.start)
        if item.start > self._next_in:
            yield from self._shifted(self._adapter.push(Gap(self._next_in, item.start, "overflow")))
        self._next_in = item.stop
        yield from self._shifted(self._adapter.push(item))

    def _restart(self, away: int, cause: str) -> Iterator[Block | Gap]:
        """Flush the adapter, then a gap, perhaps without length, that restarts the detector."""
        if self._adapter is not None:
            yield from self._shifted(self._adapter.flush())
        yield Gap(self._next, self._next + away, cause, restart=True)
        self._next += away

    def _open(self, rate_hz: int) -> None:
        self._from_hz, self._offset = rate_hz, 0
        self._adapter = RateAdapter(rate_hz, self._policy.rate_hz)

    def _first(self, index: int) -> int:
        """Index at the model's rate of the first sample at or after a device's, as the adapter counts."""
        return -(-index * self._policy.rate_hz // self._from_hz)

    def _shifted(self, items: list[Block | Gap]) -> Iterator[Block | Gap]:
        """The adapter's output at the indices of the stream."""
        for item in items:
            start = item.start + self._offset
            if isinstance(item, Block):
                moved: Block | Gap = item._replace(start=start)
            else:
                moved = replace(item, start=start, stop=item.stop + self._offset)
            self._next = moved.stop
            yield moved

    def _corrected_hz(self, epoch: DeviceEpoch) -> int | None:
        """The real rate, if it is surely not the declared one and may be put in its place."""
        is_allowed = self._policy.rate_error == "resample"
        return round(epoch.clock.rate_hz) if is_allowed and epoch.clock.is_correctable else None


def device_status_of(conditions: Sequence[Condition]) -> DeviceStatus:
    """The worst of the conditions that last, in the states of the MQTT contract."""
    if not conditions:
        return DeviceStatus("", "")
    # False sorts first: lost or ended, then whatever makes the sound not measurable, then the rest.
    worst = min(conditions, key=lambda each: (each.name not in ("lost", "ended"), each.measurable))
    text = f"{worst.name} ({worst.detail})"
    if worst.name == "ended":
        return DeviceStatus("lost", worst.detail)
    if worst.name == "lost":
        return DeviceStatus("lost", f"device {text}")
    return DeviceStatus("degraded", text if worst.measurable else f"not measurable: {text}")


def vitals_of(
    name: str, conditions: Sequence[Condition], device: DeviceReport | None, stream: StreamReport | None
) -> Vitals:
    """What the health report says of one stream's device.

    Args:
        name: id of the device, for people.
        conditions: those of the device and of the stream that last.
        device: None before its first packet.
        stream: None before the device has announced it.
    """
    readings = device.telemetry if device else None
    battery = readings.battery if readings else None
    return Vitals(
        device=name,
        measurable=stream is not None and all(each.measurable for each in conditions),
        conditions=tuple(each.name for each in conditions),
        rate_hz=stream.clock.rate_hz if stream else None,
        ppm=stream.clock.ppm if stream else None,
        residual_ms=stream.clock.residual_ms if stream else None,
        lost=stream.lost_share if stream else None,
        masked=stream.masked_share if stream else None,
        battery_percent=battery.percent if battery else None,
        contact=readings.contact if readings else None,
        motion_mg=readings.motion.rms_mg if readings and readings.motion else None,
        rssi_dbm=readings.rssi_dbm if readings else None,
        firmware=device.hello.firmware if device and device.hello else "",
    )


class ConditionLog:
    """Writes a line where a condition begins, changes or ends; limits those of one that flickers.

    Args:
        logger: where to write.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._limited = BurstLimitedLog(logger)

    def log_condition(self, device_id: int, stream: int, item: Condition) -> None:
        """Write that a condition began, changed or ended; `stream` is -1 for one of the whole device."""
        where = format_device_id(device_id) + ("" if stream < 0 else f" stream={stream}")
        phase = "begins" if item.active else "over"
        line = f'device={where} condition="{item.name}" {phase} detail="{item.detail}"'
        self._limited.log(f"{where} {item.name}", line)

    def log_text(self, device_id: int, text: str) -> None:
        """Write a log text that a device sent."""
        self._limited.log(
            format_device_id(device_id), f'device={format_device_id(device_id)} says="{text}"', logging.INFO
        )
