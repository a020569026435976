"""Serial links on real pseudo-terminals: opened by pyserial, read bare, unplugged by closing the other end."""

from __future__ import annotations

import os
import pty
import tty
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from edge.errors import ConfigError, SourceError
from firmware_bridge.links import serial
from firmware_bridge.links.serial import FIRST_WAIT_NS, LONGEST_WAIT_NS, Serial, find
from firmware_bridge.records import LinkBytes
from tests.firmware_bridge.simulating import Device, check_sound, listen, needs_compiler, noise, write_wav

FAR_NS = 1 << 60  # long after any back-off


@contextmanager
def port() -> Iterator[tuple[int, str]]:
    """Descriptor of the device's end, and the name of ours."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    try:
        name = os.ttyname(slave)
        os.close(slave)
        yield master, name
    finally:
        os.close(master)


def plug(link: Path, name: str) -> None:
    """What udev does: the same name for another device."""
    link.unlink(missing_ok=True)
    link.symlink_to(name)


def received(link: Serial) -> list[bytes]:
    return [piece.content for piece in link.receive()]


def test_what_arrives_comes_after_a_mark_that_the_port_was_opened() -> None:
    with port() as (master, name), closing(Serial(name)) as link:
        os.write(master, b"abc\0def")
        pieces = link.receive()
        assert [piece.content for piece in pieces] == [b"", b"abc\0def"]
        assert pieces[1][1:3] == (f"serial:{name}", "")
        assert pieces[1].is_stream
        assert link.receive() == []
        assert link.state.received_bytes == 7


@pytest.mark.parametrize("baud", [115_200, 921_600])
def test_usual_speeds_are_accepted(baud: int) -> None:
    with port() as (_, name), closing(Serial(name, baud)) as link:
        assert link.state.is_open


def test_a_port_that_says_nothing_is_not_unplugged() -> None:
    with port() as (_, name), closing(Serial(name)) as link:
        assert [received(link) for _ in range(3)] == [[b""], [], []]
        assert link.state.is_open


def test_what_is_sent_reaches_the_device() -> None:
    with port() as (master, name), closing(Serial(name)) as link:
        assert link.send(b"\0order\0")
        assert os.read(master, 100) == b"\0order\0"


def test_two_readers_of_one_port_are_refused() -> None:
    with port() as (_, name), closing(Serial(name)), pytest.raises(SourceError, match="held by another program"):
        Serial(name)


def test_an_unplugged_port_is_told_once_and_opened_again_under_its_name(tmp_path: Path) -> None:
    place = tmp_path / "stethoscope"
    with port() as (_, name):
        plug(place, name)
        link = Serial(str(place))
        link.receive()
    assert link.receive() == []
    assert link.fileno() is None
    assert not link.state.is_open
    assert "unplugged" in link.state.reason
    with port() as (master, name), closing(link):
        plug(place, name)
        assert link.tend(FAR_NS) == [LinkBytes(FAR_NS, f"serial:{place}", "", b"")]
        os.write(master, b"again")
        assert received(link) == [b"again"]
        assert link.state.opened == 2


@pytest.mark.parametrize("step", ["_reset_input_buffer", "fileno"])
def test_a_port_that_is_unplugged_while_it_is_opened_is_tried_again(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, (master, slave) = tmp_path / "device", pty.openpty()
    real = getattr(serial.serial.Serial, step)

    def unplugged_before_it(opening: object) -> object:
        os.close(master)
        return real(opening)

    plug(place, os.ttyname(slave))
    os.close(slave)
    descriptors = len(os.listdir("/proc/self/fd")) - 1
    with monkeypatch.context() as patch:
        patch.setattr(serial.serial.Serial, step, unplugged_before_it)
        link = Serial(str(place))
    assert (link.fileno(), link.state.opened) == (None, 0)
    assert link.state.reason == f"{place}: cannot be opened (Input/output error)"
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with port() as (_, again), closing(link):
        plug(place, again)
        assert [piece.content for piece in link.tend(FAR_NS)] == [b""]
        assert link.state.is_open


def test_a_port_that_is_missing_is_waited_for_ever_more_rarely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(serial, "find", lambda text: tries.append(1) or text)
    link = Serial(str(tmp_path / "nothing"))
    assert link.state.reason == f"{tmp_path / 'nothing'}: not there; plug it in"
    tried_at, now = [], 0
    while now < 60 * 10**9:
        before = len(tries)
        assert link.tend(now) == []
        if len(tries) > before:
            tried_at.append(now)
        now += FIRST_WAIT_NS // 5
    pauses = [after - before for before, after in pairwise(tried_at)]
    assert pauses == sorted(pauses)
    assert pauses[0] == FIRST_WAIT_NS
    assert pauses[-1] == LONGEST_WAIT_NS
    link.close()


def test_a_closed_link_stays_closed() -> None:
    with port() as (_, name):
        link = Serial(name)
        link.close()
        link.close()
        assert link.tend(FAR_NS) == []
        assert link.fileno() is None
        assert not link.send(b"x")


def _usb(device: str, serial_number: str) -> ListPortInfo:
    info = ListPortInfo(device)
    info.vid, info.pid, info.serial_number = 0x2E8A, 0x000A, serial_number
    return info


def test_a_port_is_found_by_what_the_device_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: [_usb("/dev/ttyACM0", "A:1"), _usb("/dev/ttyACM1", "B")])
    assert find("/dev/ttyUSB0") == "/dev/ttyUSB0"
    assert find("usb:2e8a:000a:A:1") == "/dev/ttyACM0"
    with pytest.raises(SourceError, match="found /dev/ttyACM0, /dev/ttyACM1; add its serial number"):
        find("usb:2e8a:000a")
    with pytest.raises(SourceError, match="found none"):
        find("usb:1234:000a")


@pytest.mark.parametrize("text", ["usb:", "usb:2e8a", "usb:x:y"])
def test_a_port_that_is_written_wrongly_is_refused_at_once(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected a path or usb:VID:PID\[:SERIAL\]"):
        Serial(text)


@needs_compiler
def test_a_device_that_is_unplugged_and_plugged_in_again_is_heard_again(tmp_path: Path) -> None:
    sound, place = noise(16_000), tmp_path / "stethoscope"
    wav = write_wav(tmp_path / "sound.wav", sound)
    with Device("--speed", 0, wav) as first:
        plug(place, first.place)
        link = Serial(str(place))
        while not any(received(link)):
            pass
        first.process.kill()
        first.process.communicate()
    while link.state.is_open:
        link.receive()
    with Device("--speed", 0, "--boot", 2, wav) as second:
        plug(place, second.place)
        run = listen(second, [link])
    check_sound(run, sound, boot=2)
    assert link.state.opened == 2
