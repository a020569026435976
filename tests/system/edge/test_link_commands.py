"""`laennec link`: as an operator sees it, with the simulated device on a real pty."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.commands.link_simulation import recordings, simulator
from edge.commands.link_watch import replay
from edge.errors import ConfigError, SourceError
from edge.sources.file_search import DEMO_AUDIO
from firmware_bridge.capture import Writer
from firmware_bridge.records import LinkBytes
from firmware_bridge.wire import encode
from tests.conftest import HANGS_S
from tests.edge.sources.bridging import hello, sound

LINK = (sys.executable, "-m", "edge", "link")
RECEIVED = re.compile(r"0x5e000001 +0 +8000\.0")
Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module", autouse=True)
def _compiler() -> None:
    try:
        simulator()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture
def simulated() -> Iterator[Callable[..., str]]:
    """Start a simulated device by the command; gives the name of its line."""
    running: list[subprocess.Popen[str]] = []

    def begin(*options: object) -> str:
        child = subprocess.Popen([*LINK, "simulate", *map(str, options)], stdout=subprocess.PIPE, text=True)
        running.append(child)
        assert child.stdout is not None
        line = child.stdout.readline().strip()
        assert line, f"no line; exit code {child.wait(HANGS_S)}"
        return line

    yield begin
    for child in running:
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=HANGS_S)


def link(*arguments: object) -> Done:
    return subprocess.run([*LINK, *map(str, arguments)], capture_output=True, text=True, timeout=HANGS_S, check=False)


def stopped(is_enough: Callable[[str], object], *arguments: object, of: str = "stdout") -> Done:
    """A command that is stopped, as by Ctrl-C, once a line of its output is enough."""
    command = [*LINK, *map(str, arguments), "--seconds", str(HANGS_S)]
    output = {"stdout": "", "stderr": ""}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        for line in getattr(child, of):
            output[of] += line
            if is_enough(line):
                child.send_signal(signal.SIGINT)
                break
        else:
            pytest.fail(f"{command} ended by itself: {output[of]}{child.stdout.read()}{child.stderr.read()}")
        for name in output:
            output[name] += getattr(child, name).read()
    return Done(command, child.returncode, **output)


def is_shown(line: str) -> bool:
    """Whether a line of JSON tells what only a device that was heard for a while shows."""
    row = json.loads(line)
    return "battery" in row["conditions"] and 0.02 < row["loss"] < 0.25 and row["lost"] > 0


def recorded(capture: Path) -> int:
    """Samples in a capture, also while it is written."""
    try:
        report, *_ = replay(capture, None, threading.Event())
    except SourceError:  # its head is still to come
        return 0
    return sum(stream.counts.samples for device in report.devices for stream in device.streams)


def test_without_a_terminal_the_monitor_prints_lines_of_json(simulated: Callable[..., str]) -> None:
    port = simulated("--loss", "0.1", "--battery", "8")
    done = stopped(is_shown, "monitor", "--serial", port, "--jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    last = rows[-1]
    assert len(rows) >= 3
    assert (last["device"], last["stream"], last["declared_hz"], last["battery_percent"]) == (
        "0x5e000001",
        0,
        8000.0,
        8,
    )
    assert 0.02 < last["loss"] < 0.25
    assert last["masked"] == pytest.approx(last["lost"])
    assert "battery" in last["conditions"]
    assert last["link"] == f"serial:{port}"


def test_on_a_terminal_the_monitor_draws_a_table(simulated: Callable[..., str]) -> None:
    port = simulated()
    master, slave = pty.openpty()
    command = [*LINK, "monitor", "--serial", port, "--seconds", str(HANGS_S)]
    child = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL)
    os.close(slave)
    seen, is_stopped = "", False
    with suppress(OSError):  # the end
        while piece := os.read(master, 65536):
            seen += piece.decode()
            if len(RECEIVED.findall(seen)) >= 2 and not is_stopped:
                is_stopped = True
                child.send_signal(signal.SIGINT)
    assert child.wait(HANGS_S) == 0
    os.close(master)
    screens = seen.split("\x1b[H\x1b[J")
    assert "measured Hz" in screens[-1]
    assert RECEIVED.search(screens[-1])
    assert len(screens) >= 3


def test_a_recorded_capture_replays_to_the_same_numbers_every_time(
    simulated: Callable[..., str], tmp_path: Path
) -> None:
    port, capture = simulated("--loss", "0.05", "--ppm", "50"), tmp_path / "night.cap"
    done = stopped(lambda _: recorded(capture) > 2 * 8000, "record", capture, "--serial", port)
    assert done.returncode == 0, done.stderr
    first, second = (replay(capture, None, threading.Event()) for _ in range(2))
    assert first == second
    (device,) = first[0].devices
    (stream,) = device.streams
    assert stream.counts.samples > 2 * 8000
    table = link("replay", capture)
    assert "0x5e000001" in table.stdout
    lines = link("replay", capture, "--jsonl").stdout
    assert lines == link("replay", capture, "--jsonl").stdout
    assert json.loads(lines)["ts"] == round(first[2], 3)
    assert link("record", capture, "--serial", port).stderr.startswith(f"laennec: {capture}: exists already")


def test_recording_begins_when_everything_is_compiled_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, capture = simulator(), tmp_path / "start.cap"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "empty"))
    wav = recordings([], tmp_path)
    command = [str(program), "--codec", "rice", "--block", "40", "--queue", "200", "--seconds", "5", *wav]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as device:
        assert device.stdout is not None
        port = device.stdout.readline().strip()
        done = stopped(lambda line: "ended" in line, "record", capture, "--serial", port)
        output = json.loads(device.stdout.readline())
    assert done.returncode == 0, done.stderr
    assert output["dropped"] == 0
    report, *_ = replay(capture, None, threading.Event())
    (stream,) = report.devices[0].streams
    assert (stream.counts.packets, stream.missing) == (1000, 0)
    assert [each.name for each in stream.conditions] == ["ended"]


def test_a_device_that_vanishes_before_the_end_of_a_capture_is_lost_in_it(tmp_path: Path) -> None:
    capture = tmp_path / "lost.cap"
    writer = Writer(capture)
    packets = [hello(), *(sound(k) for k in range(20))]
    for k, packet in enumerate(packets):
        writer.write(LinkBytes(k * 20_000_000, "udp:127.0.0.1:7355", "10.0.0.7:9", encode(packet)))
    writer.end(9_000_000_000)
    writer.close()
    report, now_ns, _ = replay(capture, None, threading.Event())
    assert [each.name for each in report.devices[0].streams[0].conditions] == ["lost"]
    assert now_ns == 9_000_000_000
    assert "not measurable: lost (no samples for 2 s)" in link("replay", capture).stdout


@pytest.mark.parametrize("jsonl", [False, True])
def test_without_a_terminal_the_monitor_says_who_is_not_heard(
    jsonl: bool, simulated: Callable[..., str], tmp_path: Path
) -> None:
    section = {"devices": [{"id": "0x12345678"}], "serial": [{"port": simulated()}]}
    tree = {"streams": [{"id": "bed1", "source": "link:0x12345678"}], "link": section}
    (tmp_path / "ward.yaml").write_text(json.dumps(tree))  # JSON is YAML
    output, of = "0x5e000001 is not listed", "stderr" if jsonl else "stdout"
    command = ("monitor", "--config", tmp_path / "ward.yaml", *(["--jsonl"] if jsonl else []))
    assert output in getattr(stopped(lambda line: output in line, *command, of=of), of)


def test_a_rate_that_cannot_be_is_told_by_monitor_record_and_replay(
    simulated: Callable[..., str], tmp_path: Path
) -> None:
    capture = tmp_path / "wrong.cap"
    port = simulated("--declare", 0.4, "--seconds", HANGS_S)
    output = "not measurable: wrong rate (rate 0.4 Hz: expected 1,000 to 200,000 Hz; rate_mhz is in millihertz)"
    assert output in stopped(lambda line: output in line, "monitor", "--serial", port).stdout
    assert output in stopped(lambda line: output in line, "record", capture, "--serial", port).stdout
    assert output in link("replay", capture).stdout


def test_a_mistake_is_one_line_and_exit_code_2() -> None:
    done = link("simulate", "/nowhere.flac")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("laennec: /nowhere.flac: cannot be played (No such file or directory)")


def test_an_option_without_its_value_is_named_alone() -> None:
    done = link("simulate", "--loss")
    assert (done.returncode, done.stderr) == (2, "device: --loss: expected a value; see --help\n")


def test_what_the_device_cannot_play_is_converted_and_the_rest_is_left_alone(tmp_path: Path) -> None:
    plain, flac, out = tmp_path / "a.wav", tmp_path / "b.flac", tmp_path / "made"
    out.mkdir()
    samples = (np.arange(800) % 100).astype(np.int16)
    soundfile.write(plain, samples, 8000, subtype="PCM_16")
    soundfile.write(flac, samples, 8000, subtype="PCM_16")
    made = recordings(["--loss", "0.1", str(plain), "--udp", "127.0.0.1:7355", str(flac)], out)
    assert made == ["--loss", "0.1", str(plain), "--udp", "127.0.0.1:7355", str(out / "1.wav")]
    np.testing.assert_array_equal(soundfile.read(made[-1], dtype="int16")[0], samples)
    assert recordings(["--help"], out) == ["--help"]
    (demo,) = recordings([], out)
    assert soundfile.info(demo).frames == soundfile.info(str(DEMO_AUDIO)).frames
    with pytest.raises(SourceError, match="cannot be played"):
        recordings([str(tmp_path / "nothing.wav")], out)
