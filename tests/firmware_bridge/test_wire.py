"""A packet's body: what is written is read, and nothing else is."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.errors import WireError
from firmware_bridge.messages import (
    Battery,
    Codec,
    Command,
    Hello,
    Log,
    Opaque,
    Samples,
    SetGain,
    StreamInfo,
    Telemetry,
    Type,
)
from firmware_bridge.wire import HEADER, MAX_BODY, Packet, PacketError, Seal, decode, encode, with_crc

SILENCE = Samples(np.zeros((1, 1), np.int16))
U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))


def body(first: int = 0x10, third: int = 0, n: int = 0, payload: bytes = b"") -> bytes:
    """Whole body with any header."""
    return with_crc(HEADER.pack(first, 0, 0, 7, 0, third, 1, n) + payload)


@settings(deadline=None, max_examples=1000)
@given(st.binary(max_size=120))
@example(b"")
def test_no_bytes_but_a_packet_are_a_packet(noise: bytes) -> None:
    with pytest.raises(PacketError):
        decode(noise)


@settings(deadline=None, max_examples=800)
@given(st.integers(0, 15), st.integers(0, 15), U16, st.binary(max_size=200))
def test_any_content_under_a_right_checksum_is_read_or_refused(kind: int, codec: int, n: int, payload: bytes) -> None:
    try:
        packet = decode(body(0x10 | kind, codec, n, payload))
    except PacketError as error:
        cause, packet = error.cause, None
    assert packet is not None or cause == "content"
    assert packet is None or packet.type == kind


@settings(deadline=None)
@given(st.sampled_from(Codec), st.integers(1, 1022), st.binary(min_size=1, max_size=2), st.data())
def test_a_damaged_packet_is_refused(codec: Codec, n: int, damage: bytes, data: st.DataObject) -> None:
    x = np.arange(n, dtype=np.int16)[None]
    whole = encode(Packet(7, Samples(x, codec)))
    at = data.draw(st.integers(0, len(whole) - len(damage)))
    damaged = whole[:at] + damage + whole[at + len(damage) :]
    if damaged != whole:
        with pytest.raises(PacketError, match="checksum"):
            decode(damaged)
    with pytest.raises(PacketError):
        decode(whole[:at])


@pytest.mark.parametrize("counter", [0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1])
def test_counters_travel_up_to_their_wraps(counter: int) -> None:
    packet = Packet(counter, SILENCE, seq=counter % 2**16, sample_index=counter, boot=counter % 256)
    heard = decode(encode(packet))
    assert heard._replace(content=SILENCE) == packet


@pytest.mark.parametrize(
    "packet",
    [
        Packet(2**32, SILENCE),
        Packet(7, SILENCE, stream=16),
        Packet(7, SILENCE, flags=1),
        Packet(7, SILENCE, seq=65536),
        Packet(7, SILENCE, sample_index=-1),
        Packet(7, SILENCE, boot=256),
        Packet(7, SILENCE, seal=Seal(2**32, 0)),
        Packet(7, Samples(np.zeros((1, 1025), np.int16))),
        Packet(7, Samples(np.zeros((9, 1), np.int16))),
        Packet(7, Samples(np.zeros((1, 0), np.int16))),
        Packet(7, Log("x" * 201)),
        Packet(7, Hello(model="x" * 33)),
        Packet(7, Hello((StreamInfo(0, 2**32),))),
        Packet(7, Telemetry(contact=256)),
        Packet(7, Telemetry(battery=Battery(70000))),
        Packet(7, Command((SetGain(0, 4000.0),))),
        Packet(7, Opaque(5, 0, 0, bytes(2049))),
    ],
    ids=str,
)
def test_what_does_not_fit_its_field_is_not_written(packet: Packet) -> None:
    with pytest.raises(WireError):
        encode(packet)


def test_the_channels_of_pcm_follow_from_its_length() -> None:
    for channels in range(1, 9):
        content = decode(body(n=3, payload=bytes(6 * channels))).content
        assert isinstance(content, Samples)
        assert content.values.shape == (channels, 3)
    for length in (0, 5, 7, 54):
        with pytest.raises(PacketError, match="3 samples"):
            decode(body(n=3, payload=bytes(length)))


def test_more_values_than_a_packet_may_have_are_refused() -> None:
    assert decode(body(n=1024, payload=bytes(2048))).n_samples == 1024
    assert decode(body(n=128, payload=bytes(2048))).n_samples == 128
    for n, size in ((1025, 2050), (0, 0), (513, 2052)):
        with pytest.raises(PacketError):
            decode(body(n=n, payload=bytes(size)))


def test_rice_may_not_hold_more_values_either() -> None:
    silence = bytes((0, 200, 0)) + bytes(25 * (255,))
    assert decode(body(third=1, n=200, payload=5 * silence)).n_samples == 200
    with pytest.raises(PacketError, match="more channels"):
        decode(body(third=1, n=200, payload=6 * silence))


def test_rice_that_is_not_shorter_is_not_taken() -> None:
    two = Packet(7, Samples(np.zeros((1, 2), np.int16), Codec.RICE))
    assert decode(encode(two)).codec == Codec.PCM
    three = Packet(7, Samples(np.zeros((1, 3), np.int16), Codec.RICE))
    assert decode(encode(three)).codec == Codec.RICE


def test_samples_in_an_unknown_codec_tell_how_many_they_are() -> None:
    packet = decode(body(third=2, n=160, payload=b"lc3"))
    assert (packet.type, packet.codec, packet.n_samples) == (Type.SAMPLES, 2, 160)
    assert packet.content == Opaque(0, 2, 160, b"lc3")


def test_the_longest_packet_is_read_and_a_longer_one_is_not() -> None:
    loud = Samples(np.full((1, 1024), -1, np.int16))
    whole = encode(Packet(7, loud, seal=Seal(1, 1)))
    assert len(whole) == MAX_BODY
    assert decode(whole).n_samples == 1024
    for third in (0, 0x80):
        with pytest.raises(PacketError) as caught:
            decode(body(third=third, n=1, payload=bytes(2065)))
        assert caught.value.cause == "length"
    with pytest.raises(PacketError) as caught:
        decode(body(0x15, payload=bytes(2049)))
    assert caught.value.cause == "length"


def test_a_seal_needs_its_room() -> None:
    with pytest.raises(PacketError) as caught:
        decode(body(third=0x80, n=1, payload=bytes(15)))
    assert caught.value.cause == "length"


def test_a_later_version_and_an_unknown_mark_are_told_from_damage() -> None:
    for whole in (body(0x20, n=1, payload=b"\0\0"), body(third=0x40, n=1, payload=b"\0\0")):
        with pytest.raises(PacketError) as caught:
            decode(whole)
        assert caught.value.cause == "version"


def test_entries_may_grow_and_new_ones_come_but_none_may_shrink_or_repeat() -> None:
    def contact(payload: bytes) -> int | None:
        content = decode(body(0x12, payload=payload)).content
        assert isinstance(content, Telemetry)
        return content.contact

    assert contact(bytes((3, 1, 9))) == 9
    assert contact(bytes((3, 4, 9, 1, 1, 1, 77, 0))) == 9
    assert contact(bytes((3, 1, 255))) is None
    assert contact(b"") is None
    for broken in (bytes((3, 0)), bytes((3, 1, 9, 3, 1, 9)), bytes((3, 2, 9)), bytes((3,)), bytes((1, 11)) + bytes(11)):
        with pytest.raises(PacketError):
            contact(broken)


def test_a_hello_says_once_what_a_stream_is() -> None:
    one, other = StreamInfo(0, 8_000_000), StreamInfo(2, 104_000)
    assert decode(encode(Packet(7, Hello((one, other))))).content == Hello((one, other))
    with pytest.raises(PacketError, match="twice"):
        decode(encode(Packet(7, Hello((one, other, one)))))


@given(st.binary(max_size=300))
def test_text_of_a_device_can_be_printed(text: bytes) -> None:
    content = decode(body(0x13, payload=b"\6" + text)).content
    assert isinstance(content, Log)
    assert content.text.isprintable()
    assert len(content.text) <= 200


def test_samples_are_a_view_of_the_packet_and_cannot_be_changed() -> None:
    content = decode(encode(Packet(7, Samples(np.array([[1, 2]], np.int16))))).content
    assert isinstance(content, Samples)
    assert not content.values.flags.writeable
    assert content.values.dtype == np.int16


def test_the_header_lies_where_every_version_looks_for_it() -> None:
    whole = encode(Packet(0x0A0B0C0D, SILENCE, 3, 0x50, 0x0102, 0x01020304, 5, Seal(6, 7)))
    assert whole[0] == 0x10
    assert whole[12] == 0x80
    assert struct.unpack("<H", whole[2:4]) == (0x0102,)
    assert whole[4:12] == bytes.fromhex("0d0c0b0a04030201")
