"""One stream of one device as a source: from the device's sample counters to one index that only rises.

Not for links or packets (`edge.sources.bridge`, `firmware_bridge`). The first epoch keeps its indices, so sample k of
the stream is sample k of the device (at the model's rate). When the device restarts, its next epoch is appended: as far
behind the first as the clock says, after a `Gap` that restarts the detector, so that nothing is spliced.

A device whose rate is surely not the declared one is resampled by the measured ratio from then on, or masked, as
configured; until that ratio is measured well enough, and where it is more than a crystal can be off, it is masked. So
that nothing is scored before its rate was checked, the first second of an epoch waits in the queue. The ratio is set
once per epoch: times come from the clock in any case, and half a hertz at 400 Hz is nothing to a detector.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from edge.sources.block_queue import BlockQueue, DeviceEpoch, StreamEnd
from edge.sources.rate_adapter import RateAdapter
from edge.sources.source import Wait
from edge.sources.vitals import Trouble, Vitals
from edge.types import Block, Gap

POLL_S = 0.04  # how often the queue is looked at: two packets of 20 ms
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
        """The links are read from the first call of `blocks`."""
        self.name, self.device = name, device
        self.queue = BlockQueue()
        self._policy, self._reader = policy, reader
        self._closed, self._ended = threading.Event(), threading.Event()
        self._state = (Trouble("", ""), Vitals(device, True))  # written by the bridge, read by any thread
        self._epoch: DeviceEpoch | None = None
        self._adapter: RateAdapter | None = None
        self._from_hz = 0  # the device's rate that the adapter converts from
        self._offset = 0  # index of the stream less that of the adapter's output
        self._next_in = 0  # index of the device one past the last input
        self._next = 0  # index of the stream one past the last output

    def update(self, trouble: Trouble, vitals: Vitals) -> None:
        """Called by the bridge with the present state of the device."""
        self._state = (trouble, vitals)

    def trouble(self) -> Trouble:
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
