"""One stream of one device: its assembler, its clock and its statistics, kept in step.

Not for bytes and not for what concerns the whole device (`devices`). Pure. The clock belongs to the epoch: it is reset
where a new one begins. A stream whose declared rate cannot be is refused: it reports so, and its sound is dropped.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from edge.types import Block
from firmware_bridge.assemble import Assembler, ReorderWindow
from firmware_bridge.clock import FAR_PPM, ClockModel
from firmware_bridge.counters import Sequence, unwrap
from firmware_bridge.devices import Conditions, Limits
from firmware_bridge.messages import Clock, Kind, StreamInfo
from firmware_bridge.records import Condition, Epoch, Item
from firmware_bridge.report import StreamReport
from firmware_bridge.wire import LAST, NO_CONTACT, Packet

SECOND_NS = 1_000_000_000
SOUND_HZ = (1000, 200_000)  # declared rates of sound that may be detected on
READINGS_HZ = (1, 200_000)  # and of streams that are only counted
ENDED = "the device ended the stream"
READINGS = (Kind.IMU, Kind.PPG)


class _Totals(NamedTuple):
    """Totals of a stream at one moment, in samples if not said otherwise."""

    at_ns: int
    sound: int
    lost: int
    masked: int
    stray: int
    unreadable: int


class ReceptionPolicy(NamedTuple):
    """How a stream is received on its kind of link."""

    window: ReorderWindow
    """How long overtaken packets are waited for."""
    is_paired: bool = False
    """Take the clock's rate from telemetry."""
    channel: int | None = None
    """Which channel a source asked for, from 0; None if none asked for this stream."""


class Stream:
    """One stream.

    Args:
        info: what the device said of it.
        policy: how it is received.
        limits: from where on loss is a condition.
    """

    def __init__(self, info: StreamInfo, policy: ReceptionPolicy, limits: Limits) -> None:
        self.info = info
        self.clock = ClockModel(info.rate_mhz / 1000, policy.is_paired)
        self.conditions = Conditions()
        self._refusal = _refusal(info, policy.channel is not None)
        self._assembler = Assembler(info.rate_mhz / 1000, policy.window, policy.channel or 0)
        self._limits = limits
        self._ending = -1  # boot whose last packet is here, those before it perhaps not yet
        self._sequence, self._boot = Sequence(), -1
        self._unmeasurable = 0  # samples masked because of the device's condition
        self._received_ns = 0
        self._history: deque[_Totals] = deque()  # one a second, over the last `choppy_s`

    def begin(self) -> list[Condition]:
        """Conditions of the stream before any of its packets came."""
        return self.conditions.note("wrong rate", bool(self._refusal), self._refusal)

    def push(self, packet: Packet, arrival_ns: int, measurable: bool) -> list[Item | Condition]:
        """Take a packet of samples.

        Args:
            packet: of this stream.
            arrival_ns: monotonic time of arrival.
            measurable: false masks what it completes: the device cannot be judged now.
        """
        out: list[Item | Condition] = list(self.conditions.note("lost", False, "samples arrive again"))
        self._received_ns = arrival_ns
        if self._refusal:
            return out + self.conditions.note("ended", bool(packet.flags & LAST), ENDED)
        out += self._apply(self._assembler.push(packet, arrival_ns), measurable)
        if self._assembler.placed is not None:
            if packet.flags & LAST:
                self._ending = packet.boot
            # Before the epoch is given, the clock is still that of the one before; with it comes its first packet.
            if self._assembler.is_open and self.clock.observe(self._assembler.placed, arrival_ns):
                out += self._check_rate()
        out += self.conditions.note("no contact", bool(packet.flags & NO_CONTACT), "the device marks its samples so")
        if not self._history or arrival_ns >= self._history[-1].at_ns + SECOND_NS:
            out += self._check_last_seconds(arrival_ns)
        return out + self._end()

    def count(self, packet: Packet) -> None:
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
        """Check timeouts: packets waited for are given up."""
        out = self._apply(self._assembler.tick(now_ns), measurable) + self._end()
        is_silent = self._received_ns and now_ns - self._received_ns > self._limits.lost_s * SECOND_NS
        if is_silent and not self.conditions.lasts("ended"):
            out += self.conditions.note("lost", True, f"no samples for {self._limits.lost_s:g} s")
        return out

    def flush(self, measurable: bool) -> list[Item | Condition]:
        """End of the stream: the sound that still waited for overtaken packets."""
        return self._apply(self._assembler.flush(), measurable) + self._end()

    def has_sound_since(self, at_ns: int) -> bool:
        """Whether sound came that could be used, and some of it after `at_ns`."""
        return self._assembler.boot >= 0 and self._received_ns > at_ns

    def report(self) -> StreamReport:
        """State of the stream now."""
        last = self._totals(self._received_ns)
        first = self._history[0] if self._history else last
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
            received_ns=self._received_ns,
            conditions=self.conditions.lasting,
        )

    def _apply(self, items: list[Item], measurable: bool) -> list[Item | Condition]:
        """Reset the clock where an epoch begins; mask what cannot be judged."""
        out: list[Item | Condition] = []
        for item in items:
            if isinstance(item, Epoch):
                self.clock.reset()
                self.clock.observe(item.stop, item.arrival_ns)
                item = replace(item, clock=self.clock.state)
                out += self.conditions.note("ended", False, "the device sends again")
            elif isinstance(item, Block) and not measurable:
                self._unmeasurable += int(np.count_nonzero(item.valid))
                item = item._replace(valid=np.zeros(len(item.samples), np.bool_))
            out.append(item)
        return out

    def _end(self) -> list[Item | Condition]:
        """The device has ended the stream, and all before that is given."""
        if self._ending < 0 or self._assembler.is_waiting:
            return []
        ending, self._ending = self._ending, -1
        if ending != self._assembler.boot:
            return []  # the next boot is there already
        self._assembler.end()
        return [*self.conditions.note("ended", True, ENDED)]

    def _check_rate(self) -> list[Condition]:
        """Each time that the clock laid its line: whether the declared rate stands."""
        state, declared_hz = self.clock.state, self.info.rate_mhz / 1000
        if not state.is_measured:
            return []  # of a new epoch; what was found out before is all that is known
        cured = state.is_correctable and self._limits.corrects_rate
        if not state.is_wrong:
            return self.conditions.note("wrong rate", False, f"the declared {declared_hz:g} Hz may be right")
        if abs(state.ppm) > FAR_PPM:
            what = "more than 5 % apart; the hello must say the real rate, in millihertz"
        elif not self._limits.corrects_rate:
            what = "refused by link.rate_error"
        else:
            what = "corrected" if cured else "corrected once it is measured well enough"
        detail = f"measured {state.rate_hz:.1f} Hz, declared {declared_hz:g} Hz: {what}"
        return self.conditions.note("wrong rate", True, detail, cured)

    def _totals(self, at_ns: int) -> _Totals:
        counts = self._assembler.counts
        lost = counts.concealed + counts.lost
        masked = counts.masked + counts.lost + self._unmeasurable
        return _Totals(at_ns, counts.samples + counts.lost, lost, masked, counts.stray, counts.unreadable)

    def _check_last_seconds(self, now_ns: int) -> list[Condition]:
        """Once a second: how the last 10 s were."""
        now = self._totals(now_ns)
        self._history.append(now)
        while len(self._history) > 2 and now_ns - self._history[1].at_ns >= self._limits.choppy_s * SECOND_NS:
            self._history.popleft()
        first = self._history[0]
        usual = self._limits.choppy_s * self.info.rate_mhz / 1000
        over_s = f"{self._limits.choppy_s:g} s"
        # Of `choppy_s` at least: one packet lost in the first second is not a tenth of anything.
        share = (now.lost - first.lost) / max(now.sound - first.sound, usual)
        tolerated = self._limits.choppy_share / (2 if self.conditions.lasts("choppy") else 1)
        stray, note = now.stray - first.stray, self.conditions.note
        return [
            *note("choppy", share > tolerated, f"{100 * share:.1f} % of {over_s} lost"),
            *note("two devices", stray > self._limits.stray_packets, f"{stray} packets of another count"),
            *note("codec", now.unreadable > first.unreadable, "samples in an unknown codec or channel"),
        ]


def _refusal(info: StreamInfo, is_selected: bool) -> str:
    """Why a stream is refused, for the operator; empty if it is not."""
    lowest, highest = READINGS_HZ if info.kind in READINGS and not is_selected else SOUND_HZ
    if lowest <= info.rate_mhz / 1000 <= highest:
        return ""
    return f"rate {info.rate_mhz / 1000:,.10g} Hz: expected {lowest:,} to {highest:,} Hz; rate_mhz is in millihertz"
