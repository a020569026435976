"""`python -m tests.benchmarks.ward_soak`: a whole ward for minutes, seen from outside: does anything grow?

64 beds hear a recording in real time, each from another place on, with alarms, clips and metrics on, at a broker with
an independent subscriber. Every 15 s a line says what the node uses and how far it is behind; the last lines, how
memory, threads and files went on after the first fifth, and whether every event came whole and in order of its revs.
Not a test: it prints, whatever it finds, and takes as long as it is asked to. Not for what a bed costs
(`tests.benchmarks.beds`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import yaml

from edge.commands.demo_broker import Broker, free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.benchmarks.beds import RATE_HZ, ROOT, STOP_S, Usage, usage
from tests.edge.conftest import Watcher
from tests.system.edge.consumer import KEEPING, Consumer, mistakes

EVERY_S = 15.0
START_S = (
    600.0  # that a node may take until it hears its beds, on a machine that does much else; files are longer by it
)
RECORDINGS = 8  # beds beyond these share them
SETTLED = 0.2  # share of the time after which nothing may grow
LIMIT_S_PER_MIN = 3.0  # of burden; low, so that there are alarms


def settings(folder: Path, beds: int, seconds: float, port: int) -> Path:
    """Settings of a node with everything on."""
    sound, length = soundfile.read(DEMO_AUDIO, dtype="float32")[0], round(seconds * RATE_HZ)
    for number in range(RECORDINGS):
        turned = np.resize(np.roll(sound, -(number * len(sound) // RECORDINGS)), length)
        soundfile.write(folder / f"sound{number}.wav", turned, RATE_HZ, "PCM_16")
    streams = [{"id": f"bed{n}", "source": str(folder / f"sound{n % RECORDINGS}.wav")} for n in range(beds)]
    burden = {name: {"limit_s_per_min": LIMIT_S_PER_MIN} for name in ("continuous", "discontinuous")}
    tree = {
        "node": "soak",
        "mqtt": {"port": port},
        "streams": streams,
        "alarms": {"burden": burden},
        "outbox": {"path": str(folder / "outbox.db")},
        "clips": {"path": str(folder / "clips"), "max_mb": 50},
        "metrics": {"port": free_port()},
        "self_test": {"every_s": 60},
    }
    path = folder / "ward.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def start(path: Path) -> subprocess.Popen[str]:
    """The node."""
    command, environment = [sys.executable, "-m", "edge", "run", "--config", str(path)], {**os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # as deploy/systemd/laennec.service
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=quiet, text=True)


def line(minutes: float, used: Usage, cores: float, watcher: Watcher, events: int) -> str:
    """What is seen now."""
    told = ""
    for health in watcher.bodies("soak/health")[-1:]:
        told = f", behind {health['lag_s']:.1f} s, left out {health['left_out_s']:.0f} s"
        told += f", waiting {health['outbox']['waiting']}, dropped {health['dropped']}"
    watcher.messages.clear()  # it must not be what grows
    return (
        f"{minutes:5.1f} min  {used.resident_mb:6.1f} MB  {used.threads} threads  {used.files} files  "
        f"{cores:.2f} cores  {events} messages of events{told}"
    )


def watch(pid: int, seconds: float, watcher: Watcher, consumer: Consumer) -> list[tuple[float, Usage]]:
    """What the node uses over time, minutes since the begin."""
    seen, begin_s = [(0.0, usage(pid))], time.monotonic()
    while (passed_s := time.monotonic() - begin_s) < seconds:
        time.sleep(min(EVERY_S, seconds - passed_s))
        (before_min, before), now_min = seen[-1], (time.monotonic() - begin_s) / 60
        seen.append((now_min, usage(pid)))
        cores = (seen[-1][1].computed_s - before.computed_s) / (60 * (now_min - before_min))
        print(line(now_min, seen[-1][1], cores, watcher, len(consumer.events)), flush=True)
    return seen


def growth(seen: Sequence[tuple[float, Usage]]) -> str:
    """How memory, threads and files went on, by a straight line."""
    minutes = np.array([at_min for at_min, _ in seen])
    late = minutes >= SETTLED * minutes[-1]
    used = [each for (_, each), is_late in zip(seen, late, strict=True) if is_late]
    mb = np.array([each.resident_mb for each in used])
    slope = np.polyfit(minutes[late], mb, 1)[0] if len(used) > 1 else 0.0
    threads, files = ([getattr(each, name) for each in used] for name in ("threads", "files"))
    return (
        f"after the first fifth: memory {mb.min():.1f} to {mb.max():.1f} MB, {60 * slope:+.1f} MB an hour; threads "
        f"{min(threads)} to {max(threads)}; files {min(files)} to {max(files)}"
    )


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ward_soak", description=__doc__)
    parser.add_argument("--beds", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    seconds = 60 * given.minutes
    with TemporaryDirectory() as name, Broker("mosquitto", settings=KEEPING.format(name)) as broker:
        path = settings(Path(name), given.beds, seconds + START_S, broker.port)
        with closing(Consumer(broker.port)) as consumer, closing(Watcher(broker.port)) as watcher:
            with start(path) as node:
                while not watcher.bodies("soak/info") and node.poll() is None:
                    time.sleep(0.1)
                seen = watch(node.pid, seconds, watcher, consumer)
                node.terminate()
                summary = node.communicate(timeout=STOP_S)[0]
            time.sleep(1.0)  # what the broker has not passed on
            wrong = mistakes(list(consumer.events), open_at_end=True)  # a last end may wait on disk for the next start
    print(summary.strip())
    print(growth(seen))
    ids = {body["id"] for body in consumer.events}
    print(f"{len(consumer.events)} messages of {len(ids)} events; {wrong or 'none lost, none doubled'}")


if __name__ == "__main__":
    main()
