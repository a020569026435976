"""A device in Python for tests of the receiver: its packets as pieces, on a virtual clock."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from firmware_bridge.cobs import encode as stuff
from firmware_bridge.messages import Content, Hello, Samples, StreamInfo
from firmware_bridge.receive import Receiver
from firmware_bridge.records import Condition, Delivery, LinkBytes
from firmware_bridge.wire import Packet, encode

UDP, SERIAL, BLE = "udp:127.0.0.1:7355", "serial:/dev/ttyACM0", "ble:AA:BB:CC:DD:EE:FF"
SECOND_NS = 10**9
N = 160
SOUND = np.random.default_rng(9).integers(-9000, 9000, (1, N)).astype(np.int16)
INFO = StreamInfo(0, 8_000_000)


def delivered(packet: Packet, at_ns: int, link: str) -> LinkBytes:
    """One packet as a link delivers it."""
    body = encode(packet)
    return LinkBytes(at_ns, link, "10.0.0.7:9" if link == UDP else "", stuff(body) + b"\0" if link == SERIAL else body)


def arriving(content: Content, at_ns: int, *, seq: int = 0, link: str = UDP) -> LinkBytes:
    """A packet of device 7, without a place in the sound."""
    return delivered(Packet(7, content, seq=seq, boot=1), at_ns, link)


def hello(at_ns: int = 0, *infos: StreamInfo, device: int = 7, link: str = UDP) -> LinkBytes:
    """What the device says of itself."""
    return delivered(Packet(device, Hello(infos or (INFO,)), boot=1), at_ns, link)


def sound(
    number: int, at_ns: int | None = None, *, device: int = 7, link: str = UDP, boot: int = 1, flags: int = 0
) -> LinkBytes:
    """Packet `number` of 20 ms."""
    at = (number + 1) * 20_000_000 if at_ns is None else at_ns
    packet = Packet(device, Samples(SOUND), 0, flags, (number + 1) % 65536, number * N % 2**32, boot)
    return delivered(packet, at, link)


def feed(receiver: Receiver, pieces: Iterable[LinkBytes]) -> list[Delivery]:
    return [received for one in pieces for received in receiver.feed(one)]


def changes(received: Iterable[Delivery]) -> list[tuple[str, bool]]:
    return [(one.item.name, one.item.active) for one in received if isinstance(one.item, Condition)]


def conditions(received: Iterable[Delivery]) -> list[tuple[str, bool, bool]]:
    """As `changes`, and whether sound can be judged."""
    return [
        (one.item.name, one.item.active, one.item.measurable) for one in received if isinstance(one.item, Condition)
    ]
