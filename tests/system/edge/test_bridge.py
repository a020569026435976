"""Links, devices and streams joined: real ptys and sockets, packets as a device sends them."""

from __future__ import annotations

import logging
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edge.sources.device_stream
from edge.errors import ConfigError, SourceError
from edge.sources.bridge import Bridge, open_bridge
from edge.sources.link_opening import ReplayCounters, limits_of
from edge.sources.opening import open_source
from edge.types import Block, Gap
from firmware_bridge import clock, cobs
from firmware_bridge.auth import ReplayCounter, seal
from firmware_bridge.capture import Writer
from firmware_bridge.messages import Battery, Hello, Motion, StreamInfo, Telemetry
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import LAST, NO_CONTACT, Packet, Seal, encode
from tests.conftest import HANGS_S
from tests.edge.sources.bridging import DEVICE, KEY, N, Port, hello, listening, settings, sound, wait_for

FIRST_SPAN_S = clock.FIRST_SPAN_S


@pytest.fixture(autouse=True)
def _a_pause_of_this_machine_is_no_fault_of_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent slowly is neither lost nor at another rate."""
    monkeypatch.setattr("edge.sources.bridge.limits_of", lambda link: replace(limits_of(link), lost_s=HANGS_S))
    monkeypatch.setattr(clock, "FIRST_SPAN_S", HANGS_S)


def test_what_a_device_sends_on_a_serial_port_is_heard_sample_by_sample(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for k in range(100):
            port.send(sound(k))
        wait_for(lambda: received.samples() == 100 * N, "all samples")
    blocks = [item for item in received.items if isinstance(item, Block)]
    assert blocks[0].start == 0
    assert all(block.valid.all() for block in blocks)
    expected = np.repeat((1000 + np.arange(100) % 7) / 32768, N).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), expected)


def test_a_lost_packet_is_masked_and_a_long_loss_is_a_gap(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for k in [*range(10), *range(11, 20), *range(70, 80)]:
            port.send(sound(k))
        wait_for(lambda: any(item.stop == 80 * N for item in received.items), "the last packet")
    gaps = [item for item in received.items if isinstance(item, Gap)]
    assert gaps == [Gap(20 * N, 70 * N, "packets lost")]
    valid = np.concatenate([item.valid for item in received.items if isinstance(item, Block)])
    assert list(np.flatnonzero(~valid)) == list(range(10 * N, 11 * N))


def test_a_device_that_is_not_listed_is_not_heard(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello(device=7))
        for k in range(5):
            port.send(sound(k, device=7))
        port.send(hello())
        port.send(sound(0))
        wait_for(lambda: received.samples(), "the listed device")
    assert received.samples() == N


def test_a_restart_of_the_device_starts_the_detector_anew(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for packet in (sound(50), sound(51), sound(0, boot=2), sound(1, boot=2)):
            port.send(packet)
            time.sleep(0.02)
        wait_for(lambda: received.samples() == 4 * N, "both boots")
    (gap,) = [item for item in received.items if isinstance(item, Gap)]
    assert (gap.cause, gap.restart) == ("device restarted", True)
    assert received.items[0].start == 50 * N
    assert all(a.stop == b.start for a, b in zip(received.items, received.items[1:], strict=False))


@pytest.mark.parametrize("rate_mhz", [1, 400, 8000, 2**32 - 1])
def test_a_rate_that_cannot_be_harms_no_stream_and_ends_with_a_right_hello(
    rate_mhz: int, port: Port, bridge: Bridge
) -> None:
    with listening(bridge) as received:
        for wrong in (Hello((StreamInfo(0, rate_mhz),)), Hello((StreamInfo(0, rate_mhz, channels=2),))):
            port.send(Packet(DEVICE, wrong, boot=1))
            for k in range(20):
                port.send(sound(k))
        wait_for(lambda: received.source.device_status().state == "degraded", "a condition")
        assert received.source.device_status().reason.startswith(
            f"not measurable: wrong rate (rate {rate_mhz / 1000:,.10g} Hz: exp"
        )
        assert received.source.vitals().conditions == ("wrong rate",)
        port.send(hello())
        for k in range(20, 40):
            port.send(sound(k))
        wait_for(lambda: received.samples() == 20 * N, "the sound")
        wait_for(
            lambda: not received.source.device_status().reason.startswith("not measurable: wrong"), "the end of it"
        )
    assert received.error is None


def test_sound_keeps_its_times_when_a_later_hello_says_another_rate(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for k in range(20):
            port.send(sound(k))
        wait_for(lambda: received.samples() == 20 * N, "the sound")
        before_s = received.source.recorded_s(0)
        port.send(Packet(DEVICE, Hello((StreamInfo(0, 8000),)), boot=1))
        wait_for(lambda: "wrong rate" in received.source.vitals().conditions, "the refusal")
        assert received.source.recorded_s(0) == before_s


def test_a_grossly_wrong_rate_is_never_judged(port: Port, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge.sources.device_stream, "MEASURING_S", 60.0)  # this machine may be slow
    monkeypatch.setattr(clock, "FIRST_SPAN_S", FIRST_SPAN_S)
    with listening(bridge) as received:
        port.send(Packet(DEVICE, Hello((StreamInfo(0, 16_000_000),)), boot=1))
        for k in range(120):
            port.send(sound(k))
            time.sleep(0.02)
        wait_for(lambda: received.samples() >= 60 * N / 2, "sound")
        assert received.source.device_status().reason.startswith("not measurable: wrong rate (measured ")
        assert not received.source.vitals().measurable
    assert not any(item.valid.any() for item in received.items if isinstance(item, Block))


def test_a_device_that_ends_its_stream_is_not_a_failure(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for k in range(5):
            port.send(sound(k, LAST if k == 4 else 0))
        wait_for(lambda: received.source.device_status().reason == "the device ended the stream", "the end")
        assert received.source.device_status().state == "lost"
        port.send(sound(500))
        wait_for(lambda: not received.source.device_status().state, "the next begin")
        wait_for(lambda: received.samples() == 6 * N, "all samples")
    gaps = [item for item in received.items if isinstance(item, Gap)]
    assert [(gap.cause, gap.restart) for gap in gaps] == [("ended by the device", True), ("started again", True)]


def test_a_sensor_off_the_skin_is_not_measurable_and_says_so(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        port.send(sound(0))
        readings = Telemetry(battery=Battery(3700, 8), contact=0, motion=Motion(20, 90))
        port.send(Packet(DEVICE, readings, boot=1))
        port.send(sound(1))
        wait_for(lambda: received.source.device_status().state == "degraded", "a condition")
        problem, vitals = received.source.device_status(), received.source.vitals()
        port.send(Packet(DEVICE, Telemetry(battery=Battery(3700, 80), contact=200), boot=1))
        port.send(sound(2))
        wait_for(lambda: not received.source.device_status().state, "the end of it")
        wait_for(lambda: received.samples() == 3 * N, "all samples")
    assert (problem.state, problem.reason) == ("degraded", "not measurable: no contact (contact 0 of 254)")
    assert (vitals.device, vitals.measurable, vitals.battery_percent) == ("0x1a2b3c4d", False, 8)
    assert set(vitals.conditions) == {"no contact", "battery"}
    assert (vitals.contact, vitals.motion_mg, vitals.firmware) == (0, 20, "1.2.3")
    assert received.valid() == [{True}, {False}, {True}]


def test_samples_that_the_device_marks_as_off_the_skin_are_masked(port: Port, bridge: Bridge) -> None:
    with listening(bridge) as received:
        port.send(hello())
        for packet in (sound(0), sound(1, NO_CONTACT), sound(2)):
            port.send(packet)
        wait_for(lambda: received.samples() == 3 * N, "all samples")
    assert received.valid() == [{True}, {False}, {True}]


def test_datagrams_are_heard_and_those_without_the_right_seal_are_not(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY.hex() + "\n")
    devices = [{"id": DEVICE, "name": "chest", "key_file": str(key_file)}]
    udp = free_udp_port()
    bridge = open_bridge(settings(devices=devices, udp={"port": udp}), 8000, tmp_path / "links.json")
    with listening(bridge) as received, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        bodies = [encode(sound(0)), seal(hello()._replace(seal=Seal(9, 0)), KEY)]
        bodies += [seal(sound(k)._replace(seal=Seal(9, k + 1)), KEY) for k in range(3)]
        bodies += [seal(sound(3)._replace(seal=Seal(9, 4)), bytes(32)), bodies[2]]  # a wrong key, and a replay
        bodies += [seal(sound(3)._replace(seal=Seal(9, 5)), KEY)]
        for body in bodies:
            device.sendto(body, ("127.0.0.1", udp))
        wait_for(lambda: received.samples() == 4 * N, "the sealed packets")
    assert all(item.valid.all() for item in received.items if isinstance(item, Block))
    stored = ReplayCounters(tmp_path / "links.json").read()
    assert (stored[DEVICE].session, stored[DEVICE].number) == (9, 5)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_fault_in_the_thread_of_the_links_is_told_by_every_stream(
    port: Port, bridge: Bridge, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(bridge, "_receive", fail)
    with listening(bridge) as received, caplog.at_level(logging.CRITICAL, logger="edge.sources.bridge"):
        tick = bridge._tick
        monkeypatch.setattr(bridge, "_tick", fail)
        wait_for(lambda: received.error is not None, "the error")
        monkeypatch.setattr(bridge, "_tick", tick)
    assert "the thread of the links died: KeyError('a bug')" in str(received.error)


def test_two_streams_cannot_name_the_same_stream_of_a_device(bridge: Bridge) -> None:
    source = bridge.source("link:chest")
    with pytest.raises(ConfigError, match="link:0x1a2b3c4d/0: two streams name it"):
        bridge.source("link:0x1a2b3c4d/0")
    source.close()


def test_a_source_of_a_link_needs_the_section() -> None:
    with pytest.raises(ConfigError, match="needs settings with a section `link`"):
        open_source("link:chest", 8000)


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot be read"), ("abc", "expected 32 to 128 hex digits"), ("é", "expected 32")]
)
def test_a_key_file_that_holds_no_key_is_refused(content: str | None, expected: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    devices = [{"id": 1, "name": "chest", "key_file": str(tmp_path / "key")}]
    with pytest.raises(ConfigError, match=expected):
        open_bridge(settings(devices=devices, serial=[{"port": "/dev/null"}]), 8000, tmp_path / "links.json")


def test_links_that_were_opened_are_closed_when_another_cannot_be(port: Port, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        udp = {"port": taken.getsockname()[1]}
        with pytest.raises(SourceError, match="cannot be bound"):
            open_bridge(settings(serial=[{"port": port.name}], udp=udp), 8000, tmp_path / "links.json")
    again = open_bridge(settings(serial=[{"port": port.name}]), 8000, tmp_path / "links.json")
    again.source("link:chest").close()


def test_a_capture_that_is_refused_leaves_no_port_and_no_address_taken(port: Port, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("no capture")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        udp = {"port": free.getsockname()[1]}
    with pytest.raises(SourceError, match="is no capture of a link") as refused:
        open_bridge(
            settings(serial=[{"port": port.name}], udp=udp, capture=str(tmp_path / "notes")), 8000, tmp_path / "l.json"
        )
    assert refused.traceback  # whose frames still hold what was opened
    again = open_bridge(settings(serial=[{"port": port.name}], udp=udp), 8000, tmp_path / "links.json")
    again.source("link:chest").close()


def test_what_was_seen_is_kept_and_a_damaged_file_counts_as_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ReplayCounters(tmp_path / "state" / "links.json")
    file.write({DEVICE: ReplayCounter("ab" * 8, 3, 77)})
    assert ReplayCounters(tmp_path / "state" / "links.json").read() == {DEVICE: ReplayCounter("ab" * 8, 3, 77)}
    for damaged in (b"", b"[1]", b'{"x": 1}', b"\xff", b'{"1": ["a", "b", null]}'):
        (tmp_path / "state" / "links.json").write_bytes(damaged)
        assert file.read() == {}
    assert caplog.text.count("cannot be read") == 5


def test_a_capture_is_heard_as_if_its_device_spoke_now_and_then_the_streams_end(tmp_path: Path) -> None:
    capture = tmp_path / "night.cap"
    writer = Writer(capture)
    for k, packet in enumerate([hello(), *(sound(k) for k in range(10))]):
        content = cobs.encode(encode(packet)) + b"\0"
        writer.write(LinkBytes(1_000_000_000 + k * 20_000_000, "serial:/dev/ttyX", "", content))
    writer.close()
    before_s = time.monotonic()
    bridge = open_bridge(settings(capture=str(capture)), 8000, tmp_path / "links.json")
    with listening(bridge) as received:
        wait_for(lambda: received.is_over, "the end of the capture")
        recorded_s = received.source.recorded_s(0)
    assert received.samples() == 10 * N
    assert recorded_s is not None
    assert before_s - 0.1 < recorded_s < time.monotonic()
