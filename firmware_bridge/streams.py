"""One stream of one device: its assembler, its clock and its statistics, kept in step.

Not for bytes and not for what concerns the whole device (`devices`). Pure. The clock belongs to the epoch: it is reset
where a new one begins.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from edge.types import Block
from firmware_bridge.assemble import Assembler, Patience
from firmware_bridge.clock import ClockModel
from firmware_bridge.counters import Sequence, unwrap
from firmware_bridge.devices import Conditions, Limits
from firmware_bridge.messages import Clock, StreamInfo
from firmware_bridge.records import Condition, Epoch, Item
from firmware_bridge.report import StreamReport
from firmware_bridge.wire import NO_CONTACT, Packet

SECOND_NS = 1_000_000_000


class _Mark(NamedTuple):
    """Totals at one moment."""

    at_ns: int
    sound: int
    lost: int
    masked: int
    stray: int
    unreadable: int


class Stream:
    """One stream.

    Args:
        info: what the device said of it.
        patience: how long overtaken packets are waited for.
        is_paired: take the clock's rate from telemetry.
        channel: which channel is heard, from 0.
        limits: from where on loss is a condition.
    """

    def __init__(self, info: StreamInfo, patience: Patience, is_paired: bool, channel: int, limits: Limits) -> None:
        """Nothing was heard yet."""
        self.info = info
        self.clock = ClockModel(info.rate_mhz / 1000, is_paired)
        self.conditions = Conditions()
        self._assembler = Assembler(info.rate_mhz / 1000, patience, channel)
        self._limits = limits
        self._sequence, self._boot = Sequence(), -1
        self._unmeasurable = 0  # samples masked because of the device's condition
        self._heard_ns = 0
        self._marks: deque[_Mark] = deque()  # one a second, over the last `choppy_s`

    def push(self, packet: Packet, arrival_ns: int, measurable: bool) -> list[Item | Condition]:
        """Take a packet of samples.

        Args:
            packet: of this stream.
            arrival_ns: monotonic time of arrival.
            measurable: false masks what it completes: the device cannot be judged now.
        """
        out = self._follow(self._assembler.push(packet, arrival_ns), measurable)
        self._heard_ns = arrival_ns
        if self._assembler.placed is not None:
            self.clock.heard(self._assembler.placed, arrival_ns)
        out += self.conditions.note("lost", False, "samples arrive again")
        out += self.conditions.note("no contact", bool(packet.flags & NO_CONTACT), "the device says so of its samples")
        if not self._marks or arrival_ns >= self._marks[-1].at_ns + SECOND_NS:
            out += self._judge(arrival_ns)
        return out

    def number(self, packet: Packet) -> None:
        """Note the number of a packet of any kind, for statistics of loss."""
        if packet.boot != self._boot:
            self._boot = packet.boot
            self._sequence.restart()
        self._sequence.push(packet.seq)

    def pair(self, clock: Clock, boot: int) -> None:
        """Take the two clocks out of a telemetry of this stream."""
        if boot == self._assembler.boot and self._assembler.placed is not None:
            self.clock.pair(clock.uptime_us, unwrap(self._assembler.placed, clock.sample_index, 32))

    def tick(self, now_ns: int, measurable: bool) -> list[Item | Condition]:
        """Let time pass."""
        out = self._follow(self._assembler.tick(now_ns), measurable)
        if self._heard_ns and now_ns - self._heard_ns > self._limits.lost_s * SECOND_NS:
            out += self.conditions.note("lost", True, f"no samples for {self._limits.lost_s:g} s")
        return out

    def flush(self, measurable: bool) -> list[Item | Condition]:
        """End: give what waits."""
        return self._follow(self._assembler.flush(), measurable)

    def report(self) -> StreamReport:
        """How it is now."""
        first, last = (self._marks[0], self._mark(self._heard_ns)) if self._marks else (self._mark(0), self._mark(0))
        sound = max(last.sound - first.sound, 1)
        return StreamReport(
            info=self.info,
            boot=self._assembler.boot,
            counts=self._assembler.counts,
            clock=self.clock.state,
            received=self._sequence.received,
            missing=self._sequence.missing,
            lost_share=(last.lost - first.lost) / sound,
            masked_share=(last.masked - first.masked) / sound,
            heard_ns=self._heard_ns,
            conditions=self.conditions.lasting,
        )

    def _follow(self, items: list[Item], measurable: bool) -> list[Item | Condition]:
        """Reset the clock where an epoch begins; mask what cannot be judged."""
        out: list[Item | Condition] = []
        for item in items:
            if isinstance(item, Epoch):
                self.clock.reset()
            elif isinstance(item, Block) and not measurable:
                self._unmeasurable += int(np.count_nonzero(item.valid))
                item = item._replace(valid=np.zeros(len(item.samples), np.bool_))
            out.append(item)
        return out

    def _mark(self, at_ns: int) -> _Mark:
        counts = self._assembler.counts
        lost = counts.concealed + counts.lost
        masked = counts.masked + counts.lost + self._unmeasurable
        return _Mark(at_ns, counts.samples + counts.lost, lost, masked, counts.stray, counts.unreadable)

    def _judge(self, now_ns: int) -> list[Condition]:
        """Once a second: how the last 10 s were."""
        mark = self._mark(now_ns)
        self._marks.append(mark)
        while len(self._marks) > 2 and now_ns - self._marks[1].at_ns >= self._limits.choppy_s * SECOND_NS:
            self._marks.popleft()
        first = self._marks[0]
        usual = self._limits.choppy_s * self.info.rate_mhz / 1000
        over_s = f"{self._limits.choppy_s:g} s"
        share = (mark.lost - first.lost) / max(mark.sound - first.sound, usual)
        tolerated = self._limits.choppy_share / (2 if self.conditions.lasts("choppy") else 1)
        stray, state = mark.stray - first.stray, self.clock.state
        note, rates = (
            self.conditions.note,
            f"measured {state.rate_hz:.1f} Hz, declared {self.info.rate_mhz / 1000:g} Hz",
        )
        return [
            *note("choppy", share > tolerated, f"{100 * share:.1f} % of {over_s} lost"),
            *note("two devices", stray > self._limits.stray_packets, f"{stray} packets of another count"),
            *note("codec", mark.unreadable > first.unreadable, "samples in an unknown codec or channel"),
            *note("wrong rate", state.is_wrong, rates),
        ]
