"""What eight devices cost the whole process, at true pace: processor time, user and system.

`laennec link monitor` hears and shows them, `laennec run` detects and publishes besides. Not for single steps
(`packets`) and not for delays (`link`). Processor time does not depend on what else runs here, but for caches; it is
counted from `SETTLED_S` on, so that no start is in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import soundfile

from edge.errors import LaennecError
from firmware_bridge.sim import build
from tests.benchmarks.packets import sound

DEVICES, FIRST_ID = 8, 0x5E000001
SETTLED_S, MEASURED_S = 15.0, 30.0
HOST, PORT = "127.0.0.1", 27355
TICKS = os.sysconf("SC_CLK_TCK")


def processor_s(pid: int) -> float:
    """User and system time of a process so far (proc(5)), seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def playing(program: Path, rate_hz: int, codec: str, is_udp: bool, folder: Path) -> Iterator[dict[str, Any]]:
    """Eight simulated devices; the section of the links that hears them."""
    recording = folder / f"{rate_hz}.wav"
    soundfile.write(recording, sound(rate_hz * 5)[0], rate_hz, subtype="PCM_16")
    common = [str(program), "--codec", codec, "--seconds", str(10 * MEASURED_S)]
    if is_udp:
        commands = [[*common, "--devices", str(DEVICES), "--udp", f"{HOST}:{PORT}", str(recording)]]
    else:
        commands = [[*common, "--id", f"{FIRST_ID + k:x}", str(recording)] for k in range(DEVICES)]
    with ExitStack() as stack:
        ports = []
        for command in commands:
            child = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(child.kill)
            assert child.stdout is not None
            ports.append({"port": child.stdout.readline().strip()})
        yield {"udp": {"bind": HOST, "port": PORT}} if is_udp else {"serial": ports}


def measure(link: dict[str, Any], is_run: bool, folder: Path) -> float:
    """Share of one core that the process takes."""
    devices = [{"id": FIRST_ID + k} for k in range(DEVICES)]
    streams = [{"id": f"bed{k}", "source": f"link:0x{FIRST_ID + k:08x}"} for k in range(DEVICES)]
    tree = {
        "node": "bench",
        "streams": streams,
        "link": {"devices": devices, **link},
        "mqtt": {"port": 1},
        "outbox": {"path": str(folder / "outbox.db")},
    }
    (folder / "node.yaml").write_text(json.dumps(tree))  # JSON is YAML
    command = ["run"] if is_run else ["link", "monitor", "--jsonl"]
    log, out = (folder / "log").open("w"), (folder / "out").open("w")
    with (
        log,
        out,
        subprocess.Popen(
            [sys.executable, "-m", "edge", *command, "--config", str(folder / "node.yaml")], stdout=out, stderr=log
        ) as child,
    ):
        try:
            time.sleep(SETTLED_S)
            before_s, began_s = processor_s(child.pid), time.monotonic()
            time.sleep(MEASURED_S)
            return (processor_s(child.pid) - before_s) / (time.monotonic() - began_s)
        finally:
            child.terminate()


def report() -> None:
    """Print the whole table."""
    print(f"link, whole processes, {DEVICES} devices at true pace for {MEASURED_S:g} s, share of one core:")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            program = build(folder)
        except LaennecError as error:
            print(f"  not measured: {error}")
            return
        for rate_hz, codec in ((16_000, "pcm"), (8000, "rice")):
            for is_udp in (True, False):
                shares = []
                for is_run in (False, True):
                    with playing(program, rate_hz, codec, is_udp, folder) as link:
                        shares.append(100 * measure(link, is_run, folder))
                where = f"{rate_hz // 1000} kHz {codec.upper():4} over {'UDP' if is_udp else '8 ptys'}"
                print(f"  {where}: link monitor {shares[0]:.1f} %, run {shares[1]:.1f} %", flush=True)


if __name__ == "__main__":
    report()
