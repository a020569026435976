"""Assembler: places by the counter, masks what is missing, splices nothing, in any order of delivery."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.types import Block, Gap
from firmware_bridge.assemble import DATAGRAM_WINDOW, NO_REORDERING, Assembler, ReorderWindow
from firmware_bridge.messages import Hello, Opaque, Samples, Type
from firmware_bridge.records import Epoch
from firmware_bridge.wire import CLIPPED, LOST_BEFORE, NO_CONTACT, Packet
from tests.firmware_bridge.assembling import PACKET_NS, RATE_HZ, SOUND, N, assemble, blocks, check_sound, packet


def test_packets_in_order_become_one_block_each_at_full_scale_one() -> None:
    items, assembler = assemble([packet(k) for k in range(5)])
    assert items[0] == Epoch(0, 1, "first packet")
    assert [block.start for block in blocks(items)] == [0, 160, 320, 480, 640]
    check_sound(items, 0, set(range(5)))
    assert assembler.counts.samples == 5 * N
    assert assembler.counts.masked == 0


def test_full_scale_is_one() -> None:
    values = np.array([[-32768, 32767, 16384, 0]], np.int16)
    out = Assembler(RATE_HZ).push(Packet(7, Samples(values)), 0)
    assert blocks(out)[0].samples.tolist() == [-1.0, 32767 / 32768, 0.5, 0.0]
    assert blocks(out)[0].samples.dtype == np.float32


def test_a_stream_that_is_joined_late_begins_where_its_counter_stands() -> None:
    items, _ = assemble([packet(k, base=123_456) for k in range(2)])
    assert items[0] == Epoch(123_456, 1, "first packet")


@pytest.mark.parametrize("window", [NO_REORDERING, DATAGRAM_WINDOW])
@settings(deadline=None, max_examples=50)
@given(lost=st.sets(st.integers(1, 58), max_size=40), base=st.sampled_from([0, 5, 2**31 - 777, 2**32 - 3 * N - 1]))
def test_what_was_lost_is_masked_and_nothing_else(window: ReorderWindow, lost: set[int], base: int) -> None:
    received = set(range(60)) - lost
    items, assembler = assemble([packet(k, base) for k in sorted(received)], window)
    check_sound(items, base, received)
    counts = assembler.counts
    assert counts.concealed + counts.lost == len(lost) * N
    assert counts.masked == counts.concealed


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_any_order_within_the_patience_gives_the_same_blocks(draw: st.DataObject) -> None:
    base = draw.draw(st.sampled_from([0, 2**31 - 5 * N, 2**32 - 7 * N]))
    lost = draw.draw(st.sets(st.integers(1, 28), max_size=10))
    numbers = [k for k in range(30) if k not in lost]
    delays = draw.draw(st.lists(st.integers(0, 2), min_size=len(numbers), max_size=len(numbers)))
    shuffled = [
        k for _, k in sorted(zip((i + d for i, d in enumerate(delays)), numbers, strict=True), key=lambda x: x[0])
    ]
    window = ReorderWindow(3, 10**12)
    straight, _ = assemble([packet(k, base) for k in numbers], window)
    mixed, assembler = assemble([packet(k, base) for k in shuffled], window)
    assert [(type(item), item.start) for item in mixed] == [(type(item), item.start) for item in straight]
    assert assembler.counts.late == assembler.counts.duplicates == 0
    for one, other in zip(blocks(mixed), blocks(straight), strict=True):
        assert np.array_equal(one.samples, other.samples)
        assert np.array_equal(one.valid, other.valid)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(1, 300), st.sampled_from([0, 0x10, 0x70]))
    )
)
def test_within_an_epoch_the_index_rises_whatever_arrives(given_packets: list[tuple[int, int, int, int]]) -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    out = []
    for k, (index, boot, n, flags) in enumerate(given_packets):
        one = Packet(7, Samples(SOUND[:n].reshape(1, -1)), flags=flags, sample_index=index, boot=boot)
        out += assembler.push(one, k * PACKET_NS)
    out += assembler.flush()
    stop = None
    for item in out:
        assert isinstance(item, Epoch) or item.start == stop
        stop = item.start if isinstance(item, Epoch) else item.stop
        assert isinstance(item, Epoch) or item.stop > item.start


@pytest.mark.parametrize("wrap", [2**31, 2**32, 2**33])
def test_the_counter_wraps_and_the_index_goes_on(wrap: int) -> None:
    assembler = Assembler(RATE_HZ)
    step = 2**31 - 1000  # as far as a counter of 32 bits can be followed at once
    out = [item for k in range(6) for item in assembler.push(packet(k, base=k * step), k * PACKET_NS)]
    starts = [block.start for block in blocks(out)]
    assert starts == [k * (step + N) for k in range(6)]
    assert starts[0] < wrap < starts[-1]


def test_a_late_packet_and_a_duplicate_are_dropped_and_told_apart() -> None:
    items, assembler = assemble([packet(k) for k in (0, 1, 3, 3, 2, 1, 4)])
    check_sound(items, 0, {0, 1, 3, 4})
    assert (assembler.counts.late, assembler.counts.duplicates) == (1, 2)


def test_a_packet_that_is_ahead_waits_only_so_long() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    assembler.push(packet(0), 0)
    assert assembler.push(packet(2), 40 * 10**6) == []
    assert assembler.tick(99 * 10**6) == []
    out = assembler.tick(100 * 10**6)
    assert [(block.start, block.valid.all()) for block in blocks(out)] == [(N, False), (2 * N, True)]


def test_the_patience_is_that_of_the_packet_that_waits_longest() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    for one, at_ms in ((0, 0), (2, 40), (3, 60)):
        assembler.push(packet(one), at_ms * 10**6)
    assert assembler.tick(99 * 10**6) == []
    assert len(assembler.tick(100 * 10**6)) == 3


def test_time_that_passed_unseen_counts_at_the_next_packet() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    assembler.push(packet(0), 0)
    assembler.push(packet(2), 40 * 10**6)
    out = assembler.push(packet(1), 100 * 10**6)  # when it comes, it is late, as if somebody had ticked
    assert [block.start for block in blocks(out)] == [N, 2 * N]
    assert assembler.counts.late == 1


def test_a_fourth_packet_ends_the_patience() -> None:
    assembler = Assembler(RATE_HZ, ReorderWindow(3, 10**12))
    assembler.push(packet(0), 0)
    assert [assembler.push(packet(k), 1) for k in (2, 3, 4)] == [[], [], []]
    assert len(blocks(assembler.push(packet(5), 1))) == 5


def test_a_hole_of_200_ms_is_concealed_and_a_longer_one_is_a_gap() -> None:
    short, _ = assemble([packet(0), packet(11)])
    assert [type(item) for item in short] == [Epoch, Block, Block, Block]
    assert not blocks(short)[1].valid.any()
    long, assembler = assemble([packet(0), packet(12)])
    assert long[2] == Gap(N, 12 * N, "packets lost")
    assert (assembler.counts.gaps, assembler.counts.lost) == (1, 11 * N)


def test_the_device_says_that_a_gap_is_its_own() -> None:
    items, _ = assemble([packet(0), packet(50, flags=LOST_BEFORE)])
    assert items[2] == Gap(N, 50 * N, "lost on the device")


def test_a_concealed_hole_has_no_step_at_either_end() -> None:
    t = np.arange(4 * N)
    tone = np.round(12000 * np.cos(2 * np.pi * 200 * t / RATE_HZ + 0.3)).astype(np.int16)
    assembler = Assembler(RATE_HZ)
    out = []
    for k in (0, 1, 3):
        out += assembler.push(Packet(7, Samples(tone[k * N : (k + 1) * N].reshape(1, -1)), sample_index=k * N), k)
    is_valid = np.concatenate([block.samples for block in blocks(out)])
    largest = np.abs(np.diff(tone / 32768)).max()
    assert len(is_valid) == 4 * N
    assert np.abs(np.diff(is_valid)).max() <= 1.5 * largest  # the tone itself moves so much


def test_samples_lost_uncounted_are_a_seam_not_a_splice() -> None:
    items, _ = assemble([packet(0), packet(1, flags=LOST_BEFORE), packet(2)])
    assert [int((~block.valid).sum()) for block in blocks(items)] == [0, 1, 0]
    assert not blocks(items)[1].valid[0]


def test_samples_lost_and_counted_need_no_seam() -> None:
    items, _ = assemble([packet(0), packet(2, flags=LOST_BEFORE)])
    check_sound(items, 0, {0, 2})
    assert sum(int(block.valid.sum()) for block in blocks(items)) == 2 * N


@pytest.mark.parametrize("flag", [CLIPPED, NO_CONTACT])
def test_clipped_samples_and_samples_off_the_skin_are_not_valid(flag: int) -> None:
    items, assembler = assemble([packet(0), packet(1, flags=flag), packet(2)])
    assert [bool(block.valid.all()) for block in blocks(items)] == [True, False, True]
    assert not blocks(items)[1].valid.any()
    assert (assembler.counts.clipped, assembler.counts.no_contact) == (N * (flag == CLIPPED), N * (flag == NO_CONTACT))


def test_an_overlap_is_cut_counted_and_leaves_a_seam() -> None:
    overlapping = packet(1)._replace(sample_index=N - 60)
    items, assembler = assemble([packet(0), overlapping])
    assert [(block.start, len(block.samples)) for block in blocks(items)] == [(0, N), (N, 100)]
    assert blocks(items)[1].valid.tolist() == [False] + 99 * [True]
    assert assembler.counts.overlaps == 1


def test_of_two_waiting_packets_that_overlap_the_newer_is_trusted() -> None:
    assembler = Assembler(RATE_HZ, DATAGRAM_WINDOW)
    assembler.push(packet(0), 0)
    assembler.push(packet(2), 1)
    assembler.push(packet(9)._replace(sample_index=2 * N + 100), 2)
    out = blocks(assembler.push(packet(1), 3))
    assert [(block.start, len(block.samples)) for block in out] == [(N, N), (2 * N, 100), (2 * N + 100, N)]
    assert np.array_equal(out[2].samples, SOUND[9 * N : 10 * N] / np.float32(32768))
    assert not out[2].valid[0]
    assert assembler.counts.overlaps == 1


def test_another_boot_is_another_epoch_and_its_counter_its_own() -> None:
    items, assembler = assemble([packet(50), packet(51), packet(0, boot=2), packet(1, boot=2)])
    assert [item for item in items if isinstance(item, Epoch)] == [
        Epoch(50 * N, 1, "first packet"),
        Epoch(0, 2, "device restarted"),
    ]
    assert [block.start for block in blocks(items)] == [50 * N, 51 * N, 0, N]
    assert assembler.counts.epochs == 2


def test_what_waited_is_given_before_another_epoch() -> None:
    items, _ = assemble([packet(0), packet(2), packet(0, boot=2)], DATAGRAM_WINDOW)
    assert [item.start for item in items] == [0, 0, N, 2 * N, 0, 0]


def test_packets_of_a_boot_that_is_over_do_not_bring_it_back() -> None:
    again = [one for k in range(20) for one in (packet(k, boot=2), packet(k + 100, boot=1))]
    items, assembler = assemble([packet(99), *again])
    assert len([item for item in items if isinstance(item, Epoch)]) == 2
    assert assembler.counts.stray == 20


def test_a_boot_number_that_comes_again_is_accepted_after_a_second_of_it() -> None:
    items, _ = assemble([packet(300), packet(0, boot=2), *(packet(k, boot=1) for k in range(1, 60))])
    assert [item for item in items if isinstance(item, Epoch)][-1] == Epoch(50 * N, 1, "device restarted")


def test_a_counter_that_goes_back_is_accepted_after_a_second_of_it() -> None:
    items, assembler = assemble([packet(300), packet(301), *(packet(k) for k in range(60))])
    assert [item for item in items if isinstance(item, Epoch)][-1] == Epoch(49 * N, 1, "counter went back")
    assert assembler.counts.stray == 50


def test_old_packets_played_again_beside_the_device_change_nothing() -> None:
    both = [one for k in range(150, 220) for one in (packet(k), packet(k - 150))]
    items, _ = assemble([packet(k) for k in range(150)] + both)
    check_sound(items, 0, set(range(220)))
    assert sum(int(block.valid.sum()) for block in blocks(items)) == 220 * N
    assert [item for item in items if isinstance(item, Epoch)] == [Epoch(0, 1, "first packet")]


def test_what_cannot_be_read_is_counted_and_lost() -> None:
    opaque = packet(1)._replace(content=Opaque(Type.SAMPLES, 3, N, b"opus"))
    items, assembler = assemble([packet(0), opaque, packet(2)])
    check_sound(items, 0, {0, 2})
    assert assembler.counts.unreadable == 1


def test_the_chosen_channel_is_heard() -> None:
    both = Packet(7, Samples(np.array([[1, 2], [3, 4]], np.int16)))
    assert blocks(Assembler(RATE_HZ, channel=1).push(both, 0))[0].samples.tolist() == [3 / 32768, 4 / 32768]
    third = Assembler(RATE_HZ, channel=2)
    assert third.push(both, 0) == []
    assert third.counts.unreadable == 1


def test_a_hello_is_not_sound() -> None:
    assert Assembler(RATE_HZ).push(Packet(7, Hello()), 0) == []


def test_reset_forgets_the_stream_but_not_the_counts() -> None:
    _, assembler = assemble([packet(5)])
    assembler.reset()
    assert assembler.push(packet(0), 0)[0] == Epoch(0, 1, "first packet")
    assert assembler.counts.packets == 2


def test_what_is_given_can_be_used_for_the_clock() -> None:
    assembler = Assembler(RATE_HZ)
    placed = []
    for one in (packet(0, 2**32 - N), packet(1, 2**32 - N), packet(1, 2**32 - N), packet(2, 2**32 - N)):
        assembler.push(one, 0)
        placed.append(assembler.placed)
    assert placed == [2**32, 2**32 + N, None, 2**32 + 2 * N]
