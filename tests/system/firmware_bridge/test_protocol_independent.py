"""A device that knows PROTOCOL.md and not auslink.h is understood."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.deframe import Deframer
from firmware_bridge.messages import Clock, Hello, Log, Samples, StreamInfo, Telemetry

SOURCE = Path(__file__).with_name("independent.c")


@pytest.fixture(scope="module")
def message(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    program = tmp_path_factory.mktemp("independent") / "device"
    subprocess.run(["gcc", "-std=c99", "-Wall", "-Werror", str(SOURCE), "-o", str(program), "-lm"], check=True)
    return subprocess.run([program], capture_output=True, check=True).stdout


def test_all_that_an_independent_device_says_is_understood(message: bytes) -> None:
    deframer = Deframer()
    packets = deframer.push(message)
    hello, telemetry, log = packets[0].content, packets[6].content, packets[7].content
    assert hello == Hello((StreamInfo(0, 16_129_032, 0, 2, 3, 160, -6.5, None, 2),), (1, 1), "Own C")
    assert telemetry == Telemetry(clock=Clock(46000123456789, 736), skin_celsius=-10.5, queue_percent=100)
    assert log == Log(("abcdefghijklmnopqrstuvwxyz" * 8)[:200], 3)
    assert [packet.seq for packet in packets] == list(range(8))
    assert {(packet.device_id, packet.boot) for packet in packets} == {(0xCAFE0001, 77)}
    assert (deframer.counts.cobs_errors, deframer.counts.skipped_bytes) == (1, 30)


def test_the_sound_of_an_independent_device_is_its_sound_in_every_codec(message: bytes) -> None:
    i = np.arange(320)
    x = np.rint(3000 * np.sin(0.1 * i) * np.where(i % 2, -1, 1)).reshape(160, 2).T
    packets = Deframer().push(message)[1:6]
    assert [(packet.codec, packet.sample_index) for packet in packets] == [
        (0, 0xFFFFFFC0),
        *((1, 96 + 160 * p) for p in range(4)),
    ]
    for packet in packets:
        assert isinstance(packet.content, Samples)
        np.testing.assert_array_equal(packet.content.values, x)
