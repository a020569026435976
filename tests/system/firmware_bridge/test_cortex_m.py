"""auslink.h as machine code of a microcontroller, run by an emulator: `make firmware-test`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_bridge import auth
from firmware_bridge.deframe import Deframer
from firmware_bridge.messages import Codec, Hello, Log, Samples, Telemetry, Time
from firmware_bridge.wire import Packet
from tests.conftest import HANGS_S

FOLDER = Path(__file__).parents[3] / "firmware_bridge" / "cortexm"
TOOLS = ("make", "gcc", "arm-none-eabi-gcc", "qemu-system-arm")
BOARDS = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder of what make built, and what it printed; it fails unless the emulated bytes equal the host's."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    build = tmp_path_factory.mktemp("cortexm")
    done = subprocess.run(
        ["make", "-s", "-C", str(FOLDER), f"BUILD={build}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=HANGS_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return build, done.stdout


@pytest.mark.parametrize("board", BOARDS)
def test_every_processor_sends_the_bytes_of_the_host(built: tuple[Path, str], board: str) -> None:
    assert (built[0] / board / "session.bin").read_bytes() == (built[0] / "session.bin").read_bytes()


def test_the_host_understands_the_whole_session(built: tuple[Path, str]) -> None:
    deframer = Deframer(auth.SealAuthenticator({}))
    packets = deframer.push((built[0] / "session.bin").read_bytes())
    kinds = [type(packet.content) for packet in packets]
    assert kinds[:4] == [Hello, Telemetry, Log, Time]
    assert kinds[4:] == [Samples] * 150
    assert packets[3].content == Time(0x1122334455667788, packets[3].content.clock)  # type: ignore[union-attr]
    assert [packet.codec for packet in packets[4:54]] == [Codec.PCM] * 50
    assert deframer.counts.not_authenticated == 50  # sealed, and this host has no key
    assert deframer.counts.crc_errors == deframer.counts.cobs_errors == deframer.counts.malformed == 0


def test_rice_gives_the_samples_of_pcm_and_seals_hold(built: tuple[Path, str]) -> None:
    authenticator = auth.SealAuthenticator({7: bytes(range(32))})
    session = (built[0] / "session.bin").read_bytes()
    plain, sealed = Deframer().push(session)[4:], Deframer(authenticator).push(session)
    assert [_sound(packet) for packet in plain[:50]] == [_sound(packet) for packet in plain[50:100]]
    assert [packet.sample_index for packet in plain[:50]] == [(0xFFFFF000 + 160 * i) % 2**32 for i in range(50)]
    assert [_sound(packet) for packet in sealed] == [_sound(packet) for packet in plain[:50]]
    assert authenticator.replay_counters[7].session == 2
    assert authenticator.counts.wrong_tag == authenticator.counts.replayed == 0


def test_instructions_per_sample_are_told_and_within_a_microcontrollers_means(built: tuple[Path, str]) -> None:
    lines = [line.split() for line in built[1].splitlines() if "instructions" in line]
    assert len(lines) == 4 * len(BOARDS)
    pcm = {line[0]: float(line[3]) for line in lines if line[2] == "pcm"}
    rice = {line[0]: float(line[3]) for line in lines if line[2] == "rice" and line[4] == "instructions"}
    assert all(20 < cost < 100 for cost in pcm.values())
    assert all(100 < cost < 350 for cost in rice.values())  # 350 at 8 kHz are 4.4 % of 64 MHz at one a cycle


def _sound(packet: Packet) -> list[list[int]]:
    assert isinstance(packet.content, Samples)
    return packet.content.values.tolist()
