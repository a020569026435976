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
from firmware_bridge.wire import (
    HEADER,
    MAX_BODY,
    Packet,
    PacketError,
    Seal,
    decode,
    device_of,
    encode,
    seal_of,
    with_crc,
)

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
    received = decode(encode(packet))
    assert received._replace(content=SILENCE) == packet


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


# One sealed packet, byte by byte as PROTOCOL.md lays it out.
BYTES = bytes.fromhex(
    "10 53 02 01"  # version 1, samples; LOST_BEFORE and NO_CONTACT, stream 3; seq 0x0102
    "0d 0c 0b 0a 04 03 02 01"  # device 0x0a0b0c0d, sample 0x01020304
    "80 05 02 00"  # sealed, PCM; boot 5; two samples
    "01 00 fe ff"  # 1 and -2
    "06 00 00 00 07 00 00 00 a0 a1 a2 a3 a4 a5 a6 a7"  # session 6, number 7, tag
    "92 c3 79 b3"  # CRC-32
)


def test_these_bytes_are_this_packet() -> None:
    packet = decode(BYTES)
    assert packet._replace(content=SILENCE) == Packet(
        0x0A0B0C0D, SILENCE, 3, 0x50, 0x0102, 0x01020304, 5, Seal(6, 7, bytes(range(0xA0, 0xA8)))
    )
    assert isinstance(packet.content, Samples)
    assert (packet.content.values.tolist(), packet.content.codec) == ([[1, -2]], Codec.PCM)
    assert (packet.type, packet.codec, packet.n_samples) == (Type.SAMPLES, Codec.PCM, 2)
    assert encode(packet) == BYTES


def test_the_device_and_the_seal_are_read_before_the_rest() -> None:
    assert device_of(BYTES) == 0x0A0B0C0D
    assert seal_of(BYTES) == Seal(6, 7, bytes(range(0xA0, 0xA8)))
    assert seal_of(body(n=1, payload=bytes(2))) is None


@pytest.mark.parametrize(("stream", "flags"), [(0, 0xF0), (15, 0), (1, 0x10), (8, 0x80), (5, 0xA0)])
def test_stream_and_flags_share_a_byte(stream: int, flags: int) -> None:
    whole = encode(Packet(7, SILENCE, stream, flags))
    assert whole[1] == stream + flags
    assert (decode(whole).stream, decode(whole).flags) == (stream, flags)


def test_content_of_a_later_version_is_kept_as_it_came() -> None:
    packet = decode(body(0x19, 3, 5, b"xyz"))
    assert packet.content == Opaque(9, 3, 5, b"xyz")
    assert (packet.type, packet.codec, packet.n_samples) == (9, 3, 5)
    assert encode(packet) == body(0x19, 3, 5, b"xyz")


@pytest.mark.parametrize(
    ("whole", "cause", "message"),
    [
        (bytes(19), "length", "body of 19 bytes; a packet has 20 to 2084"),
        (bytes(2085), "length", "body of 2085 bytes; a packet has 20 to 2084"),
        (BYTES[:-1] + b"\0", "crc", "checksum does not fit the packet"),
        (body(0x20), "version", "protocol version 2, marks 0x0; this is 1"),
        (body(third=0x50), "version", "protocol version 1, marks 0x5; this is 1"),
        (body(third=0x80, payload=bytes(15)), "length", "payload and seal of 15 bytes"),
        (body(payload=bytes(2049)), "length", "payload and seal of 2049 bytes"),
        (body(n=0), "content", "0 samples; a packet has 1 to 1024"),
        (body(n=2, payload=bytes(5)), "content", "5 bytes for 2 samples of 1 to 8 channels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_packet_is_told_with_its_cause(whole: bytes, cause: str, message: str) -> None:
    with pytest.raises(PacketError) as caught:
        decode(whole)
    assert (caught.value.cause, str(caught.value)) == (cause, message)
