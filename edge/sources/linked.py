"""One stream of one device as a source: from the device's own counts to one count that only rises.

Not for links or packets (`edge.sources.bridge`, `firmware_bridge`). The first count is taken over as it is, so sample
k of the stream is sample k of the device (at the model's rate). When the device restarts, its next count is laid behind
the first, as far off as the clock says, behind a `Gap` that starts the detector anew: nothing is spliced.

A device whose rate is surely not the declared one is resampled by the measured ratio from then on, or masked, as
configured. The ratio is laid once for each count: times come from the clock in any case, and half an hertz of 400 is
nothing to a detector.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from edge.sources.door import Door
from edge.sources.mailbox import Count, Mailbox
from edge.sources.vitals import Trouble, Vitals
from edge.types import Block, Gap
from firmware_bridge.clock import WRONG_PPM

POLL_S = 0.1  # how often an idle stream looks whether it shall end


@dataclass(frozen=True, slots=True)
class Manner:
    """What to do with a device."""

    rate_hz: int
    """Rate of the model, Hz."""
    rate_error: Literal["resample", "refuse"]
    """What to do when its rate is surely not the declared one."""


class Feeder(Protocol):
    """Who reads the links (`edge.sources.bridge`)."""

    def start(self) -> None:
        """Begin to read; later calls do nothing."""

    def check(self) -> None:
        """Whether it still reads.

        Raises:
            RuntimeError: it died of an error of this program.
        """

    def leave(self) -> None:
        """One source less wants sound."""


class LinkSource:
    """One stream of one device; a `Source` and `Attended`.

    Args:
        name: what the operator calls it.
        device: id of the device, for people.
        manner: what to do with it.
        feeder: who fills the mailbox.
    """

    def __init__(self, name: str, device: str, manner: Manner, feeder: Feeder) -> None:
        """Nothing is heard yet."""
        self.name, self.device = name, device
        self.mailbox = Mailbox()
        self._manner, self._feeder = manner, feeder
        self._closed = threading.Event()
        self._told = (Trouble("", ""), Vitals(device, True))  # written by the bridge, read by anyone
        self._count: Count | None = None
        self._door: Door | None = None
        self._from_hz = 0  # the rate that the door was opened for
        self._offset = 0  # index of the stream less that of the door
        self._next_in = 0  # index of the device one past what was taken
        self._next = 0  # index of the stream one past what was given

    def tell(self, trouble: Trouble, vitals: Vitals) -> None:
        """Take note of how the device is."""
        self._told = (trouble, vitals)

    def trouble(self) -> Trouble:
        """What is wrong with the device now."""
        return self._told[0]

    def vitals(self) -> Vitals:
        """How the device is now."""
        count = self._count
        dropped_s = self.mailbox.dropped / count.rate_hz if count is not None else 0.0
        return replace(self._told[1], dropped_s=round(dropped_s, 3))

    def recorded_s(self, index: int) -> float | None:
        """Monotonic seconds at which sample `index` of the present count was recorded."""
        if self._count is None:
            return None
        return self._count.time_s((index - self._offset) * self._from_hz / self._manner.rate_hz)

    def blocks(self, stop: threading.Event) -> Iterator[Block | Gap]:
        """Sound until `stop` is set, see `edge.sources.Source`; a lost device does not end it."""
        self._feeder.start()
        while not (stop.is_set() or self._closed.is_set()):
            item = self.mailbox.get(POLL_S)
            if item is None:
                self._feeder.check()
            if isinstance(item, Count):
                yield from self._begin(item)
            elif item is not None and self._count is not None:
                yield from self._hear(item, self._count)
        if self._door is not None:
            yield from self._given(self._door.flush())

    def close(self) -> None:
        """End `blocks`, in its own thread; the last stream that is closed ends the bridge."""
        if not self._closed.is_set():
            self._closed.set()
            self._feeder.leave()

    def _begin(self, count: Count) -> Iterator[Block | Gap]:
        """Lay a new count behind the old one."""
        before = self._count
        start = 0
        if before is not None:
            away_s = count.time_s(count.start) - before.time_s(self._next_in)
            yield from self._leave(max(1, round(away_s * self._manner.rate_hz)), count.cause)
            start = self._next
        known_hz = self._measured_hz(before) if before is not None else None
        self._count, self._next_in = count, count.start
        self._open(known_hz or round(count.rate_hz))
        if before is not None:
            self._offset = start - self._first(count.start)
        self._next = self._first(count.start) + self._offset

    def _hear(self, item: Block | Gap, count: Count) -> Iterator[Block | Gap]:
        if item.start < self._next_in or self._door is None:
            return  # of a count whose begin did not fit the mailbox
        if (measured_hz := self._measured_hz(count)) is not None:
            if self._manner.rate_error == "refuse" and isinstance(item, Block):
                item = item._replace(valid=np.zeros(len(item.samples), np.bool_))
            elif self._manner.rate_error == "resample" and self._is_far(measured_hz):
                yield from self._leave(1, "rate corrected")
                start = self._next
                self._open(measured_hz)
                self._offset = start - self._first(item.start)
        if item.start > self._next_in:
            yield from self._given(self._door.push(Gap(self._next_in, item.start, "overflow")))
        self._next_in = item.stop
        yield from self._given(self._door.push(item))

    def _leave(self, away: int, cause: str) -> Iterator[Block | Gap]:
        """Give what is held back, then a gap that starts the detector anew."""
        if self._door is not None:
            yield from self._given(self._door.flush())
        yield Gap(self._next, self._next + away, cause, restart=True)
        self._next += away

    def _open(self, rate_hz: int) -> None:
        self._from_hz, self._offset = rate_hz, 0
        self._door = Door(rate_hz, self._manner.rate_hz)

    def _first(self, index: int) -> int:
        """Index at the model's rate of the first sample at or after a device's, as the door counts."""
        return -(-index * self._manner.rate_hz // self._from_hz)

    def _given(self, items: list[Block | Gap]) -> Iterator[Block | Gap]:
        """The door's output in the stream's count."""
        for item in items:
            start = item.start + self._offset
            if isinstance(item, Block):
                moved: Block | Gap = item._replace(start=start)
            else:
                moved = replace(item, start=start, stop=item.stop + self._offset)
            self._next = moved.stop
            yield moved

    def _is_far(self, rate_hz: int) -> bool:
        return abs(rate_hz / self._from_hz - 1) * 1e6 > WRONG_PPM

    def _measured_hz(self, count: Count) -> int | None:
        """The real rate, if it is surely not the declared one."""
        clock = count.clock
        return round(clock.rate_hz) if clock.is_wrong else None
