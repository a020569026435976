"""Packets out of a byte stream: any cut gives the same, noise gives none, and everything thrown away is counted."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import cobs
from firmware_bridge.deframe import MAX_FRAME, Deframer
from firmware_bridge.messages import Log, Samples
from firmware_bridge.wire import MIN_BODY, Packet, decode, encode, with_crc

LOGS = st.builds(Log, st.text("abc", max_size=40))
PACKETS = st.lists(st.tuples(LOGS, st.integers(0, 65535)).map(lambda drawn: Packet(7, drawn[0], seq=drawn[1])))


def frame(packet: Packet) -> bytes:
    """Packet as a stream carries it."""
    return cobs.encode(encode(packet)) + b"\0"


def thrown_away(deframer: Deframer) -> int:
    """Frames that were counted as no packet."""
    c = deframer.counts
    return c.cobs_errors + c.length_errors + c.crc_errors + c.unknown_versions + c.malformed + c.not_authenticated


@settings(deadline=None)
@given(PACKETS, st.binary(max_size=30), st.lists(st.integers(0, 400), max_size=20))
def test_any_cut_gives_the_same_packets_and_counts(packets: list[Packet], noise: bytes, cuts: list[int]) -> None:
    stream = noise + b"\0" + b"".join(frame(packet) for packet in packets)
    whole, pieces = Deframer(), Deframer()
    expected = whole.push(stream)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    received = [p for a, b in itertools.pairwise(places) for p in pieces.push(stream[a:b])]
    assert received == expected
    assert received == packets
    assert pieces.counts == whole.counts
    assert whole.counts.packets == len(packets)
    assert whole.counts.skipped_bytes == len(noise.replace(b"\0", b""))


@settings(deadline=None, max_examples=500)
@given(st.lists(st.binary(max_size=600), max_size=8))
def test_noise_is_counted_and_never_a_packet(chunks: list[bytes]) -> None:
    deframer = Deframer()
    for chunk in chunks:
        assert deframer.push(chunk) == []
        assert deframer.push_datagram(chunk) == []
    deframer.push(b"\0")
    noise = b"".join(chunks)
    assert thrown_away(deframer) == len([f for f in noise.split(b"\0") if f]) + len(chunks)
    assert deframer.counts.skipped_bytes == 2 * len(noise) - noise.count(0)


def test_flipped_cut_and_doubled_bytes_never_make_a_packet_that_was_not_sent() -> None:
    chance = random.Random(5)
    sound = np.random.default_rng(5).integers(-500, 500, (3000, 1, 40), dtype=np.int16)
    sent = [Packet(7, Samples(x), seq=i) for i, x in enumerate(sound)]
    bodies = {encode(packet) for packet in sent}
    stream = bytearray(b"".join(frame(packet) for packet in sent))
    for _ in range(400):
        stream[chance.randrange(len(stream))] ^= 1 << chance.randrange(8)
    for _ in range(50):
        at = chance.randrange(len(stream))
        del stream[at : at + chance.randrange(300)]
    for _ in range(50):
        at = chance.randrange(len(stream))
        stream[at:at] = stream[at : at + chance.randrange(300)]
    deframer = Deframer()
    received = deframer.push(bytes(stream))
    assert all(encode(packet) in bodies for packet in received)
    assert 2400 < len(received) < 3000
    assert thrown_away(deframer) > 300


def test_a_stream_entered_in_the_middle_costs_one_packet() -> None:
    packets = [Packet(7, Log("heard" * 5), seq=i) for i in range(5)]
    stream = b"".join(frame(packet) for packet in packets)
    for start in range(1, len(frame(packets[0]))):
        assert Deframer().push(stream[start:])[-4:] == packets[1:]


def test_bytes_without_end_keep_no_memory_and_the_next_packet_is_heard() -> None:
    deframer = Deframer()
    for _ in range(1000):
        deframer.push(b"x" * 1000)
        assert len(deframer._tail) <= MAX_FRAME
    assert deframer.counts.cobs_errors == 1
    assert deframer.counts.skipped_bytes == 1_000_000
    assert len(deframer.push(b"xx\0" + frame(Packet(7, Log("heard"))))) == 1
    assert deframer.counts.skipped_bytes == 1_000_002
    assert deframer.counts.cobs_errors == 1
    half, rest = frame(Packet(7, Log("heard")))[:9], frame(Packet(7, Log("heard")))[9:]
    assert deframer.push(half) == []
    assert len(deframer.push(rest)) == 1


def test_the_longest_frame_is_heard_and_a_longer_one_is_an_error_however_it_is_cut() -> None:
    chance = np.random.default_rng(2).integers(1, 255, (1, 1024)).astype(np.int16) * 257
    longest = encode(Packet(7, Samples(chance)))
    assert len(Deframer().push(cobs.encode(longest) + b"\0")) == 1
    for size in (MAX_FRAME + 1, MAX_FRAME + 2000):
        for cut in (1, 100, size):
            deframer = Deframer()
            stream = b"\1" * size + b"\0"
            for at in range(0, len(stream), cut):
                assert deframer.push(stream[at : at + cut]) == []
            assert deframer.counts.cobs_errors == 1
            assert deframer.counts.skipped_bytes == size


def test_each_fault_has_its_counter() -> None:
    good = encode(Packet(7, Log("x")))
    deframer = Deframer()
    for datagram in (
        b"",
        good[:-1] + bytes((good[-1] ^ 1,)),
        with_crc(b"\x23" + good[1:-4]),
        with_crc(good[:16]),
        good,
    ):
        deframer.push_datagram(datagram)
    deframer.push(b"\xff" + b"\1" * MIN_BODY + b"\0")
    c = deframer.counts
    assert (c.length_errors, c.crc_errors, c.unknown_versions, c.malformed, c.cobs_errors) == (1, 1, 1, 1, 1)
    assert c.packets == 1


def test_a_packet_that_is_not_authenticated_is_not_read() -> None:
    class Never:
        def authenticates(self, body: bytes) -> bool:
            return False

    deframer = Deframer(Never())
    whole = encode(Packet(7, Log("x")))
    malformed = with_crc(whole[:16])
    assert deframer.push_datagram(whole) == deframer.push_datagram(malformed) == []
    assert deframer.counts.not_authenticated == 2
    assert deframer.counts.malformed == 0


def test_after_a_reset_half_a_frame_does_not_spoil_the_next() -> None:
    packet = Packet(7, Log("heard"))
    deframer = Deframer()
    deframer.push(frame(packet)[:9])
    deframer.reset()
    assert deframer.push(frame(packet)) == [decode(encode(packet))]
    assert deframer.counts.skipped_bytes == 9


def test_zeros_between_packets_are_no_error() -> None:
    deframer = Deframer()
    assert len(deframer.push(b"\0\0" + frame(Packet(7, Log("x"))) + b"\0\0")) == 1
    assert thrown_away(deframer) == deframer.counts.skipped_bytes == 0


@pytest.mark.parametrize("size", [0, 19, 2085, 70000])
def test_a_datagram_of_any_size_is_answered(size: int) -> None:
    deframer = Deframer()
    assert deframer.push_datagram(bytes(size)) == []
    assert deframer.counts.length_errors == 1


def test_a_frame_too_short_for_a_packet_is_counted_by_its_length_whatever_is_in_it() -> None:
    deframer = Deframer()
    assert deframer.push(b"\5\1\0" + b"\1" * MIN_BODY + b"\0") == []
    assert (deframer.counts.length_errors, deframer.counts.cobs_errors) == (2, 0)
    assert deframer.counts.skipped_bytes == 2 + MIN_BODY
