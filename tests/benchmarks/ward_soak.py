"""`python -m tests.benchmarks.ward_soak`: a whole ward for minutes, from outside: what grows, what comes late?

64 beds hear a recording in real time, each from another place on, with alarms, clips and metrics on, at a broker with
an independent subscriber. Every 15 s a line says what the node uses, how far it is behind, and how long after its first
sound each onset came to the subscriber; the last lines, how memory, threads and files went on after the first fifth,
and whether every event came whole and in order of its revs. With `--twice S` as many beds again sound for S seconds
after those minutes (before and after they are masked, at a tenth of the cost), then a minute is left to recover.
`--nodes` splits the beds: one process has one interpreter lock, and two on two cores hear more beds.
The broker keeps nothing on disk: as `deploy/mosquitto/setup` has it, it writes all that it holds after each message,
and what is measured is the disk (.4 MB each time for 120 beds; on a busy machine 50 messages a second).
Not a test: it prints, whatever it finds, and takes as long as it is asked to. Not for what a bed costs
(`tests.benchmarks.beds`).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import yaml

from edge.commands.demo_broker import Broker, free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.benchmarks.beds import RATE_HZ, ROOT, STOP_S, Usage, usage
from tests.edge.conftest import Watcher
from tests.system.edge.consumer import Consumer, mistakes

BROKER = "allow_anonymous true\nmax_queued_messages 0"
EVERY_S = 15.0
START_S = 120.0  # that a node may take until it hears its beds; files are longer by it
RECORDINGS = 32  # beds beyond these share them, and their events come at the same moment
SETTLED = 0.2  # share of the time after which nothing may grow
LIMIT_S_PER_MIN = 3.0  # of burden; low, so that there are alarms
RECOVER_S = 60.0  # that are watched after the doubled load
LATE_S = 3.0  # from first sound to subscriber: as long as something takes more, the node has not recovered
BEGIN_S = 30.0  # of which delays do not count: all beds begin at once


@dataclass(frozen=True)
class Plan:
    """What is played."""

    beds: int
    """Of all nodes."""
    nodes: int
    model: str
    """As in the settings."""
    steady_s: float
    twice_s: float
    """For how long as many beds again sound after that; 0: never."""

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.steady_s + (self.twice_s + RECOVER_S if self.twice_s else 0.0)


class Subscriber(Consumer):
    """Notes when each onset came, seconds since 1970, and how long that was after its first sound, seconds."""

    def __init__(self, port: int) -> None:
        self.late: list[tuple[float, float]] = []
        super().__init__(port)

    def _take(self, topic: str, body: dict[str, Any]) -> None:
        super()._take(topic, body)
        if body.get("type") == "onset":
            self.late.append((time.time(), time.time() - _seconds(body["time"]["onset"])))

    def delays(self, begin_s: float, end_s: float) -> str:
        """Of the onsets that came from one moment to another."""
        late_s = [late_s for at_s, late_s in list(self.late) if begin_s <= at_s < end_s]
        p50_s, p99_s = np.quantile(late_s or [float("nan")], [0.5, 0.99]).tolist()
        return f"{len(late_s)} onsets, first sound to subscriber p50 {p50_s:.2f} s, p99 {p99_s:.2f} s"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def settings(folder: Path, plan: Plan, port: int) -> list[Path]:
    """Settings of each node, with everything on."""
    length, sound = round((plan.seconds + START_S) * RATE_HZ), soundfile.read(DEMO_AUDIO, dtype="float32")[0]
    streams = []
    for number in range(RECORDINGS):
        turned = np.resize(np.roll(sound, -(number * len(sound) // RECORDINGS)), length)
        soundfile.write(folder / f"sound{number}.wav", turned, RATE_HZ, "PCM_16")
        if plan.twice_s:
            turned[: round(plan.steady_s * RATE_HZ)] = turned[round((plan.steady_s + plan.twice_s) * RATE_HZ) :] = (
                np.nan
            )
            soundfile.write(folder / f"more{number}.wav", turned, RATE_HZ, "FLOAT")
    for name in ("sound", "more") if plan.twice_s else ("sound",):
        paths = [str(folder / f"{name}{bed % RECORDINGS}.wav") for bed in range(plan.beds)]
        streams += [{"id": f"{name}{bed}", "source": path} for bed, path in enumerate(paths)]
    burden = {name: {"limit_s_per_min": LIMIT_S_PER_MIN} for name in ("continuous", "discontinuous")}
    paths = [folder / f"soak{number}.yaml" for number in range(plan.nodes)]
    for number, path in enumerate(paths):
        tree = {
            "node": path.stem,
            "model": plan.model,
            "mqtt": {"port": port},
            "streams": streams[number :: plan.nodes],
            "alarms": {"burden": burden},
            "outbox": {"path": str(path.with_suffix(".db"))},
            "clips": {"path": str(path.with_suffix(".clips")), "max_mb": 50},
            "metrics": {"port": free_port()},
            "self_test": {"every_s": 60},
        }
        path.write_text(yaml.safe_dump(tree))
    return paths


def start(path: Path) -> subprocess.Popen[str]:
    """The node."""
    command, environment = [sys.executable, "-m", "edge", "run", "--config", str(path)], {**os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}  # as deploy/systemd/laennec.service
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=quiet, text=True)


def usage_of(pids: Sequence[int]) -> Usage:
    """What all nodes use together."""
    used = [usage(pid) for pid in pids]
    return Usage(
        sum(one.computed_s for one in used),
        sum(one.resident_mb for one in used),
        sum(one.threads for one in used),
        sum(one.files for one in used),
    )


def of_nodes(watcher: Watcher, what: str) -> dict[str, Any]:
    """The newest body of each node, by topic."""
    return {topic: body for topic, _, body in list(watcher.messages) if re.search(rf"/soak\d+/{what}$", topic)}


def line(minutes: float, used: Usage, cores: float, newest: dict[str, Any], delays: str) -> str:
    """What is seen now; `newest`: health of each node."""
    reported = ""
    if newest:
        behind_s = max(body["lag_s"] for body in newest.values())
        left_out_s, dropped = (sum(body[name] for body in newest.values()) for name in ("left_out_s", "dropped"))
        waiting = sum(body["outbox"]["waiting"] for body in newest.values())
        reported = f", behind {behind_s:.1f} s, left out {left_out_s:.0f} s, waiting {waiting}, dropped {dropped}"
    return (
        f"{minutes:5.1f} min  {used.resident_mb:6.1f} MB  {used.threads} threads  {used.files} files  "
        f"{cores:.2f} cores  {delays}{reported}"
    )


def watch(pids: Sequence[int], seconds: float, watcher: Watcher, consumer: Subscriber) -> list[tuple[float, Usage]]:
    """What the nodes use over time, minutes since the begin."""
    seen, begin_s = [(0.0, usage_of(pids))], time.monotonic()
    healths: dict[str, Any] = {}
    while (passed_s := time.monotonic() - begin_s) < seconds:
        time.sleep(min(EVERY_S, seconds - passed_s))
        (before_min, before), now_min = seen[-1], (time.monotonic() - begin_s) / 60
        seen.append((now_min, usage_of(pids)))
        cores = (seen[-1][1].computed_s - before.computed_s) / (60 * (now_min - before_min))
        delays = consumer.delays(time.time() - 60 * (now_min - before_min), time.time())
        healths |= of_nodes(watcher, "health")
        watcher.messages.clear()  # it must not be what grows
        print(line(now_min, seen[-1][1], cores, healths, delays), flush=True)
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


def lateness(plan: Plan, began_s: float, consumer: Subscriber) -> list[str]:
    """How late onsets came, before the load was doubled and from then on.

    Args:
        plan: what was played.
        began_s: when, seconds since 1970.
        consumer: that saw it.
    """
    twice_s, back_s = began_s + plan.steady_s, began_s + plan.steady_s + plan.twice_s
    lines = [f"{plan.beds} beds: {consumer.delays(began_s + BEGIN_S, twice_s)}"]
    if plan.twice_s:
        last_s = max([at_s for at_s, late_s in consumer.late if late_s > LATE_S and at_s >= twice_s], default=twice_s)
        lines.append(
            f"{2 * plan.beds} beds for {plan.twice_s:.0f} s: {consumer.delays(twice_s, back_s)}; back to {plan.beds}: "
            f"the last that took more than {LATE_S:g} s came after {max(last_s - back_s, 0):.1f} s"
        )
    return lines


def main() -> None:
    """Run, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ward_soak", description=__doc__)
    parser.add_argument("--beds", type=int, default=64)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--model", default="default", help="default, light or a model artefact")
    parser.add_argument("--twice", type=float, default=0.0, help="seconds of the doubled load after these minutes")
    parser.add_argument("--nodes", type=int, default=1, help="that share the beds")
    given = parser.parse_args()
    plan = Plan(given.beds, given.nodes, given.model, 60 * given.minutes, given.twice)
    with TemporaryDirectory() as name, Broker("mosquitto", settings=BROKER) as broker:
        paths = settings(Path(name), plan, broker.port)
        with (
            closing(Subscriber(broker.port)) as consumer,
            closing(Watcher(broker.port)) as watcher,
            ExitStack() as stack,
        ):
            nodes = [stack.enter_context(start(path)) for path in paths]
            while len(of_nodes(watcher, "info")) < plan.nodes and all(node.poll() is None for node in nodes):
                time.sleep(0.1)
            began_s = time.time()
            try:
                seen = watch([node.pid for node in nodes], plan.seconds, watcher, consumer)
            finally:  # also when one of them is gone
                for node in nodes:
                    node.terminate()
            summaries = [node.communicate(timeout=STOP_S)[0].strip() for node in nodes]
            time.sleep(1.0)  # what the broker has not passed on
            wrong = mistakes(list(consumer.events), open_at_end=True)  # a last end may wait on disk for the next start
    print(*summaries, sep="\n")
    print(growth(seen))
    print(*lateness(plan, began_s, consumer), sep="\n")
    ids = {body["id"] for body in consumer.events}
    print(f"{len(consumer.events)} messages of {len(ids)} events; {wrong or 'none lost, none doubled'}")


if __name__ == "__main__":
    main()
