"""`python -m tests.benchmarks.beds`: a node with many beds in real time, seen from outside, as a broker's client does.

Plays sound files through `laennec run` and a real broker, all beds begun in the same second, and measures the node's
computing time and memory, and how long after its first sound an event arrives at a subscriber: by the sound's own
clock, the wall time of the sample at which it began. `--program` measures another checkout in the same way. Not for how
many beds a box sustains (`laennec bench`), and no test: it prints, whatever it finds.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import soundfile
import yaml
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import Broker, choose
from edge.settings.names import model_path
from edge.sources.file_search import DEMO_AUDIO

ROOT = Path(__file__).parents[2]
RATE_HZ = 8000
WARM_S = 8.0  # until all beds are heard; not measured
START_S = 60.0
STOP_S = 30.0
DISTINCT = 64  # files: those of 400 beds for ten minutes would take 4 GB
TICKS = os.sysconf("SC_CLK_TCK")  # of /proc/PID/stat, a second


@dataclass(frozen=True)
class Usage:
    """What a process has used."""

    computed_s: float
    """Computing time of all its threads, seconds."""
    resident_mb: float
    threads: int
    files: int
    """Open file descriptors."""


def usage(pid: int) -> Usage:
    """Of a process that runs, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    computed_s = (int(fields[11]) + int(fields[12])) / TICKS
    return Usage(computed_s, int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)


def ward(folder: Path, beds: int, seconds: float, sounds: Sequence[Path], port: int, model: Path | None) -> Path:
    """Settings of a node whose beds hear the sounds one after the other, each from another one on."""
    pool = np.concatenate([_read(path) for path in sounds])
    length, streams = round((WARM_S + seconds + STOP_S) * RATE_HZ), []
    for bed in range(beds):
        path = folder / f"sound{bed % DISTINCT}.wav"
        if bed < DISTINCT:
            turned = np.roll(pool, -(bed * len(pool) // min(beds, DISTINCT)))
            soundfile.write(path, np.resize(turned, length), RATE_HZ, "PCM_16")
        streams.append({"id": f"bed{bed}", "source": str(path)})
    tree = {"node": "bench", "mqtt": {"port": port}, "outbox": {"path": str(folder / "outbox.db")}, "streams": streams}
    tree |= {"model": str(model.resolve())} if model else {}
    settings = folder / "ward.yaml"
    settings.write_text(yaml.safe_dump(tree))
    return settings


def _read(path: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    if rate_hz != RATE_HZ:
        raise SystemExit(f"{path}: {rate_hz} Hz, expected {RATE_HZ} Hz")
    return np.asarray(samples[:, 0])


class Watcher:
    """A subscriber: when the node began, and when each event arrived."""

    def __init__(self, port: int) -> None:
        self.began, self.began_s = threading.Event(), 0.0
        self.late: list[tuple[float, float]] = []
        """Of each onset: when it arrived, seconds since 1970, and how long that was after its first sound, seconds."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        client.on_connect = lambda *_: client.subscribe("laennec/v1/+/bench/#", qos=1)
        client.on_message = lambda _c, _u, message: self._take(message.topic, json.loads(message.payload))
        client.connect("127.0.0.1", port)
        client.loop_start()

    def _take(self, topic: str, body: dict[str, Any]) -> None:
        if topic.endswith("/bench/info"):
            self.began_s = time.time()
            self.began.set()
        if topic.endswith("/event") and body["type"] == "onset":
            onset = datetime.fromisoformat(body["time"]["onset"].replace("Z", "+00:00"))
            self.late.append((time.time(), time.time() - onset.timestamp()))


def run_node(settings: Path, program: Path) -> subprocess.Popen[str]:
    """Begin to run a node, of this or another checkout."""
    command = [sys.executable, "-m", "edge", "run", "--config", str(settings)]
    environment = {**os.environ, "PYTHONPATH": str(program), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def measure(settings: Path, program: Path, seconds: float, watcher: Watcher) -> tuple[Usage, Usage, float]:
    """Run a node: what it had used when loaded and at the end, and the sound of all beds that it judged, s."""
    with run_node(settings, program) as child:
        watcher.began.wait(START_S)
        before = usage(child.pid) if watcher.began.is_set() else Usage(0.0, 0.0, 0, 0)
        time.sleep(WARM_S + seconds)
        if child.poll() is not None:
            raise SystemExit(f"the node ended with exit code {child.returncode}; try  laennec run --config  by hand")
        after = usage(child.pid)
        child.terminate()
        summary = child.communicate(timeout=STOP_S)[0]
    found = re.search(r"measurable ([0-9.]+) s", summary)
    return before, after, float(found[1]) if found else float("nan")


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", nargs="*", type=Path, default=[DEMO_AUDIO], help="sound files of 8 kHz")
    parser.add_argument("--beds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--model", type=model_path, help="default, light or a model artefact")
    parser.add_argument("--program", type=Path, default=ROOT, help="a checkout to be measured instead of this one")
    given = parser.parse_args()
    with TemporaryDirectory() as name, Broker(choose("auto")) as broker:
        folder = Path(name)
        settings = ward(folder, given.beds, given.seconds, given.sounds, broker.port, given.model)
        watcher = Watcher(broker.port)
        before, after, judged_s = measure(settings, given.program, given.seconds, watcher)
    late_s = [late_s for at_s, late_s in watcher.late if at_s >= watcher.began_s + WARM_S] or [float("nan")]
    p50_s, p99_s = np.quantile(late_s, [0.5, 0.99]).tolist()
    cost_s, share = (after.computed_s - before.computed_s) / judged_s, judged_s / given.beds / (WARM_S + given.seconds)
    print(
        f"{given.beds} beds: {1000 * cost_s:.2f} ms of a core for each second of a bed, so {1 / cost_s:.0f} beds to a "
        f"core; {100 * share:.0f} % of the sound judged; {after.resident_mb:.0f} MB (without beds "
        f"{before.resident_mb:.0f} MB), {after.threads} threads, {after.files} files; {len(late_s)} events, first "
        f"sound to subscriber p50 {p50_s:.2f} s, p99 {p99_s:.2f} s"
    )


if __name__ == "__main__":
    main()
