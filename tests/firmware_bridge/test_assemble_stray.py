"""Packets that fit nothing: when they are the stream, and when they are not."""

from __future__ import annotations

from firmware_bridge.records import Epoch
from firmware_bridge.wire import Packet
from tests.firmware_bridge.assembling import N, assemble, packet


def _epochs(packets: list[Packet]) -> tuple[list[Epoch], int]:
    """The epochs after the first that these packets begin, and how many of them were stray."""
    items, assembler = assemble(packets)
    return [item for item in items if isinstance(item, Epoch)][1:], assembler.counts.stray


# The stream stands at packet 399, 8 s; packets from 0 on are more than 2 s behind it, and 50 of them are a second.
STANDS = [packet(398), packet(399)]


def test_49_stray_packets_in_a_row_are_not_the_stream_and_50_are() -> None:
    assert _epochs([*STANDS, *(packet(k) for k in range(49))]) == ([], 49)
    assert _epochs([*STANDS, *(packet(k) for k in range(49)), packet(49, n=N - 1)]) == ([], 50)  # 7999 samples
    assert _epochs([*STANDS, *(packet(k) for k in range(50))]) == ([Epoch(49 * N, 1, "counter went back")], 50)


def test_one_packet_that_fits_makes_the_stray_ones_count_anew() -> None:
    stray = [packet(k) for k in range(80)]
    assert _epochs([STANDS[0], *stray[:40], STANDS[1], *stray[40:]]) == ([], 80)


def test_stray_packets_of_two_boots_do_not_count_together() -> None:
    before = [packet(0, boot=1), packet(0, boot=3), packet(0, boot=2)]
    both = [one for k in range(1, 61) for one in (packet(k, boot=1), packet(k, boot=3))]
    begun, stray = _epochs([*before, *both])
    assert begun == [Epoch(0, 3, "device restarted"), Epoch(0, 2, "device restarted")]
    assert stray == 120


def test_stray_packets_may_have_holes_of_up_to_2_s_and_never_go_back() -> None:
    near = [packet(k) for k in (*range(40), *range(139, 160))]  # 40 to 138 are missing: 99 packets, 1.98 s
    assert _epochs([*STANDS, *near])[0] == [Epoch(148 * N, 1, "counter went back")]  # the tenth behind the hole
    far = [packet(k) for k in (*range(40), *range(140, 180))]  # 2 s
    assert _epochs([*STANDS, *far]) == ([], 80)
    assert _epochs([*STANDS, *(packet(k) for k in range(60, 0, -1))]) == ([], 60)


def test_a_packet_2_s_behind_is_late_and_one_sample_more_is_stray() -> None:
    # The stream goes on at 400 N; 2 s are 100 N, and the packet itself has N
    assert _epochs([*STANDS, packet(299)]) == ([], 0)
    older = packet(299)._replace(sample_index=299 * N - 1)
    assert _epochs([*STANDS, older]) == ([], 1)


def test_stray_packets_are_in_a_row_across_the_wrap_of_their_counter() -> None:
    base = 2**32 - 20 * N
    begun, _ = _epochs([packet(k, base) for k in (398, 399, *range(50))])
    assert begun == [Epoch(29 * N, 1, "counter went back")]  # packet 49 is 29 behind the wrap
