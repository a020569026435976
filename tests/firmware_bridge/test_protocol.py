"""PROTOCOL.md cannot lie: its bytes are read by Python, written by the C header, and the same as on the first day.

tests/golden/auslink holds the vectors as files and what they mean as JSON; every later version must read them.
"""

from __future__ import annotations

import ctypes
import dataclasses
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge import auth, cobs, orders, payloads, wire
from firmware_bridge.deframe import MAX_FRAME, Deframer
from firmware_bridge.messages import Command, Samples, Type
from firmware_bridge.wire import Packet, PacketError, decode, encode
from tests.firmware_bridge.auslink_c import STREAM, Device, StreamInfo

PAGE = (Path(__file__).parents[2] / "firmware_bridge" / "PROTOCOL.md").read_text()
GOLDEN = Path(__file__).parents[1] / "golden" / "auslink"
MEANING: dict[str, dict[str, Any]] = json.loads((GOLDEN / "v1.json").read_text())
KEY = bytes(range(32))
ID = 0x12345678


def _blocks(kind: str) -> list[tuple[str, bytes]]:
    found = re.findall(rf"^```{kind} (\S+)\n(.*?)^```", PAGE, re.M | re.S)
    return [(name, bytes.fromhex(re.sub(r"#.*", "", text))) for name, text in found]


VECTORS = dict(_blocks("hex"))
REFUSED = [pytest.param(cause, body, id=f"{cause}-{i}") for i, (cause, body) in enumerate(_blocks("hex-refused"))]


def meaning(packet: Packet) -> dict[str, Any]:
    """Packet as JSON writes it."""
    content = packet.content
    expected = {"values": content.values.tolist()} if isinstance(content, Samples) else dataclasses.asdict(content)
    if isinstance(content, Command):
        expected = {"orders": [{type(order).__name__: dataclasses.asdict(order)} for order in content.orders]}
    header = {name: getattr(packet, name) for name in ("device_id", "stream", "flags", "seq", "sample_index", "boot")}
    seal = None if packet.seal is None else [packet.seal.session, packet.seal.number]
    kind = {"type": int(packet.type), "codec": int(packet.codec), "n_samples": packet.n_samples, "seal": seal}
    return json.loads(json.dumps(header | kind | {"content": expected}, default=bytes.hex))


@pytest.mark.golden
def test_page_and_files_hold_the_same_vectors() -> None:
    assert len(VECTORS) == 14
    assert {path.stem: path.read_bytes() for path in GOLDEN.glob("*.bin")} == VECTORS
    assert VECTORS.keys() == MEANING.keys()


@pytest.mark.golden
@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_means_what_it_always_meant(name: str) -> None:
    assert meaning(decode(VECTORS[name])) == MEANING[name]


@pytest.mark.golden
@pytest.mark.parametrize("name", sorted(VECTORS.keys() - {"unknown-entry", "samples-rice"}))
def test_python_writes_the_vectors(name: str) -> None:
    assert encode(decode(VECTORS[name])) == VECTORS[name]


@pytest.mark.golden
@pytest.mark.parametrize(("cause", "body"), REFUSED)
def test_what_must_be_refused_is_refused_for_that_reason(cause: str, body: bytes) -> None:
    with pytest.raises(PacketError) as caught:
        decode(body)
    assert caught.value.cause == cause


def test_a_vector_stands_for_every_reason_to_refuse() -> None:
    assert {cause for cause, _ in _blocks("hex-refused")} == {"length", "crc", "version", "content"}


@pytest.mark.golden
def test_framed_vectors_are_cobs_and_a_zero() -> None:
    framed = _blocks("hex-stream")
    assert framed
    for name, frame in framed:
        assert frame == cobs.encode(VECTORS[name]) + b"\0"
        assert len(Deframer().push(frame)) == 1


@pytest.mark.golden
def test_seals_of_the_page_are_right() -> None:
    authenticator = auth.SealAuthenticator({ID: KEY})
    for name in ("samples-sealed", "command-sealed"):
        packet = decode(VECTORS[name])
        assert auth.seal(packet, KEY) == VECTORS[name]
    assert authenticator.authenticates(VECTORS["samples-sealed"])
    assert not authenticator.authenticates(VECTORS["samples-sealed"])


@pytest.mark.golden
def test_the_header_writes_the_vectors_of_a_device(auslink: ctypes.CDLL) -> None:
    device = Device(auslink, ID, 9)
    made = {}
    device.link.seq[0] = 258
    made["samples-pcm"] = device.samples((0, 1, -1, 32767, -32768), 5, index=160)
    device.link.seq[0] = 259
    made["samples-rice-chosen"] = device.samples((1000, 1010, 1031, 1050, 1055, 1043, 1022, 1001), 8, 1, 165, codec=1)
    device.link.seq[0] = 260
    two = np.array(([0] * 8, (500, 520, 548, 585, 630, 682, 744, 811))).T.ravel()
    made["samples-rice-two-channels"] = device.samples(two, 8, 2, 173, codec=1, flags=0xA0)
    device.link.seq[0] = 0
    microphone = StreamInfo(8_000_000, 160, 240, 1200, 0, 0, 1, 3, 4)
    imu = StreamInfo(104_000, 20, 0, -32768, 2, 2, 3, 1, 0)
    made["hello"] = device.hello(0, (b"Stetho", b"1.4.2", b"A17"), (microphone, imu))
    device.link.seq[0] = 51
    readings = {
        "uptime_us": 1_000_000,
        "clock_index": 8000,
        "battery_mv": 3712,
        "battery_percent": 81,
        "contact": 200,
        "skin_centicelsius": 3325,
        "motion_rms_mg": 12,
        "motion_peak_mg": 85,
        "packets_sent": 50,
        "packets_dropped": 2,
        "overruns": 1,
        "rssi_dbm": -61,
        "peak": 12000,
        "clipped": 3,
        "queue_percent": 25,
    }
    made["telemetry"] = device.telemetry(0, 8000, has=0x1FF, **readings)
    made["log"] = device.log(8000, 4, b"mic restarted")
    made["time"] = device.time(0, 9876, 0x1122334455667788, 1_234_567)
    device.seal(KEY, 0x103)
    device.link.seq[0], device.link.number = 7, 7
    made["samples-sealed"] = device.samples((5, -5), 2, index=320)
    other = Device(auslink, ID, 255)
    other.link.seq[1] = 65535
    made["samples-two-channels"] = other.samples((1, -1, 2, -2, 3, -3), 3, 2, 2**32 - 2, stream=1, flags=0x50)
    assert made == {name: VECTORS[name] for name in made}
    framed = Device(auslink, ID, 9, STREAM)
    framed.link.seq[0] = 258
    assert framed.samples((0, 1, -1, 32767, -32768), 5, index=160) == dict(_blocks("hex-stream"))["samples-pcm"]


@pytest.mark.golden
def test_the_header_obeys_the_commands_of_the_page_and_of_the_emulated_session(auslink: ctypes.CDLL) -> None:
    device = Device(auslink, ID)
    ping = (7, 0x88, 0x88, 0, 0x1122334455667788)
    assert device.receive_datagram(VECTORS["command"]) == [
        (1, 0, 0, 0, 0),
        (2, 0, 0, 0, 0),
        (4, 0, 1, 0, 0),
        (5, 0, 0, -60, 0),
        (6, 10, 10, 0, 0),
        ping,
    ]
    assert device.receive_datagram(VECTORS["command-sealed"]) == []
    device.seal(KEY, 0x103)
    assert device.receive_datagram(VECTORS["command-sealed"]) == [(3, 255, 255, 0, 0)]
    include = (Path(__file__).parents[2] / "firmware_bridge" / "cortexm" / "command.inc").read_text()
    stream = bytes(int(number, 16) for number in include.split(","))
    assert Device(auslink, 7).receive(stream) == [(1, 0, 0, 0, 0), ping]


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"{wire.MIN_BODY} to {wire.MAX_BODY} bytes" in PAGE
    assert f"0 to {wire.MAX_PAYLOAD} bytes" in PAGE
    assert f"longer than {MAX_FRAME} bytes" in PAGE
    assert f"`n x channels` is at most {wire.MAX_VALUES}" in PAGE
    assert f"channels are 1 to {wire.MAX_CHANNELS}" in PAGE
    assert f"at most {payloads.MAX_TEXT} bytes" in PAGE
    assert f"at most {payloads.MAX_LOG} bytes" in PAGE
    assert f"The payload is at most {orders.MAX_COMMAND} bytes" in PAGE
    assert f"are {auth.MIN_KEY} to {auth.MAX_KEY} random bytes" in PAGE
    assert f"{auth.WINDOW} or more below the highest" in PAGE
    assert f"`123456789` is `{zlib.crc32(b'123456789'):08X}`" in PAGE
    for kind in Type:
        assert f"| {kind.value} | {kind.name.lower()} |" in PAGE
