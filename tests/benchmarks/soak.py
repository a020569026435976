"""`python -m tests.benchmarks.soak`: a node with many beds for a long time: what grows, and whether it tells lateness.

Plays sound files through `laennec run` and a real broker, all beds begun in the same second, and prints a line for each
interval: computing time, memory, threads, open files, the states of the streams as they are retained, and how long
events took from the end of the model's window until they were on disk. Not for the cost of a bed beside that of another
checkout (`tests.benchmarks.beds`), and no test: it prints, whatever it finds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge.commands.demo_broker import Broker, choose
from edge.node.stream_status import BEHIND_S
from edge.sources.file_search import DEMO_AUDIO
from tests.benchmarks.beds import START_S, STOP_S, Usage, run_node, usage, ward


class Listener:
    """A subscriber: the states of the streams, what they say of their lag, and the stages of their events."""

    def __init__(self, port: int) -> None:
        self.began = threading.Event()
        self.states: dict[str, str] = {}
        """Of each stream, as retained."""
        self.late_and_ok = 0
        """How often a stream was more than `BEHIND_S` behind and called itself ok in the same message."""
        self.stored_ms: list[float] = []
        """Of each event since it was last emptied: from the end of its window until it was on disk."""
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        client.on_connect = lambda *_: client.subscribe("laennec/v1/+/bench/#", qos=1)
        client.on_message = lambda _c, _u, message: self._take(message.topic.split("/"), json.loads(message.payload))
        client.connect("127.0.0.1", port)
        client.loop_start()

    def _take(self, topic: list[str], body: dict[str, Any]) -> None:
        kind, is_stream = topic[-1], topic[-3] == "s"
        if kind == "info" and not is_stream:
            self.began.set()
        elif kind == "status" and is_stream:
            self.states[topic[-2]] = body["state"]
        elif kind == "health" and is_stream:
            self.late_and_ok += body["state"] == "ok" and body["lag_s"] > BEHIND_S
        elif kind == "event":
            stages = [body["latency_ms"][name] for name in ("scored", "disk")]
            self.stored_ms += [] if None in stages else [sum(stages)]


def row(at_s: float, before: Usage, now: Usage, every_s: float, listener: Listener) -> str:
    """What one interval was like; the listener begins the next one."""
    stored_ms, listener.stored_ms = listener.stored_ms or [float("nan")], []
    p50_ms, p99_ms = np.quantile(stored_ms, [0.5, 0.99]).tolist()
    states = ", ".join(f"{count} {name}" for name, count in sorted(Counter(listener.states.values()).items()))
    return (
        f"{at_s:6.0f} s  {100 * (now.computed_s - before.computed_s) / every_s:4.0f} % of a core  "
        f"{now.resident_mb:5.0f} MB  {now.threads:3d} threads  {now.files:4d} files  {len(stored_ms):4d} events, "
        f"window to disk p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms  {states}"
    )


def watch(child: subprocess.Popen[str], listener: Listener, seconds: float, every_s: float) -> None:
    """Print a row for each interval, and at the end what it means."""
    first = before = usage(child.pid)
    begin_s, peak_mb = time.monotonic(), 0.0
    for number in range(1, max(round(seconds / every_s), 1) + 1):
        time.sleep(max(0.0, begin_s + number * every_s - time.monotonic()))
        if child.poll() is not None:
            raise SystemExit(f"the node ended with exit code {child.returncode}; try  laennec run --config  by hand")
        now = usage(child.pid)
        print(row(number * every_s, before, now, every_s, listener), flush=True)
        first = now if number == 1 else first
        before, peak_mb = now, max(peak_mb, now.resident_mb)
    print(
        f"from the first to the last interval {before.resident_mb - first.resident_mb:+.1f} MB, "
        f"{before.threads - first.threads:+d} threads, {before.files - first.files:+d} files; peak {peak_mb:.0f} MB; "
        f"more than {BEHIND_S:g} s behind and ok {listener.late_and_ok} times"
    )


def main() -> None:
    """Run one node and watch it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", nargs="*", type=Path, default=[DEMO_AUDIO], help="sound files of 8 kHz")
    parser.add_argument("--beds", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--every", type=float, default=60.0, help="interval of the rows, seconds")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--program", type=Path, default=Path(__file__).parents[2], help="another checkout")
    given = parser.parse_args()
    with TemporaryDirectory() as name, Broker(choose("auto")) as broker:
        settings = ward(Path(name), given.beds, given.seconds, given.sounds, broker.port, given.model)
        listener = Listener(broker.port)
        with run_node(settings, given.program) as child:
            listener.began.wait(START_S)
            try:
                watch(child, listener, given.seconds, given.every)
            finally:
                child.terminate()
                print(child.communicate(timeout=STOP_S)[0].strip())


if __name__ == "__main__":
    main()
