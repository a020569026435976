"""Orders of the host as a device hears them: all of them, its own only, and none from a stranger."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import WireError
from firmware_bridge import auth, cobs
from firmware_bridge.messages import (
    Command,
    HelloRequest,
    Identify,
    Log,
    Opaque,
    Order,
    SetCodec,
    SetGain,
    Start,
    Stop,
    TimePing,
)
from firmware_bridge.wire import Packet, Seal, encode, with_crc
from tests.firmware_bridge.auslink_c import Device

U8 = st.integers(0, 255)
ORDERS: st.SearchStrategy[Order] = st.one_of(
    st.just(HelloRequest()),
    st.builds(Start, U8),
    st.builds(Stop, U8),
    st.builds(SetCodec, U8, U8),
    st.builds(SetGain, U8, st.integers(-999, 999).map(lambda tenths: tenths / 10)),
    st.builds(Identify, U8),
    st.builds(TimePing, st.integers(0, 2**64 - 1)),
)
KEY = b"a key of sixteen"
START = Command((Start(),))
RECEIVED = [(2, 255, 255, 0, 0)]


def _as_heard(order: Order) -> tuple[int, int, int, int, int]:
    match order:
        case HelloRequest():
            return 1, 0, 0, 0, 0
        case Start(stream):
            return 2, stream, stream, 0, 0
        case Stop(stream):
            return 3, stream, stream, 0, 0
        case SetCodec(stream, codec):
            return 4, stream, codec, 0, 0
        case SetGain(stream, gain_db):
            return 5, stream, stream, round(gain_db * 10), 0
        case Identify(seconds):
            return 6, seconds, seconds, 0, 0
        case TimePing(token):
            return 7, token & 255, token & 255, 0, token


@settings(deadline=None)
@given(st.lists(ORDERS, max_size=9), st.binary(max_size=40))
def test_a_device_hears_every_order_after_any_noise(auslink: ctypes.CDLL, orders: list[Order], noise: bytes) -> None:
    body = encode(Packet(7, Command(tuple(orders))))
    device = Device(auslink)
    received = device.receive(noise + b"\0" + cobs.encode(body) + b"\0")
    assert received == device.receive_datagram(body) == [_as_heard(order) for order in orders]


def test_a_command_for_another_device_is_not_heard_and_one_for_all_is(auslink: ctypes.CDLL) -> None:
    assert Device(auslink, 7).receive_datagram(encode(Packet(8, START))) == []
    assert Device(auslink, 7).receive_datagram(encode(Packet(0, START))) == RECEIVED


def test_only_whole_commands_of_this_version_are_obeyed(auslink: ctypes.CDLL) -> None:
    device, body = Device(auslink), encode(Packet(7, START))
    assert device.receive_datagram(body) == RECEIVED
    assert device.receive_datagram(encode(Packet(7, Log("no command")))) == []
    for broken in (b"", body[:-1], body + b"\0", body[:5] + b"!" + body[6:], body * 6):
        assert device.receive_datagram(broken) == []
    for offset, value in ((0, 0x28), (0, 0x10), (12, 0x10), (12, 0x40), (12, 0x80)):
        changed = body[:offset] + bytes((value,)) + body[offset + 1 :]
        assert device.receive_datagram(with_crc(changed[:-4])) == []


def test_unknown_and_short_orders_are_skipped_and_longer_ones_read_as_far_as_known(auslink: ctypes.CDLL) -> None:
    payload = bytes((99, 2, 1, 1, 7, 3, 1, 1, 1, 2, 3, 5, 0, 0, 0, 0, 1, 0))
    assert Device(auslink).receive_datagram(encode(Packet(7, Opaque(8, 0, 0, payload)))) == [
        (2, 5, 5, 0, 0),
        (1, 0, 0, 0, 0),
    ]
    assert Device(auslink).receive_datagram(encode(Packet(7, Opaque(8, 0, 0, bytes((6, 1, 9, 2, 9)))))) == [
        (6, 9, 9, 0, 0)
    ]


def test_the_longest_command_fits_a_device_and_a_longer_one_cannot_be_written(auslink: ctypes.CDLL) -> None:
    orders = (TimePing(2**64 - 1),) * 9 + (HelloRequest(),)  # 92 bytes
    device = Device(auslink)
    device.seal(KEY, 3)
    body = auth.seal(Packet(7, Command(orders), seal=Seal(3, 1)), KEY)
    assert len(body) == 128
    assert len(device.receive(cobs.encode(body) + b"\0")) == 10
    with pytest.raises(WireError, match="at most 92"):
        encode(Packet(7, Command((*orders, HelloRequest()))))


def test_a_device_with_a_key_obeys_its_host_once_in_this_session_only(auslink: ctypes.CDLL) -> None:
    device = Device(auslink)
    device.seal(KEY, 3)

    def hears(session: int, number: int, key: bytes = KEY) -> bool:
        return device.receive_datagram(auth.seal(Packet(7, START, seal=Seal(session, number)), key)) == RECEIVED

    assert device.receive_datagram(encode(Packet(7, START))) == []
    assert not hears(3, 10, b"another key, also sixteen or more")
    assert hears(3, 10)
    assert not hears(3, 10)
    assert not hears(3, 9)
    assert hears(3, 11)
    assert not hears(2, 12)
    device.seal(KEY, 4)
    assert not hears(3, 13)
    assert hears(4, 1)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=400))
def test_noise_is_never_an_order(auslink: ctypes.CDLL, noise: bytes) -> None:
    device = Device(auslink)
    assert device.receive(noise + b"\0") == []
    assert device.receive_datagram(noise) == []
