"""A bed that hears nothing says why."""

from __future__ import annotations

import os
import time
import zlib
from itertools import count
from pathlib import Path

import pytest

from edge.sources.bridge import Bridge, open_bridge
from edge.sources.source import DeviceStatus, Vitals
from firmware_bridge import cobs
from firmware_bridge.messages import Hello, StreamInfo
from firmware_bridge.wire import Packet, encode
from tests.edge.sources.bridging import DEVICE, Port, hello, listening, settings, sound, wait_for


def test_a_device_that_falls_silent_is_lost_and_a_silent_link_says_why(
    port: Port, bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[DeviceStatus] = []  # all of it: what lasts two seconds may be over before anybody looks

    def report(problem: DeviceStatus, vitals: Vitals) -> None:
        reported.append(problem)
        update(problem, vitals)

    with listening(bridge) as received:
        wait_for(lambda: received.source.device_status().state, "news of the link")
        assert received.source.device_status().reason == "no packet of this device yet"
        update = received.source.update
        monkeypatch.setattr(received.source, "update", report)
        port.send(hello())
        for number in count():  # until it is told; where seconds pass before anybody looks, the first is old by then
            port.send(sound(number))
            if DeviceStatus("", "") in reported:
                break
            time.sleep(0.1)
        wait_for(lambda: reported and "no samples for 2 s" in reported[-1].reason, "the loss")
        assert received.source.device_status().state == "lost"


def test_a_port_that_is_not_there_is_named_as_the_reason(tmp_path: Path) -> None:
    bridge = open_bridge(settings(serial=[{"port": str(tmp_path / "ttyX")}]), 8000, tmp_path / "links.json")
    with listening(bridge) as received:
        wait_for(lambda: received.source.device_status().state, "news of the link")
        assert "ttyX" in received.source.device_status().reason


def test_a_bed_without_a_hello_says_where_to_look(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(sound(0))
        silent = "packets arrive, but no hello that announces this stream"
        wait_for(lambda: received.source.device_status().reason == silent, "a reason")
        body = bytearray(encode(hello()))
        at = body.index((8_000_000).to_bytes(4, "little"))
        body[at : at + 4] = bytes(4)  # a stream at 0 Hz
        body[-4:] = zlib.crc32(body[:-4]).to_bytes(4, "little")
        os.write(port.master, cobs.encode(bytes(body)) + b"\0")
        wait_for(
            lambda: received.source.device_status().reason == f"{silent}; malformed packets came on its link", "another"
        )
        port.send(Packet(DEVICE, Hello((StreamInfo(1, 8_000_000),)), boot=1))
        wait_for(lambda: received.source.device_status().reason == f"{silent}; it has no such stream", "a third")
        assert received.source.device_status().state
