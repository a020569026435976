"""The demo of the board: a broker, eight simulated stethoscopes, the real `laennec run`, and the board in a browser.

Not a test of accuracy, not for training (`training.synthetic` computes such sound), and no patient: the beds play loops
cut from the bundled synthetic recording, whose sounds are known, joined so that no cut is heard as a crackle. One of
them wheezes, one sensor is loose, one device switches itself off now and then. Burdens are over five minutes, so the
first alarm of a patient comes after two and a half; that of the loose sensor after half a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import yaml
from numpy.typing import NDArray

from edge.commands.demo_broker import Broker, choose, free_port
from edge.commands.link_simulation import simulator
from edge.errors import SourceError
from edge.sources.file_search import DEMO_AUDIO, DEMO_TRUTH

FADE_S = 0.08  # over which two pieces are joined
MARGIN_S = 0.25  # kept away from sounds that must not be heard
AROUND_S = 0.4  # of breath around a wheeze

Loop = tuple[NDArray[np.int16], int]
"""Samples, 16 bits, and their rate, Hz."""


def breathing() -> Loop:
    """Breath between the sounds of the recording."""
    sounds, length_s = _truth()
    edges = [0.0, *(edge for onset, end, _ in sounds for edge in (onset - MARGIN_S, end + MARGIN_S)), length_s]
    return _joined([(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a > 4 * FADE_S])


def wheezing() -> Loop:
    """Its wheezes, with little breath between them."""
    sounds, length_s = _truth()
    wheezes = [(onset, end) for onset, end, label in sounds if label == "wheeze"]
    return _joined([(max(0.0, onset - AROUND_S), min(length_s, end + AROUND_S)) for onset, end in wheezes])


def _truth() -> tuple[list[tuple[float, float, str]], float]:
    sounds = json.loads(DEMO_TRUTH.read_text())["sounds"]
    info = soundfile.info(str(DEMO_AUDIO))
    return [(each["onset_s"], each["end_s"], each["label"]) for each in sounds], info.frames / info.samplerate


def _joined(spans: Sequence[tuple[float, float]]) -> Loop:
    """The pieces one after the other, the last joined to the first as well.

    Args:
        spans: begin and end of each piece, seconds.
    """
    sound, rate_hz = soundfile.read(str(DEMO_AUDIO), dtype="float32")
    fade = round(FADE_S * rate_hz)
    rise = np.sin(np.linspace(0, np.pi / 2, fade, dtype=np.float32))  # powers of what fades in and out add up to one
    out = np.zeros(sum(round((end - begin) * rate_hz) - fade for begin, end in spans) + fade, np.float32)
    at = 0
    for begin, end in spans:
        first = round(begin * rate_hz)
        piece = sound[first : first + round((end - begin) * rate_hz)].copy()
        piece[:fade] *= rise
        piece[-fade:] *= rise[::-1]
        out[at : at + len(piece)] += piece[: len(out) - at]
        at += len(piece) - fade
    out[:fade] += out[at : at + fade]
    loop = np.clip(out[:at] * 32767, -32768, 32767).astype(np.int16)
    return loop, int(rate_hz)


FIRST_ID = 0x5E00_0001
LOOSE_S = 20  # when the sensor comes loose
OFF_S, EVERY_S, TIMES = 75, 240, 60  # how long the device is off, and how often (four hours)
FOREVER_S = 1_000_000
WHEEZING, LOOSE, RESTARTING = 3, 5, 6  # numbers of the beds
LIMIT_S_PER_MIN = {"continuous": 6.0, "discontinuous": 8.0}


@dataclass(frozen=True)
class Bed:
    """One simulated stethoscope."""

    number: int
    faults: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its stream."""
        return f"bed-{self.number}"


BEDS = tuple(
    Bed(
        number,
        {
            LOOSE: ("--loose", f"{LOOSE_S}:{FOREVER_S}", "--battery", "34"),
            RESTARTING: tuple(
                each for turn in range(TIMES) for each in ("--reboot", f"{EVERY_S * (turn + 0.4):.0f}:{OFF_S}")
            ),
        }.get(number, ()),
    )
    for number in range(1, 9)
)


def run_ward(broker_name: str, listen: int, stop: threading.Event) -> int:
    """Run the ward until `stop`.

    Args:
        broker_name: `mosquitto`, `amqtt` or `auto`.
        listen: port of the board on this machine; 0 for a free one.
        stop: ends it.

    Returns:
        Exit code: 0, or that of what ended by itself.

    Raises:
        ConfigError: no broker, or no C compiler.
        SourceError: something does not start.
    """
    kind, program = choose(broker_name), simulator()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="laennec-ward-")))
        broker, link_port = stack.enter_context(Broker(kind)), free_port()
        settings = folder / "ward.yaml"
        settings.write_text(yaml.safe_dump(_settings(broker.port, link_port, folder)))
        print("All sound is synthetic: computed breath sound, not patients. Ctrl-C ends it.")
        started = [_start(stack, ["run", "--config", str(settings)], folder / "run.log")]
        started += [_play(stack, program, bed, link_port, folder) for bed in BEDS]
        files = {"clips": "clips", "labels": "labels.jsonl", "audit": "audit.log"}  # in the demo's own folder
        (folder / "board.yaml").write_text(yaml.safe_dump(files))
        options = ["--config", str(folder / "board.yaml"), "--port", str(broker.port), "--listen", str(listen)]
        board = _start(stack, ["board", *options], folder / "board.log")
        _show(_address(board, folder / "board.log"))
        while not stop.wait(0.2):
            if any(each.poll() is not None for each in (*started, board)):
                raise SourceError(f"a part of the demo has ended: {_last_line(folder)}")
    return 0


def _settings(broker_port: int, link_port: int, folder: Path) -> dict[str, object]:
    devices = [{"id": FIRST_ID + bed.number, "name": bed.name} for bed in BEDS]
    return {
        "site": "demo",
        "node": "box-1",
        "mode": "Test",
        "streams": [{"id": bed.name, "source": f"link:{bed.name}"} for bed in BEDS],
        "link": {"devices": devices, "udp": {"bind": "127.0.0.1", "port": link_port}},
        "mqtt": {"port": broker_port},
        "outbox": {"path": str(folder / "outbox.db")},
        "self_test": {"every_s": 0},
        "look": True,
        "listen": True,  # to nobody: the sound is computed
        "alarms": {
            "burden": {name: {"limit_s_per_min": limit} for name, limit in LIMIT_S_PER_MIN.items()},
            "technical": {"clock": {"enabled": False}},
        },
        "clips": {  # nobody speaks in synthetic sound, though wheezes with harmonics are taken for a voice
            "path": str(folder / "clips"),
            "of": ["event"],
            "speech": "keep",
            "longest_s": 25,
        },
    }


def _start(stack: ExitStack, arguments: list[str], log: Path) -> subprocess.Popen[str]:
    """A command of `laennec` in a process of its own, which ends with the demo."""
    output = stack.enter_context(log.open("w"))
    command = [sys.executable, "-m", "edge", *arguments]
    return _ended_with(stack, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True))


def _play(stack: ExitStack, program: Path, bed: Bed, port: int, folder: Path) -> subprocess.Popen[str]:
    """A stethoscope that plays for ever, from another breath on than the others."""
    sound, rate_hz = wheezing() if bed.number == WHEEZING else breathing()
    turned: NDArray[np.int16] = np.roll(sound, bed.number * len(sound) // (len(BEDS) + 1))
    path = folder / f"{bed.name}.wav"
    soundfile.write(str(path), turned, rate_hz, subtype="PCM_16")
    command = [str(program), str(path), "--udp", f"127.0.0.1:{port}", "--id", f"{FIRST_ID + bed.number:x}"]
    command += ["--seconds", str(FOREVER_S), "--ppm", str(7 * bed.number), *bed.faults]
    quiet = subprocess.DEVNULL
    return _ended_with(stack, subprocess.Popen(command, stdout=quiet, stderr=quiet, text=True))


def _ended_with(stack: ExitStack, child: subprocess.Popen[str]) -> subprocess.Popen[str]:
    def end() -> None:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()

    stack.callback(end)
    return child


def _address(board: subprocess.Popen[str], log: Path) -> str:
    """The address that the board prints once it can be opened."""
    line = "" if board.stdout is None else board.stdout.readline()
    if not line.startswith("board: "):
        raise SourceError(f"the board did not start: {_last_line(log.parent)}")
    return line.removeprefix("board: ").strip()


def _show(url: str) -> None:
    print(f"board: {url}", flush=True)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)


def _last_line(folder: Path) -> str:
    """What was logged last by what failed."""
    lines = [line for log in sorted(folder.glob("*.log")) for line in log.read_text(errors="replace").splitlines()]
    return lines[-1] if lines else "it logged nothing"
