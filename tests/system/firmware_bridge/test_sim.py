"""The simulated device against the real bridge: what it says it did is what the bridge found."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge.types import Block, Gap
from firmware_bridge.auth import SealAuthenticator
from firmware_bridge.links.serial import Serial
from firmware_bridge.links.udp import Udp
from firmware_bridge.receive import Receiver
from firmware_bridge.records import Epoch
from firmware_bridge.sim import build
from tests.firmware_bridge.simulating import (
    DEVICE_ID,
    Device,
    Run,
    check_sound,
    listen,
    needs_compiler,
    noise,
    program,
    write_wav,
)

pytestmark = needs_compiler
SOUND = noise(8000 * 6)
KEY = bytes(range(32))


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(tmp_path_factory.mktemp("wav") / "sound.wav", SOUND)


def over_pty(*arguments: object, authenticator: SealAuthenticator | None = None) -> Run:
    """As fast as the pty takes it, unless told otherwise."""
    with Device("--speed", 0, *arguments) as device:
        return listen(device, [Serial(device.place)], authenticator)


def over_udp(*arguments: object) -> Run:
    """At ten times real time."""
    link = Udp("127.0.0.1", 0)
    with Device("--udp", f"127.0.0.1:{link.port}", "--speed", 10, *arguments) as device:
        return listen(device, [link])


def has_round_trip(receiver: Receiver) -> bool:
    """Whether the device has answered a ping."""
    return any(one.round_trip_ms is not None for one in receiver.report().devices)


@pytest.mark.parametrize("codec", ["pcm", "rice"])
def test_a_recording_arrives_bit_for_bit(wav: Path, codec: str) -> None:
    run = over_pty(wav, "--codec", codec)
    check_sound(run, SOUND)
    (stream,) = run.receiver.report().devices[0].streams
    assert stream.counts.packets == run.tally["sent"]
    assert (stream.missing, stream.received > run.tally["sent"]) == (0, True)
    assert not run.tally["missing"]


def test_a_recording_that_is_no_multiple_of_a_packet_arrives_whole(tmp_path: Path) -> None:
    run = over_pty(write_wav(tmp_path / "odd.wav", SOUND[:12_345]), "--block", 100)
    check_sound(run, SOUND[:12_345])
    assert run.items()[-1].stop == 12_345


def test_faults_of_a_serial_line_are_found_as_many_as_there_were(wav: Path) -> None:
    run = over_pty(wav, "--loss", 0.05, "--double", 0.05, "--flip", 0.05, "--seed", 3)
    check_sound(run, SOUND)
    device = run.receiver.report().devices[0]
    counts, frames = device.streams[0].counts, run.receiver.report().links[device.link]
    assert counts.duplicates == run.tally["doubled"] > 5
    assert frames.crc_errors + frames.cobs_errors + frames.length_errors >= run.tally["flipped"] > 5
    assert device.streams[0].missing == run.tally["lost"] + run.tally["flipped"]
    assert counts.late == counts.stray == counts.overlaps == 0


def test_faults_of_a_network_are_found_as_many_as_there_were(wav: Path) -> None:
    run = over_udp(wav, "--loss", 0.05, "--double", 0.05, "--flip", 0.05, "--swap", 0.1, "--seed", 4)
    check_sound(run, SOUND)
    device = run.receiver.report().devices[0]
    counts, frames = device.streams[0].counts, run.receiver.report().links[device.link]
    assert counts.duplicates == run.tally["doubled"] > 5
    assert run.tally["swapped"] >= counts.reordered + counts.late > 2 * counts.late
    assert frames.crc_errors + frames.unknown_versions == run.tally["flipped"] > 5


def test_holes_of_20_ms_are_masked_exactly(wav: Path) -> None:
    run = over_pty(wav, *(word for at in range(1, 6) for word in ("--hole", f"{at}:0.02")))
    check_sound(run, SOUND)
    assert len(run.tally["missing"]) == 5
    assert sum(not item.valid.any() for item in run.items() if isinstance(item, Block)) == 5


def test_an_overrun_is_a_gap_that_the_device_is_blamed_for(wav: Path) -> None:
    run = over_pty(wav, "--overrun", "2:0.5")
    check_sound(run, SOUND)
    assert [item for item in run.items() if isinstance(item, Gap)] == [Gap(16_000, 20_000, "lost on the device")]
    assert ("overrun", True) in run.conditions


def test_a_loose_sensor_is_masked_and_told(wav: Path) -> None:
    run = over_pty(wav, "--loose", "2:1.5")
    bad = np.concatenate([~item.valid for item in run.items() if isinstance(item, Block)])
    assert bad[16_000:28_000].all()
    assert not bad[:16_000].any()
    assert not bad[40_000:].any()  # the telemetry of the second after has said that it is well
    assert run.conditions.count(("no contact", True)) == 2  # by samples and by telemetry
    assert run.conditions.count(("no contact", False)) == 2


def test_after_a_reboot_the_device_counts_anew_and_nothing_is_joined(wav: Path) -> None:
    run = over_pty(wav, "--reboot", "2:1", "--hello", 0.5)
    epochs = [item for item in run.items() if isinstance(item, Epoch)]
    assert epochs == [Epoch(0, 1, "first packet"), Epoch(0, 2, "device restarted")]
    check_sound(run, SOUND[:16_000], boot=1)
    check_sound(run, SOUND[24_000:], boot=2)


def test_a_brown_out_is_foreseen_and_takes_no_packet_of_the_next_boot(tmp_path: Path) -> None:
    long = noise(8000 * 13)
    run = over_pty(write_wav(tmp_path / "long.wav", long), "--brownout", "11:1")
    assert ("battery", True) in run.conditions
    check_sound(run, long[: 11 * 8000], boot=1)
    check_sound(run, long[12 * 8000 :], boot=2)
    (frames,) = run.receiver.report().links.values()
    assert frames.cobs_errors + frames.crc_errors + frames.length_errors == 1


def test_what_a_full_queue_drops_is_masked_and_told(wav: Path) -> None:
    run = over_pty(wav, "--speed", 10, "--queue", 5, "--stall", "2:0.5", "--stall", "4:0.3")
    assert run.tally["dropped"] > 10
    check_sound(run, SOUND)
    assert any(isinstance(item, Gap) and item.cause == "lost on the device" for item in run.items())


def test_a_stalled_line_whose_queue_suffices_loses_nothing(wav: Path) -> None:
    run = over_pty(wav, "--speed", 10, "--queue", 2000, "--stall", "2:1.5")
    check_sound(run, SOUND)
    assert not run.tally["missing"]
    assert not [item for item in run.items() if isinstance(item, Gap)]


@pytest.mark.parametrize("base", [2**31 - 20_000, 2**32 - 20_000])
def test_the_sample_counter_passes_its_wraps(wav: Path, base: int) -> None:
    run = over_pty(wav, "--index", base, "--hole", "2.49:0.03")
    items = [item for item in run.items() if isinstance(item, Block)]
    assert items[-1].stop == base + len(SOUND)
    assert sum(int((~item.valid).sum()) for item in items) == len(run.tally["missing"]) * 160 > 0


def test_several_recordings_are_several_streams(wav: Path, tmp_path: Path) -> None:
    stereo = np.stack([noise(32_000, 5), noise(32_000, 6)], axis=1)
    run = over_pty(wav, write_wav(tmp_path / "stereo.wav", stereo, 16_000), "--seconds", 2)
    check_sound(run, SOUND[:16_000])
    second = [item for item in run.items(stream=1) if isinstance(item, Block)]
    assert np.array_equal(np.concatenate([item.samples for item in second]), stereo[:, 0] / np.float32(32768))


def test_sealed_packets_are_authenticated_with_the_right_key_only(wav: Path) -> None:
    sealed = ("--key", KEY.hex(), "--seconds", 2, "--reboot", "1:0.2")
    run = over_pty(wav, *sealed, authenticator=SealAuthenticator({DEVICE_ID: KEY}))
    check_sound(run, SOUND[:8000], boot=1)
    check_sound(run, SOUND[9600:16_000], boot=2)
    stranger = over_pty(wav, *sealed, authenticator=SealAuthenticator({DEVICE_ID: KEY[::-1]}))
    assert stranger.received == []


def test_the_device_answers_pings(wav: Path) -> None:
    with Device("--speed", 10, "--seconds", 3600, wav) as device:
        run = listen(device, [Serial(device.place)], is_enough=has_round_trip)
    assert run.receiver.report().devices[0].round_trip_ms is not None


def test_a_sealed_device_obeys_sealed_commands(wav: Path) -> None:
    keys = {DEVICE_ID: KEY}
    with Device("--speed", 10, "--seconds", 3600, wav, "--key", KEY.hex()) as device:
        run = listen(device, [Serial(device.place)], SealAuthenticator(keys), keys=keys, is_enough=has_round_trip)
    assert run.receiver.report().devices[0].round_trip_ms is not None
    with Device("--speed", 10, wav, "--key", KEY.hex()) as device:
        run = listen(device, [Serial(device.place)], SealAuthenticator({DEVICE_ID: KEY}))
    assert run.receiver.report().devices[0].round_trip_ms is None


def test_at_true_pace_a_wrong_nominal_rate_is_found_within_10_s(wav: Path) -> None:
    link = Udp("127.0.0.1", 0)
    wrong = ("--declare", 7900, "--ppm", 50, "--seconds", 9.8)
    with Device("--udp", f"127.0.0.1:{link.port}", *wrong, wav) as device:
        run = listen(device, [link])
    assert run.conditions[0] == ("wrong rate", True)
    assert set(run.conditions) <= {("wrong rate", True), ("ended", True)}
    state = run.receiver.report().devices[0].streams[0].clock
    assert state.rate_hz == pytest.approx(8000.4, rel=300e-6)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "expected a recording"),
        (["nowhere.wav"], "nowhere.wav: cannot be read"),
        (["--loss", "2", "x.wav"], "--loss 2: expected 0 to 1"),
        (["--hole", "3", "x.wav"], "--hole 3: expected AT:LENGTH"),
        (["--wobble", "3", "x.wav"], "--wobble 3: not understood"),
        (["--ppm"], "--ppm: expected a value"),
        (["--devices", "2", "x.wav"], "several devices need --udp"),
        (["--udp", "nowhere", __file__], "is no WAV"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(arguments: list[str], expected: str) -> None:
    done = subprocess.run([str(program()), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("device: ")
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_device_is_clean_under_the_sanitizers(tmp_path: Path, wav: Path) -> None:
    checked = build(tmp_path, ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-Wconversion"))
    faults = "--loss .1 --double .1 --flip .1 --swap .1 --reboot 1:.2 --brownout 2:.2 --stall 3:.4 --queue 4 --speed 40"
    command = [str(checked), str(wav), str(wav), "--udp", "127.0.0.1:9", "--key", KEY.hex(), *faults.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
