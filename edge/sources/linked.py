"""One stream of one device as a source: from the device's own counts to one count that only rises.

Not for links or packets (`edge.sources.bridge`, `firmware_bridge`). The first count is taken over as it is, so sample
k of the stream is sample k of the device (at the model's rate). When the device restarts, its next count is laid behind
the first, as far off as the clock says, behind a `Gap` that starts the detector anew: nothing is spliced.

A device whose rate is surely not the declared one is resampled by the measured ratio from then on, or masked, as
configured; until that ratio is measured well enough, and where it is no crystal's, it is masked. So that nothing is
judged before its rate was put to the test, the first second of a count waits in the mailbox. The ratio is laid once for
each count: times come from the clock in any case, and half an hertz of 400 is nothing to a detector.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from edge.sources.mailbox import Count, End, Mailbox
from edge.sources.rate_adapter import Door
from edge.sources.vitals import Trouble, Vitals
from edge.types import Block, Gap

POLL_S = 0.1  # how often an idle stream looks whether it shall end
HELD_S = 2.0  # the longest that the begin of a count waits until its rate was put to the test


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
                self._wait(item, stop)
            elif isinstance(item, End):
                yield from self._leave(0, "ended by the device")
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
        known_hz = self._corrected_hz(before) if before is not None else None
        self._count, self._next_in = count, count.start
        self._open(known_hz or round(count.rate_hz))
        if before is not None:
            self._offset = start - self._first(count.start)
        self._next = self._first(count.start) + self._offset

    def _wait(self, count: Count, stop: threading.Event) -> None:
        """Let the begin of a count lie until its rate was put to the test, or it is clear that it will not be."""
        end_s = time.monotonic() + HELD_S
        while not (count.clock.is_measured or count.is_over or stop.is_set()) and time.monotonic() < end_s:
            if self._closed.wait(POLL_S):
                return

    def _hear(self, item: Block | Gap, count: Count) -> Iterator[Block | Gap]:
        if item.start < self._next_in or self._door is None:
            return  # of a count whose begin did not fit the mailbox
        if not count.clock.agrees_with(self._from_hz):
            right_hz = self._corrected_hz(count) if count.clock.is_wrong else round(count.rate_hz)
            if right_hz is None:
                if isinstance(item, Block):
                    item = item._replace(valid=np.zeros(len(item.samples), np.bool_))
            elif right_hz != self._from_hz and count.clock.is_sure:
                yield from self._leave(1, "rate corrected")
                start = self._next
                self._open(right_hz)
                self._offset = start - self._first(item.start)
        if item.start > self._next_in:
            yield from self._given(self._door.push(Gap(self._next_in, item.start, "overflow")))
        self._next_in = item.stop
        yield from self._given(self._door.push(item))

    def _leave(self, away: int, cause: str) -> Iterator[Block | Gap]:
        """Give what is held back, then a gap, perhaps without length, that starts the detector anew."""
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

    def _corrected_hz(self, count: Count) -> int | None:
        """The real rate, if it is surely not the declared one and may be put in its place."""
        is_allowed = self._manner.rate_error == "resample"
        return round(count.clock.rate_hz) if is_allowed and count.clock.is_correctable else None
