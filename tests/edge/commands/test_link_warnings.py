"""Links without packets say why: on real ports, ptys and sockets."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from edge.commands.link_table import SILENT_AFTER_NS, LinkChecker, LinkWarnings
from firmware_bridge import cobs
from firmware_bridge.capture import Writer
from firmware_bridge.links import Transport
from firmware_bridge.links.replay import Replay
from firmware_bridge.links.serial import Serial
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import encode
from tests.edge.conftest import PATIENCE_S
from tests.edge.sources.bridging import hello

COMMAND = (sys.executable, "-m", "edge", "link")


class Looks:
    """Reads links at the times that a test says."""

    def __init__(self, *links: Transport) -> None:
        self.links: Sequence[Transport] = links
        self.receiver, self.checker = Receiver(Settings(None)), LinkChecker(links)
        self.begin_ns = time.monotonic_ns()

    def after_s(self, seconds: float, is_over: bool = False) -> LinkWarnings:
        now_ns = self.begin_ns + round(seconds * 10**9)
        for link in self.links:
            for piece in [*link.tend(now_ns), *link.receive()]:
                self.receiver.feed(piece)
        return self.checker.check(self.receiver.report(), now_ns, is_over)


@contextmanager
def line(place: Path) -> Iterator[int]:
    """A device behind this path; gives its end."""
    primary, secondary = pty.openpty()
    place.unlink(missing_ok=True)
    place.symlink_to(os.ttyname(secondary))
    try:
        yield primary
    finally:
        os.close(primary)
        os.close(secondary)
        place.unlink()


def arrives(device: int, port: Serial, content: bytes) -> None:
    """Write at the end of the device; the kernel hands it over later, in a thread of its own."""
    os.write(device, content)
    assert select.select([port.fileno()], [], [], PATIENCE_S)[0]


def link(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def test_a_port_that_comes_and_goes_is_told_once_each_time(tmp_path: Path) -> None:
    place = tmp_path / "stethoscope"
    away, name = f"{place}: not there; plug it in", f"serial:{place}"
    with closing(Serial(str(place))) as port:
        looks = Looks(port)
        assert looks.after_s(0) == LinkWarnings((away,), (away,))
        assert looks.after_s(1) == LinkWarnings((away,), ())
        with line(place) as device:
            assert looks.after_s(20) == LinkWarnings((), (f"{name}: open now",))
            assert looks.after_s(22.9) == LinkWarnings()
            nothing = f"nothing received yet from {name}"
            assert looks.after_s(23) == LinkWarnings((nothing,), (nothing,))
            assert looks.after_s(24) == LinkWarnings((nothing,), ())
            arrives(device, port, cobs.encode(encode(hello())) + b"\0")
            assert looks.after_s(25) == LinkWarnings()
        (gone,) = looks.after_s(26).new
        assert "unplugged" in gone
        assert looks.after_s(3600).current == (away,)


def test_bytes_that_are_no_packet_are_not_called_nothing(tmp_path: Path) -> None:
    place = tmp_path / "console"
    with line(place) as device, closing(Serial(str(place))) as port:
        looks = Looks(port)
        looks.after_s(0)
        arrives(device, port, b"login: ")
        assert looks.after_s(SILENT_AFTER_NS / 1e9).current == (f"no whole packet received yet from serial:{place}",)


def test_at_the_end_nothing_is_waited_for(tmp_path: Path) -> None:
    place = tmp_path / "stethoscope"
    with line(place), closing(Serial(str(place))) as port:
        looks = Looks(port)
        assert looks.after_s(0) == LinkWarnings()
        assert looks.after_s(1, is_over=True).new == (f"nothing received yet from serial:{place}",)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not open a port")
def test_a_port_of_another_group_is_named_with_its_repair(tmp_path: Path) -> None:
    primary, secondary = pty.openpty()
    name = os.ttyname(secondary)
    os.chmod(name, 0o600)
    os.setresuid(65534, 65534, 0)
    try:
        with closing(Serial(name)) as port:
            (answered,) = Looks(port).after_s(0).new
    finally:
        os.setresuid(0, 0, 0)
    assert answered.startswith(f"{name} may not be opened by ")
    assert "usermod -aG dialout" in answered
    os.close(primary)
    os.close(secondary)


def test_a_capture_that_plays_is_no_silent_link_and_its_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "night.cap"
    writer = Writer(path)
    for second in (0, 10):
        writer.write(LinkBytes(second * 10**9, "udp:127.0.0.1:7355", "10.0.0.7:9", encode(hello())))
    writer.end(10 * 10**9)
    writer.close()
    with closing(Replay(path)) as past:
        looks = Looks(past)
        assert looks.after_s(0) == looks.after_s(5) == LinkWarnings()
        assert looks.after_s(10).new == looks.after_s(11).current == (f"replay:{path}: end of the capture",)
