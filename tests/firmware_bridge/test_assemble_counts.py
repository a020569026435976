"""What the assembler counts, and what it does where two rules meet, packet by packet."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import firmware_bridge.assemble
from edge.types import Block, Gap
from firmware_bridge.assemble import BOOTS, DATAGRAM_WINDOW, Assembler, ReorderWindow
from firmware_bridge.messages import Opaque, Samples, Type
from firmware_bridge.records import Epoch
from firmware_bridge.wire import CLIPPED, NO_CONTACT, Packet
from tests.firmware_bridge.assembling import RATE_HZ, SOUND, N, assemble, blocks, packet

PATIENT = ReorderWindow(5, 10**12)


def _waiting(*packets: Packet) -> Assembler:
    """An assembler that heard packet 0 and was given these, none of which is packet 1."""
    assembler = Assembler(RATE_HZ, PATIENT)
    assembler.push(packet(0), 0)
    for one in packets:
        assert assembler.push(one, 1) == []
    return assembler


def _lengths(assembler: Assembler) -> list[tuple[int, int]]:
    """Start and length of the blocks that come when packet 1 comes, from packet 2 on."""
    return [(block.start, len(block.samples)) for block in blocks(assembler.push(packet(1), 2))][1:]


def test_everything_is_counted_as_often_as_it_happens() -> None:
    opaque = packet(1)._replace(content=Opaque(Type.SAMPLES, 3, N, b"opus"))
    assert assemble([packet(0), opaque, opaque])[1].counts.unreadable == 2
    counts = assemble([packet(k) for k in (0, 12, 26, 1, 2, 26, 26)])[1].counts
    assert (counts.gaps, counts.lost) == (2, 24 * N)  # 1 to 11 and 13 to 25
    assert (counts.late, counts.duplicates, counts.packets) == (2, 2, 7)
    for flag, name in ((CLIPPED, "clipped"), (NO_CONTACT, "no_contact")):
        assert getattr(assemble([packet(0, flags=flag), packet(1, flags=flag)])[1].counts, name) == 2 * N
    early = [packet(k)._replace(sample_index=k * N - 10 * k) for k in range(4)]  # each 10 samples into the one before
    assert assemble(early)[1].counts.overlaps == 3


def test_packets_that_wait_twice_are_duplicates() -> None:
    assembler = _waiting(packet(2), packet(2), packet(2))
    assert _lengths(assembler) == [(2 * N, N)]
    assert assembler.counts.duplicates == 2


def test_packets_that_were_overtaken_are_counted_and_those_that_are_ahead_are_not() -> None:
    assembler = _waiting(packet(5), packet(4), packet(3), packet(6))
    assert assembler.counts.reordered == 2  # 4 and 3
    assert _waiting(packet(2), packet(3), packet(4)).counts.reordered == 0


def test_of_two_that_wait_with_one_begin_or_one_end_the_newer_is_trusted() -> None:
    shorter = packet(2, n=100)
    assembler = _waiting(packet(2), shorter)
    assert _lengths(assembler) == [(2 * N, 100)]
    assert (assembler.counts.overlaps, assembler.counts.duplicates) == (1, 0)
    later = packet(2, n=100)._replace(sample_index=2 * N + 60)  # ends where packet 2 ends
    assembler = _waiting(packet(2), later, shorter)
    # Of the first 60 samples are left, then nothing, for the third covers them and 40 of the second
    assert _lengths(assembler) == [(2 * N, 100)]
    assert (assembler.counts.overlaps, assembler.counts.duplicates) == (3, 0)


def test_what_time_gave_is_not_lost_when_the_device_restarts() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    assembler.push(packet(0), 0)
    assembler.push(packet(2), 1)
    out = assembler.push(packet(0, boot=2), 10**9)  # packet 2 has waited long enough by then
    assert [item.start for item in out] == [N, 2 * N, 0, 0]
    assert out[2] == Epoch(0, 2, "device restarted")


def test_what_time_gave_is_not_lost_when_the_counter_goes_back() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    assembler.push(packet(397), 0)
    assembler.tick(10**9)  # the stream begins with it
    for one in (packet(399), *(packet(k) for k in range(49))):
        assert assembler.push(one, 10**9) == []
    out = assembler.push(packet(49), 2 * 10**9) + assembler.flush()  # packet 399 has waited long enough by then
    assert [item.start for item in out] == [398 * N, 399 * N, 49 * N, 49 * N]


def test_only_the_last_64_packets_and_holes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    halves = [packet(k, n=N // 2) for k in range(67)]  # each followed by a hole of half a packet: 66 holes
    _, assembler = assemble(halves)
    for gap, late, duplicates in ((1, 0, 1), (2, 0, 2), (3, 1, 2), (66, 2, 2)):
        assembler.push(packet(gap - 1, n=N // 2)._replace(sample_index=gap * N - N // 2), 10**12)
        assert (assembler.counts.late, assembler.counts.duplicates) == (late, duplicates)
    lengths: list[int] = []

    def conceal(past: NDArray[np.float32], _: NDArray[np.float32], count: int, __: int) -> NDArray[np.float32]:
        lengths.append(len(past))
        return np.zeros(count, np.float32)

    monkeypatch.setattr(firmware_bridge.assemble, "conceal", conceal)
    assemble([packet(k) for k in (*range(100), 101)])
    assert lengths == [64 * N]


def test_boot_0_is_a_boot_like_any_other() -> None:
    items, assembler = assemble([packet(0, boot=0), packet(5, boot=1), packet(1, boot=0), packet(6, boot=1)])
    assert [item for item in items if isinstance(item, Epoch)] == [
        Epoch(0, 0, "first packet"),
        Epoch(5 * N, 1, "device restarted"),
    ]
    assert assembler.counts.stray == 1
    assert (Assembler(RATE_HZ).boot, assembler.boot) == (-1, 1)


def test_eight_boots_that_are_over_are_remembered() -> None:
    boots = [packet(0, boot=boot) for boot in range(1, BOOTS + 3)]  # 1 to 10: 2 to 9 are remembered
    assert assemble([*boots, packet(1, boot=2)])[1].counts.stray == 1
    again, assembler = assemble([*boots, packet(1, boot=1)])
    assert isinstance(again[-1], Block)
    assert (assembler.boot, assembler.counts.epochs, assembler.counts.stray) == (1, 11, 0)


def test_a_first_packet_of_one_sample_is_heard() -> None:
    one = Packet(7, Samples(np.array([[16384]], np.int16)))
    assert blocks(Assembler(RATE_HZ).push(one, 0))[0].samples.tolist() == [0.5]


def test_at_one_sample_a_second_one_stray_sample_is_a_second() -> None:
    assembler = Assembler(1.0)
    (old, new) = (Packet(7, Samples(np.ones((1, 1), np.int16)), sample_index=index) for index in (10, 0))
    assembler.push(old, 0)
    begun, received = assembler.push(new, 0)
    assert begun == Epoch(0, 0, "counter went back")
    assert isinstance(received, Block)


def test_what_came_before_the_first_packet_is_late_and_no_duplicate() -> None:
    _, assembler = assemble([packet(50), packet(49)])
    assert (assembler.counts.late, assembler.counts.duplicates) == (1, 0)
    assert Assembler(RATE_HZ).placed is None


def test_a_hole_is_concealed_from_the_sound_before_it_with_a_fade_of_4_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[tuple[int, int]] = []

    def conceal(
        past: NDArray[np.float32], following: NDArray[np.float32], count: int, fade: int
    ) -> NDArray[np.float32]:
        requested.append((count, fade))
        assert (past.dtype, following.dtype) == (np.float32, np.float32)
        assert np.array_equal(past, SOUND[: 2 * N] / np.float32(32768))
        assert np.array_equal(following, SOUND[4 * N : 5 * N] / np.float32(32768))
        return np.full(count, 0.25, np.float32)

    monkeypatch.setattr(firmware_bridge.assemble, "conceal", conceal)
    items, _ = assemble([packet(0), packet(1), packet(4)])
    assert requested == [(2 * N, 32)]
    assert (blocks(items)[2].samples == 0.25).all()


def test_what_was_heard_before_a_gap_conceals_nothing_behind_it() -> None:
    behind = [packet(21, n=40), packet(22)]  # 5 ms, then 15 ms are lost
    after, _ = assemble([*(packet(number) for number in range(10)), *behind])
    alone, _ = assemble(behind)
    assert any(isinstance(item, Gap) for item in after)
    for one, other in zip(blocks(after)[-3:], blocks(alone), strict=True):
        assert (one.start, one.samples.tolist()) == (other.start, other.samples.tolist())


def test_after_the_end_of_a_stream_the_next_sound_begins_an_epoch_and_a_repeated_packet_does_not() -> None:
    assembler = Assembler(RATE_HZ)
    for number in (0, 1):
        assembler.push(packet(number), number)
    assembler.end()
    assert assembler.push(packet(1), 2) == []  # sent twice
    begun, received = assembler.push(packet(2), 3)
    assert begun == Epoch(2 * N, 1, "started again")
    assert isinstance(received, Block)
    assert [type(item) for item in assembler.push(packet(3), 4)] == [Block]
