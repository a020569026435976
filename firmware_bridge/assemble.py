"""Packets of one stream, in any order, become sound in order: placed by the sample counter, missing samples masked.

Not for rates and times (`clock`), not for devices (`devices`): what comes in belongs to one stream. Pure, on the
caller's clock. Invariants: within an epoch the index rises strictly and nothing is spliced: a sample is valid exactly
if it was received, and was neither clipped nor off the skin; the first sample behind a discontinuity that the counter
does not show (an overlap, samples lost uncounted) is invalid too. Packets may arrive in any order within the reorder
window and give the same blocks. Memory is bounded.

A hole of up to `CONCEALED_S` is concealed and masked; a larger one is a `Gap` and a jump of the index. Which packets to
accept, after a restart or when two devices use one id, follows RFC 3550, A.1: a counter that goes back is accepted when
`RESTART_S` of it came without one packet that continues the present epoch. A new boot is marked in the packet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.types import Block, Gap
from firmware_bridge.conceal import conceal
from firmware_bridge.counters import unwrap
from firmware_bridge.messages import Samples
from firmware_bridge.records import Assembled, Epoch, EpochCause, Item
from firmware_bridge.wire import CLIPPED, LOST_BEFORE, NO_CONTACT, Packet

CONCEALED_S = 0.2  # a longer hole is a gap
FADE_S = 0.004  # cross-fade at the end of a concealed hole
STALE_S = 2.0  # a packet farther behind is not late, it is of another epoch
RESTART_S = 1.0  # sound of another epoch, without a packet that fits the present one, after which it is accepted
REMEMBERED = 64  # holes that a late packet is compared with, to know it from a duplicate
BOOTS = 8  # boots that ended, whose packets are not a restart
FULL_SCALE = np.float32(1 / 32768)


@dataclass(frozen=True, slots=True)
class ReorderWindow:
    """How long a packet that is ahead waits for those before it; zero where a link keeps the order."""

    packets: int = 0
    """Packets that may wait."""
    wait_ns: int = 0
    """Longest that the oldest of them waits."""


NO_REORDERING = ReorderWindow()
DATAGRAM_WINDOW = ReorderWindow(3, 60_000_000)  # UDP: three packets of 20 ms


class _Piece(NamedTuple):
    """Samples of one packet, at their absolute index."""

    start: int
    values: NDArray[np.int16]
    flags: int
    is_discontinuous: bool
    arrival_ns: int

    @property
    def stop(self) -> int:
        return self.start + len(self.values)


class Assembler:
    """One stream of one device.

    Args:
        rate_hz: declared rate, for the length of holes only.
        window: how long to wait for packets that were overtaken.
        channel: which channel of the packets is taken, from 0.
    """

    def __init__(self, rate_hz: float, window: ReorderWindow = NO_REORDERING, channel: int = 0) -> None:
        self._patience, self._channel = window, channel
        self._concealed = round(CONCEALED_S * rate_hz)
        self._fade = round(FADE_S * rate_hz)
        self._stale, self._restart = round(STALE_S * rate_hz), max(1, round(RESTART_S * rate_hz))
        self._counts = Assembled()
        self.placed: int | None = None
        """Index one past the last packet's samples, for the clock; None if it was of no use."""
        self.reset()

    def reset(self) -> None:
        """Forget the stream; the next packet begins an epoch, wherever its counter stands."""
        self._ended: deque[int] = deque(maxlen=BOOTS)
        self._begin(-1, 0, "first packet")

    @property
    def boot(self) -> int:
        """Boot counter of the present epoch; -1 before the first packet."""
        return self._boot

    @property
    def is_open(self) -> bool:
        """Whether the present epoch was delivered; before that its first packets wait."""
        return self._is_open

    @property
    def counts(self) -> Assembled:
        """What happened so far; a copy."""
        return replace(self._counts)

    def push(self, packet: Packet, arrival_ns: int) -> list[Item]:
        """Take one packet of this stream.

        Args:
            packet: samples; others count as unreadable.
            arrival_ns: monotonic time of arrival, never falling.

        Returns:
            Blocks, gaps and epochs that are decided by now, in order.
        """
        out = self.tick(arrival_ns) if self._held else []
        self._counts.packets += 1
        self.placed = None
        if not isinstance(packet.content, Samples) or self._channel >= len(packet.content.values):
            self._counts.unreadable += 1
            return out
        values = packet.content.values[self._channel]
        if packet.boot != self._boot and packet.boot not in self._ended:
            out += self._restart_at(packet, "device restarted" if self._boot >= 0 else "first packet")
        start = unwrap(self._next, packet.sample_index, 32)
        behind = self._next - start if self._is_open else 0
        if packet.boot != self._boot or behind - len(values) > self._stale:
            if not self._is_restart(packet, len(values)):
                return out
            out += self._restart_at(packet, "device restarted" if packet.boot != self._boot else "counter went back")
            start, behind = self._next, 0
        self._stray = (-1, 0, 0)
        if behind >= len(values):
            self._count_behind(start)
            return out
        if self._has_ended:
            out += self._restart_at(packet, "started again")
            start = self._next
        self.placed = start + len(values)
        return out + self._take(_Piece(start, values, packet.flags, False, arrival_ns))

    def tick(self, now_ns: int) -> list[Item]:
        """Let time pass: what waited long enough is given, and what it waited for is lost."""
        return list(self._release(now_ns))

    def flush(self) -> list[Item]:
        """End of the stream: give what waits."""
        return list(self._release(None))

    @property
    def is_waiting(self) -> bool:
        """Whether packets are held back for others."""
        return bool(self._held)

    def end(self) -> None:
        """The device ended the stream: what comes next, and is not a packet sent twice, begins an epoch."""
        self._has_ended = True

    def _begin(self, boot: int, index: int, cause: EpochCause) -> None:
        self._boot, self._cause = boot, cause
        self._is_open = self._has_ended = False  # whether the epoch was announced, with it where it begins; and ended
        self._next = index  # the sample to be given next; before that, where the first packet stood
        self._held: list[_Piece] = []  # by start, disjoint
        self._past: deque[NDArray[np.float32]] = deque(maxlen=REMEMBERED)
        self._gaps: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._stray = (-1, 0, 0)  # boot of packets that fit nothing, where their count goes on, samples in a row

    def _restart_at(self, packet: Packet, cause: EpochCause) -> list[Item]:
        """End this epoch; the next begins with the first packets of the new count."""
        out = self.flush()
        if self._boot >= 0 and packet.boot != self._boot:
            self._ended.append(self._boot)
        if packet.boot in self._ended:
            self._ended.remove(packet.boot)
        self._begin(packet.boot, packet.sample_index, cause)
        return out

    def _is_restart(self, packet: Packet, count: int) -> bool:
        """Count a packet that fits nothing; true when there were so many in a row that they begin an epoch."""
        self._counts.stray += 1
        boot, follows, samples = self._stray
        in_a_row = boot == packet.boot and 0 <= unwrap(follows, packet.sample_index, 32) - follows < self._stale
        samples = (samples if in_a_row else 0) + count
        self._stray = (packet.boot, packet.sample_index + count, samples)
        return samples >= self._restart

    def _count_behind(self, start: int) -> None:
        if any(first <= start < last for first, last in self._gaps):
            self._counts.late += 1
        else:
            self._counts.duplicates += 1

    def _take(self, piece: _Piece) -> list[Item]:
        """Give a piece at once if it is next, else keep it in its place."""
        if not self._held and self._is_open and piece.start == self._next:
            return [self._emit(piece)]
        ordered = []
        for other in self._held:
            if piece.start == other.start and piece.stop == other.stop:
                self._counts.duplicates += 1
                return []
            if other.start < piece.stop and piece.start < other.stop:  # the newer one is trusted
                self._counts.overlaps += 1
                piece = piece._replace(is_discontinuous=True)
                other = other._replace(values=other.values[: max(piece.start - other.start, 0)])
            if len(other.values):
                ordered.append(other)
        self._counts.reordered += bool(ordered) and piece.start < ordered[-1].start
        self._held = sorted([*ordered, piece], key=attrgetter("start"))
        return list(self._release(piece.arrival_ns))

    def _release(self, now_ns: int | None) -> Iterator[Item]:
        """Give what is decided at `now_ns`; everything if that is None."""
        while self._held:
            first = self._held[0]
            if not self._is_open:
                if first.start and self._waits(now_ns):
                    return
                yield self._open(first)
            elif first.start > self._next:
                if self._waits(now_ns):
                    return
                yield self._lose(first)
            del self._held[0]
            yield self._emit(first)

    def _waits(self, now_ns: int | None) -> bool:
        """Whether what is missing may still come."""
        if now_ns is None or len(self._held) > self._patience.packets:
            return False
        return now_ns < min(piece.arrival_ns for piece in self._held) + self._patience.wait_ns

    def _open(self, first: _Piece) -> Epoch:
        start = first.start
        self._counts.epochs += 1
        self._is_open, self._next = True, start
        # What comes from before the begin of the epoch is late and no duplicate: nothing of it was given.
        self._gaps.append((start - self._stale, start))
        return Epoch(start, self._boot, self._cause, first.stop, first.arrival_ns)

    def _lose(self, following: _Piece) -> Block | Gap:
        """Give up the samples before a piece."""
        start, stop = self._next, following.start
        self._gaps.append((start, stop))
        self._next = stop
        if stop - start > self._concealed:
            self._past.clear()
            self._counts.gaps += 1
            self._counts.lost += stop - start
            return Gap(start, stop, "lost on the device" if following.flags & LOST_BEFORE else "packets lost")
        self._counts.concealed += stop - start
        past = np.concatenate([np.empty(0, np.float32), *self._past])
        samples = conceal(past, _scaled(following.values), stop - start, self._fade)
        return self._block(start, samples, np.zeros(len(samples), np.bool_))

    def _emit(self, piece: _Piece) -> Block:
        samples, start, flags = _scaled(piece.values), piece.start, piece.flags
        # The device says that it lost samples, and no gap ends here: its counter did not count them.
        is_discontinuous = piece.is_discontinuous or bool(flags & LOST_BEFORE and self._gaps[-1][1] != start)
        if start < self._next:
            samples, start, is_discontinuous = samples[self._next - start :], self._next, True
            self._counts.overlaps += 1
        valid = np.ones(len(samples), np.bool_)
        if flags & (CLIPPED | NO_CONTACT):
            valid[:] = False
            self._counts.clipped += len(samples) if flags & CLIPPED else 0
            self._counts.no_contact += len(samples) if flags & NO_CONTACT else 0
        elif is_discontinuous:
            valid[0] = False
        self._next = start + len(samples)
        return self._block(start, samples, valid)

    def _block(self, start: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> Block:
        self._counts.samples += len(samples)
        self._counts.masked += len(samples) - int(np.count_nonzero(valid))
        self._past.append(samples)
        return Block(start, samples, valid)


def _scaled(values: NDArray[np.int16]) -> NDArray[np.float32]:
    return values.astype(np.float32) * FULL_SCALE
