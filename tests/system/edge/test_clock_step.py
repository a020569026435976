"""The wall clock is stepped by an hour, forth and back, while a node runs: only what is told as wall time moves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.clips.folder import find_clip
from edge.commands.demo_broker import Broker
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import LoudnessModel
from tests.edge.streaming import clock_s
from tests.system.edge.consumer import Consumer, mistakes

STEPS_S = (3600.0, -3600.0, 0.0)  # from the true time
AT_EACH = 4  # onsets before the next
HOUR_MS = 3_600_000


@pytest.fixture
def node(broker: Broker, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.system.edge.stepped_node", str(broker.port), str(tmp_path / "o.db")]
    environment = {**os.environ, "CLIPS": str(tmp_path / "clips")}
    quiet = subprocess.DEVNULL
    child = subprocess.Popen(
        [*command, "1000", "pace"], env=environment, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True
    )
    yield child
    child.kill()
    child.communicate()


def onsets(consumer: Consumer) -> list[dict[str, Any]]:
    return [body for body in list(consumer.events) if body["type"] == "onset"]


def moved_s(bodies: list[dict[str, Any]]) -> list[float]:
    """How far the clock was from the true time for each; the wall time of a sample is that of the clock as set then."""
    rate_hz = LoudnessModel.rate_hz
    zeros_s = [clock_s(body["time"]["onset"]) - body["sample"]["onset"] / rate_hz for body in bodies]
    return [round((zero_s - zeros_s[0]) / 3600) * 3600.0 for zero_s in zeros_s]


def test_a_step_of_an_hour_changes_no_order_no_duration_no_clip_and_raises_no_alarm(
    node: subprocess.Popen[str], broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    assert node.stdin is not None
    with closing(Consumer(broker.port)) as consumer:
        wait_for(lambda: len(onsets(consumer)) >= AT_EACH, "events")
        for step_s in STEPS_S:
            node.stdin.write(f"{step_s}\n")
            node.stdin.flush()
            shown = [step_s] * AT_EACH  # by the newest: those that were on their way still have the time before
            wait_for(lambda shown=shown: moved_s(onsets(consumer))[-AT_EACH:] == shown, "events after the step")
        node.terminate()
        node.wait()
        watcher.wait_for_goodbye()
        wait_for(lambda: not mistakes(list(consumer.events)), "the last end")
    events = sorted(
        consumer.first_sights().values(), key=lambda body: body["seq"]
    )  # a live one may go before the first
    rate_hz = LoudnessModel.rate_hz
    assert consumer.seqs_used_twice() == []
    begins = [body["sample"]["onset"] for body in events if body["type"] == "onset"]
    assert begins == sorted(set(begins))
    for body in (body for body in events if body["type"] == "end" and body["sample"]["end"] is not None):
        lasted_s = (body["sample"]["end"] - body["sample"]["onset"]) / rate_hz
        assert clock_s(body["time"]["end"]) - clock_s(body["time"]["onset"]) == pytest.approx(lasted_s, abs=0.002)
    latencies_ms = [body["latency_ms"]["total"] for body in events if body["latency_ms"]["total"] is not None]
    assert latencies_ms
    assert 0 <= min(latencies_ms) <= max(latencies_ms) < HOUR_MS / 2
    assert {*moved_s(onsets(consumer))} == {0.0, *STEPS_S}  # by all the steps, and no more
    assert consumer.transitions == [], "an hour passed for no alarm"
    about = find_clip(tmp_path / "clips", onsets(consumer)[2 * AT_EACH + 1]["id"])
    assert about.start <= onsets(consumer)[2 * AT_EACH + 1]["sample"]["onset"] < about.stop
    uptimes_s = [body["uptime_s"] for body in watcher.bodies("node/health")]
    assert max(uptimes_s) < 1800
