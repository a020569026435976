"""auslink.h and the Python side agree on every byte, both ways."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from firmware_bridge import auth, cobs
from firmware_bridge.deframe import Deframer
from firmware_bridge.messages import (
    Battery,
    Clock,
    Codec,
    Counters,
    Hello,
    Level,
    Log,
    Motion,
    Samples,
    StreamInfo,
    Telemetry,
    Time,
)
from firmware_bridge.wire import LOST_BEFORE, Packet, Seal, decode, encode
from tests.firmware_bridge import auslink_c
from tests.firmware_bridge.auslink_c import DATAGRAM, STREAM, Device

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
I16 = st.integers(-32768, 32767)
TEXT = st.text(st.characters(exclude_categories=("C", "Z")), max_size=8)
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 128))
FULL = hnp.arrays(np.int16, SHAPES)
QUIET = hnp.arrays(np.int16, SHAPES, elements=st.integers(-40, 40))
EXTREME = hnp.arrays(np.int16, SHAPES, elements=st.sampled_from((-32768, 0, 32767)))
SMOOTH = FULL.map(lambda x: (np.cumsum(x // 256, axis=1) % 8000).astype(np.int16))
SOUNDS = st.one_of(QUIET, FULL, EXTREME, SMOOTH)
KEY = bytes(range(32))


@settings(deadline=None, max_examples=300)
@given(SOUNDS, st.sampled_from(Codec), st.integers(0, 15), st.integers(0, 15), st.tuples(U32, U32, U8, U16))
def test_device_and_python_write_the_same_samples(
    auslink: ctypes.CDLL, x: np.ndarray, codec: Codec, stream: int, flags: int, header: tuple[int, int, int, int]
) -> None:
    index, device, boot, seq = header
    sender = Device(auslink, device, boot)
    sender.link.seq[stream] = seq
    body = sender.samples(x.T.ravel(), x.shape[1], len(x), index, codec=codec, stream=stream, flags=flags << 4)
    packet = Packet(device, Samples(x, codec), stream, flags << 4, seq, index, boot)
    assert body == encode(packet)
    received = decode(body)
    assert isinstance(received.content, Samples)
    np.testing.assert_array_equal(received.content.values, x)
    assert received._replace(content=packet.content) == packet
    assert sender.link.seq[stream] == (seq + 1) % 2**16


def test_real_breath_travels_without_loss_in_less_than_half_the_bytes(auslink: ctypes.CDLL, real_data: Path) -> None:
    sender, pcm, rice = Device(auslink, mode=STREAM), 0, 0
    for path in sorted((real_data / "sprsound").rglob("*.wav"))[::300]:
        sound = soundfile.read(path, dtype="int16", frames=32000, always_2d=True)[0][:, 0]
        for at in range(0, len(sound) - 160, 160):
            x = sound[at : at + 160]
            frame = sender.samples(x, 160, index=at, codec=Codec.RICE)
            assert frame[:-1] == cobs.encode(encode(decode(cobs.decode(frame[:-1]))))
            received = decode(cobs.decode(frame[:-1])).content
            assert isinstance(received, Samples)
            np.testing.assert_array_equal(received.values[0], x)
            pcm, rice = pcm + 340, rice + len(frame)
    assert 0 < rice < pcm / 2


def test_rice_is_sent_only_where_it_is_shorter(auslink: ctypes.CDLL) -> None:
    assert decode(Device(auslink).samples([0, 0], 2, codec=Codec.RICE)).codec == Codec.PCM
    assert decode(Device(auslink).samples([0, 0, 0], 3, codec=Codec.RICE)).codec == Codec.RICE


def test_noise_at_full_scale_goes_as_pcm_because_rice_would_be_larger(auslink: ctypes.CDLL) -> None:
    x = np.random.default_rng(1).integers(-32768, 32768, 160, dtype=np.int16)
    assert decode(Device(auslink).samples(x, 160, codec=Codec.RICE)).codec == Codec.PCM


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=64), min_size=1, max_size=8))
def test_a_byte_stream_of_the_device_is_cobs_with_a_zero_after_each_packet(
    auslink: ctypes.CDLL, texts: list[bytes]
) -> None:
    stream, datagram = Device(auslink, mode=STREAM), Device(auslink)
    bodies = [datagram.log(3, 6, text.replace(b"\0", b"x")) for text in texts]
    frames = [stream.log(3, 6, text.replace(b"\0", b"x")) for text in texts]
    assert frames == [cobs.encode(body) + b"\0" for body in bodies]
    assert Deframer().push(b"".join(frames)) == [decode(body) for body in bodies]


@pytest.mark.parametrize("n", [123, 124, 125, 126, 252])
def test_runs_of_254_bytes_are_stuffed_as_python_does(auslink: ctypes.CDLL, n: int) -> None:
    stream, datagram = Device(auslink, mode=STREAM), Device(auslink)
    for value in range(0x0101, 0x6000, 0x0101):
        body = datagram.samples([value] * n, n)  # 254 bytes without a zero up to the end where n is 125
        assert stream.samples([value] * n, n) == cobs.encode(body) + b"\0"


@settings(deadline=None)
@given(
    st.tuples(TEXT, TEXT, TEXT), st.lists(st.tuples(st.integers(1, 2**32 - 1), U16, I16, I16, U8, U8), max_size=16), U32
)
def test_device_and_python_write_the_same_hello(
    auslink: ctypes.CDLL, texts: tuple[str, str, str], streams: list[tuple[int, ...]], index: int
) -> None:
    infos = [
        auslink_c.StreamInfo(rate, n, gain, spl, i, kind, 1 + i % 8, 3, site)
        for i, (rate, n, gain, spl, kind, site) in enumerate(streams)
    ]
    expected = tuple(
        StreamInfo(i, rate, kind, 1 + i % 8, 3, n, gain / 10, None if spl == -32768 else spl / 10, site)
        for i, (rate, n, gain, spl, kind, site) in enumerate(streams)
    )
    body = Device(auslink).hello(index, [text.encode() or None for text in texts], infos)
    packet = Packet(7, Hello(expected, (1, 1), *texts), sample_index=index, boot=1)
    assert body == encode(packet)
    assert decode(body) == packet


def test_a_hello_names_at_most_32_bytes(auslink: ctypes.CDLL) -> None:
    received = decode(Device(auslink).hello(0, [b"m" * 33, None, b"s"], [])).content
    assert received == Hello(protocol=(1, 1), model="m" * 32, serial="s")


PERCENT = st.integers(0, 100) | st.just(255)
FIELDS = st.tuples(U64, U32, U16, PERCENT, st.integers(0, 254), I16, U16, st.integers(-128, 127), U16)


@settings(deadline=None)
@given(FIELDS, st.integers(0, 511), st.integers(0, 15), U32)
def test_device_and_python_write_the_same_telemetry(
    auslink: ctypes.CDLL, fields: tuple[int, ...], has: int, stream: int, index: int
) -> None:
    uptime, number, mv, percent, contact, skin, motion, rssi, level = fields
    body = Device(auslink).telemetry(
        stream,
        index,
        uptime_us=uptime,
        clock_index=number,
        packets_sent=number,
        packets_dropped=index,
        overruns=number,
        has=has,
        battery_mv=mv,
        motion_rms_mg=motion,
        motion_peak_mg=level,
        peak=level,
        clipped=mv,
        skin_centicelsius=skin,
        battery_percent=percent,
        charging=1,
        contact=contact,
        rssi_dbm=rssi,
        queue_percent=percent,
    )
    expected = (
        Clock(uptime, number),
        Battery(mv or None, None if percent == 255 else percent, 1),
        contact,
        skin / 100,
        Motion(motion, level),
        Counters(number, index, number),
        rssi,
        Level(level, mv),
        percent,
    )
    packet = Packet(7, Telemetry(*(s if has >> i & 1 else None for i, s in enumerate(expected))), stream)  # type: ignore[arg-type]
    packet = packet._replace(sample_index=index, boot=1)
    assert body == encode(packet)
    assert decode(body) == packet


@given(U64, U64, U32, st.integers(0, 15))
@settings(deadline=None)
def test_device_and_python_write_the_same_time(
    auslink: ctypes.CDLL, token: int, uptime: int, index: int, stream: int
) -> None:
    body = Device(auslink).time(stream, index, token, uptime)
    packet = Packet(7, Time(token, Clock(uptime, index)), stream, sample_index=index, boot=1)
    assert body == encode(packet)
    assert decode(body) == packet


def test_a_log_is_cut_at_200_bytes_and_what_a_terminal_would_obey_is_not_shown(auslink: ctypes.CDLL) -> None:
    assert decode(Device(auslink).log(0, 3, b"x" * 201)).content == Log("x" * 200, 3)
    assert decode(Device(auslink).log(0, 7, b"\x1b[2Jok\xff")).content == Log("\ufffd[2Jok\ufffd", 7)


@settings(deadline=None)
@given(st.binary(min_size=16, max_size=64), U32, U32.filter(lambda n: n < 2**32 - 1), st.integers(1, 1000))
def test_device_and_python_make_the_same_seal(
    auslink: ctypes.CDLL, key: bytes, session: int, number: int, n: int
) -> None:
    sender = Device(auslink)
    sender.seal(key, session)
    sender.link.number = number
    body = sender.samples(range(n), n, flags=LOST_BEFORE)
    values = np.arange(n, dtype=np.int16)[None]
    packet = Packet(7, Samples(values), flags=LOST_BEFORE, boot=session & 255, seal=Seal(session, number))
    assert body == auth.seal(packet, key)
    assert auth.SealAuthenticator({7: key}).authenticates(body)


def test_a_sealed_device_sends_nothing_rather_than_use_a_number_twice(auslink: ctypes.CDLL) -> None:
    sender = Device(auslink)
    sender.seal(KEY, 1)
    sender.link.number = 2**32 - 2
    assert sender.log(0, 6, b"last")
    assert not sender.log(0, 6, b"one too many")


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 400), st.sampled_from(Codec), st.booleans(), st.booleans())
def test_a_buffer_that_is_too_small_gets_nothing_and_counts_nothing(
    auslink: ctypes.CDLL, missing: int, n: int, codec: Codec, stream: bool, sealed: bool
) -> None:
    sender = Device(auslink, mode=STREAM if stream else DATAGRAM)
    if sealed:
        sender.seal(KEY, 1)
    needed = 20 + 2 * n + (10 if stream else 0) + (16 if sealed else 0)
    sender.cap = needed - missing
    written = sender.samples([0] * n, n, codec=codec) if sender.cap > 0 else b""
    assert bool(written) == (missing == 0 and n > 0)
    assert sender.link.seq[0] == bool(written)


def test_arguments_out_of_range_are_refused(auslink: ctypes.CDLL) -> None:
    sender = Device(auslink)
    assert not sender.samples([0] * 9, 1, 9)
    assert not sender.samples([], 5, 0)
    assert not sender.samples([0] * 1026, 513, 2)
    assert not sender.samples([0], 1, stream=16)
    assert not sender.hello(0, [None] * 3, [auslink_c.StreamInfo()] * 17)
    assert sender.samples([0] * 1024, 128, 8)


@pytest.mark.parametrize("percent", [101, 200, 254, 255])
def test_a_battery_at_more_than_100_percent_is_unknown(auslink: ctypes.CDLL, percent: int) -> None:
    received = decode(
        Device(auslink).telemetry(0, 0, has=2, battery_mv=3700, battery_percent=percent, charging=0)
    ).content
    assert received == Telemetry(battery=Battery(3700, None, 0))
