"""UDP links on the loopback interface, through a network as bad as the seed makes it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.errors import ConfigError, SourceError
from edge.types import Block
from firmware_bridge.links import serve, udp
from firmware_bridge.links.udp import DRAIN, Udp
from firmware_bridge.receive import Receiver, Settings
from firmware_bridge.records import LinkBytes
from tests.edge.conftest import wait_for
from tests.firmware_bridge.relay import Fate, Relay
from tests.firmware_bridge.simulating import Device, Run, check_sound, listen, needs_compiler, noise, write_wav
from tests.firmware_bridge.sounding import changes, hello, sound

SOUND = noise(8000 * 5, seed=8)


def sender(link: Udp) -> socket.socket:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.connect(("127.0.0.1", link.port))
    return out


def test_all_datagrams_that_wait_come_at_one_wake_up_each_with_its_sender() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as one, closing(sender(link)) as other:
        for k in range(100):
            (one if k % 2 else other).send(bytes([k]))
        pieces = link.receive()
        assert [piece.content for piece in pieces] == [bytes([k]) for k in range(100)]
        assert {piece.peer for piece in pieces} == {f"127.0.0.1:{s.getsockname()[1]}" for s in (one, other)}
        assert {piece.link for piece in pieces} == {f"udp:127.0.0.1:{link.port}"}
        assert not pieces[0].is_stream
        assert link.receive() == []


def test_a_flood_leaves_others_their_turn() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as out:
        for _ in range(DRAIN + 10):
            out.send(b"x")
        assert [len(link.receive()), len(link.receive())] == [DRAIN, 10]


def filled_queue() -> tuple[Udp, int]:
    """A link at which a device sent for three seconds, while nobody read; and when it ended, monotonic ns."""
    while True:
        link, pause_s = Udp("127.0.0.1", 0), 0.0
        with closing(sender(link)) as out:
            out.send(hello().content)
            for k in range(1200):
                sent_s = time.monotonic()
                time.sleep(0.0025)
                out.send(sound(k).content)
                pause_s = max(pause_s, time.monotonic() - sent_s)
        if pause_s < 0.5:  # a machine that stands still makes a device that is silent
            return link, time.monotonic_ns()
        link.close()


def test_a_queue_that_is_old_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    receiver, received = Receiver(Settings()), []
    link, ended_ns = filled_queue()
    monkeypatch.setattr("firmware_bridge.links.time", SimpleNamespace(monotonic_ns=lambda: ended_ns))  # however slow

    def feed_items(pieces: list[LinkBytes]) -> None:
        for piece in pieces:
            received.extend(receiver.feed(piece))

    def is_over() -> bool:
        devices = receiver.report().devices
        return bool(devices and devices[0].streams[0].counts.packets >= 1200)

    asyncio.run(
        asyncio.wait_for(serve([link], feed_items, lambda now_ns: received.extend(receiver.tick(now_ns)), is_over), 600)
    )
    assert receiver.report().devices[0].streams[0].counts.packets == 1200
    assert [change for change in changes(received) if change[0] == "lost"] == []


def notes_times(link: Udp, out: socket.socket) -> bool:
    """Whether a datagram that waited has the time of its arrival, and not that of its reading."""
    out.send(b"x")
    sent_ns = time.monotonic_ns()
    time.sleep(0.05)
    read_ns = time.monotonic_ns()
    pieces = link.receive()
    return bool(pieces) and pieces[-1].arrival_ns < (sent_ns + read_ns) // 2


def both_clocks() -> tuple[int, int] | None:
    """The monotonic and the wall clock; None if something came between them."""
    now_ns, wall_ns = time.monotonic_ns(), time.time_ns()
    return (now_ns, wall_ns) if time.monotonic_ns() - now_ns < 10**6 else None


def test_a_datagram_counts_from_when_the_kernel_had_it_whatever_the_wall_clock_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as out:
        wait_for(lambda: notes_times(link, out), "the kernel's times: it begins after the first socket asks for them")
        for step_ns in (0, 10**12, -(10**12)):
            before_ns = time.monotonic_ns()
            out.send(b"x")
            sent_ns = time.monotonic_ns()
            time.sleep(0.05)
            with monkeypatch.context() as patch:
                now_ns, wall_ns = wait_for(both_clocks, "both clocks at one moment")
                patch.setattr(time, "monotonic_ns", lambda now_ns=now_ns: now_ns)
                patch.setattr(time, "time_ns", lambda wall_ns=wall_ns + step_ns: wall_ns)
                (piece,) = link.receive()
            if step_ns == 0:
                assert before_ns - 10**7 <= piece.arrival_ns <= sent_ns + 10**7  # the wall clock is followed by ntp
            newest_ns = piece.arrival_ns
            assert newest_ns <= time.monotonic_ns()


def test_an_answer_reaches_its_peer() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as out:
        out.send(b"hello")
        (piece,) = link.receive()
        assert link.send(b"order", piece.peer)
        assert out.recv(100) == b"order"
        assert not link.send(b"order", "nonsense")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "224.0.0.1"])
def test_every_interface_at_once_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="name the one that the devices are on"):
        Udp(host, 0)


def test_a_name_is_not_an_address() -> None:
    with pytest.raises(ConfigError, match="expected the IP address of one interface"):
        Udp("localhost", 0)


def test_an_address_that_is_taken_or_not_ours_is_told() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, pytest.raises(SourceError, match="does no other program use the port"):
        Udp("127.0.0.1", link.port)
    with pytest.raises(SourceError, match="is the interface up"):
        Udp("192.0.2.1", 7355)


def test_a_buffer_smaller_than_asked_is_told_with_the_repair(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(udp, "BUFFER_BYTES", 1 << 30)
    with caplog.at_level(logging.WARNING), closing(Udp("127.0.0.1", 0)) as link:
        assert link.buffer_bytes < 1 << 30
        assert f"receive_buffer_bytes={link.buffer_bytes} asked={1 << 30}" in caplog.text
        assert "sysctl -w net.core.rmem_max" in caplog.text


def test_what_the_kernel_threw_away_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udp, "BUFFER_BYTES", 4096)
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as out:
        for _ in range(200):
            out.send(bytes(300))
        taken = len(link.receive())
        out.send(b"the next one tells")
        taken += len(link.receive())
        assert taken + link.state.dropped == 201
        assert link.state.dropped > 100


def test_a_datagram_longer_than_a_packet_is_cut_and_harmless() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, closing(sender(link)) as out:
        out.send(bytes(60_000))
        out.send(b"x")
        assert [len(piece.content) for piece in link.receive()] == [udp.MAX_BODY + 1, 1]


def through(relay_to: Fate, wav: Path, seed: int, speed: float, before: int = 1 << 32) -> tuple[Run, Relay]:
    """Play over a bad network; only packets of samples suffer, and of these only those before an index."""
    link = Udp("127.0.0.1", 0)

    def touches(body: bytes) -> bool:
        return body[0] & 15 == 0 and int.from_bytes(body[8:12], "little") < before

    with (
        Relay(link.port, relay_to, seed, touches) as relay,
        Device("--udp", f"127.0.0.1:{relay.port}", "--speed", speed, wav) as device,
    ):
        run = listen(device, [link], is_passed_on=lambda: relay.is_empty)
    return run, relay


@needs_compiler
@pytest.mark.parametrize("seed", [1, 2])
def test_a_bad_network_costs_what_it_dropped_and_nothing_else(tmp_path: Path, seed: int) -> None:
    wav = write_wav(tmp_path / "sound.wav", SOUND)
    run, relay = through(Fate(drop=0.05, double=0.1, swap=0.1), wav, seed, speed=5)
    for body in relay.dropped:  # the device knows nothing of it
        index, n = int.from_bytes(body[8:12], "little"), int.from_bytes(body[14:16], "little")
        run.tally["missing"].append([0, 0, body[13], index, n])
    check_sound(run, SOUND)
    stream = run.receiver.report().devices[0].streams[0]
    assert stream.counts.duplicates == relay.doubled > 5
    others = run.tally["telemetries"] + run.tally["hellos"]  # to be swapped with one of these changes nothing
    assert relay.swapped - others <= stream.counts.reordered + stream.counts.late <= relay.swapped
    assert stream.counts.late < relay.swapped
    assert stream.missing == len(relay.dropped) > 5


@needs_compiler
def test_packets_that_are_delayed_within_the_patience_are_in_their_place(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "sound.wav", SOUND[:24_000])
    run, relay = through(Fate(delay=0.1, delay_s=0.025), wav, 3, speed=1)
    check_sound(run, SOUND[:24_000])
    assert relay.delayed > max(5, run.receiver.report().devices[0].streams[0].counts.late)


@needs_compiler
def test_packets_that_are_delayed_too_long_are_late_and_masked(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "sound.wav", SOUND)
    too_long = Fate(delay=0.05, delay_s=0.0, behind=20)
    run, relay = through(too_long, wav, 4, speed=4, before=len(SOUND) - 50 * 160)  # the last have nothing behind them
    counts = run.receiver.report().devices[0].streams[0].counts
    assert counts.late == relay.delayed > 5
    masked = sum(int((~item.valid).sum()) for item in run.items() if isinstance(item, Block))
    assert masked + counts.lost == relay.delayed * 160


@needs_compiler
def test_many_devices_on_one_socket_are_heard_without_loss(tmp_path: Path) -> None:
    wav = write_wav(tmp_path / "sound.wav", SOUND)
    link = Udp("127.0.0.1", 0)
    with Device("--udp", f"127.0.0.1:{link.port}", "--devices", 40, "--seconds", 1.5, wav) as device:
        run = listen(device, [link])
    report = run.receiver.report()
    assert len(report.devices) == 40
    assert not run.tally["missing"]
    assert sum(one.streams[0].counts.samples for one in report.devices) == run.tally["captured"] > 40 * 11_000
    assert {one.streams[0].counts.masked for one in report.devices} == {0}


def test_a_relay_counts_what_it_does() -> None:
    with closing(Udp("127.0.0.1", 0)) as link, Relay(link.port, Fate(0.2, 0.2, 0.2, 0.2), seed=5) as relay:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
            for k in range(200):
                out.sendto(bytes([k]), ("127.0.0.1", relay.port))
        pieces = link.receive()
        wait_for(lambda: relay.passed == 200 and relay.is_empty, "the end of the delays")
        pieces += link.receive() + link.receive()
        assert len(pieces) == 200 - len(relay.dropped) + relay.doubled
        assert min(len(relay.dropped), relay.doubled, relay.delayed, relay.swapped) > 10
