"""Events of a whole node at a real broker: what each carries, and that a kill doubles and loses nothing of it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for

Node = subprocess.Popen[bytes]
STAGES = ("sound", "window", "scored", "disk", "wire")


@pytest.fixture
def start(tmp_path: Path, broker: Broker) -> Iterator[Callable[..., Node]]:
    """Begins a node whose sounds last 3.5 s of every 4 s, and are told of again every second."""
    running: list[Node] = []

    def begin(seconds: float = 1000, pace: str = "pace") -> Node:
        arguments = [str(broker.port), str(tmp_path / "o.db"), str(seconds), pace]
        command = [sys.executable, "-m", "tests.system.edge.node_under_test", *arguments]
        quiet = subprocess.DEVNULL
        running.append(subprocess.Popen(command, env={**os.environ, "PERIOD_S": "4"}, stdout=quiet, stderr=quiet))
        return running[-1]

    yield begin
    for child in running:
        child.kill()
        child.wait()


def events(watcher: Watcher) -> list[dict[str, Any]]:
    return watcher.bodies("/event")


def test_an_event_of_a_live_stream_says_how_long_each_stage_took(
    start: Callable[..., Node], broker: Broker, watcher: Watcher
) -> None:
    start()
    wait_for(lambda: "end" in [body["type"] for body in events(watcher)], "the end of a sound")
    reported = events(watcher)
    wait_for(lambda: watcher.bodies("node/info"), "what the node is")
    info = watcher.bodies("node/info")[0]
    watcher.close()  # and all obeys the schemas
    assert [body["type"] for body in reported[:2]] == ["onset", "update"]
    for body in reported:
        latency = body["latency_ms"]
        assert all(latency[stage] >= 0 for stage in STAGES), latency
        assert latency["total"] == pytest.approx(sum(latency[stage] for stage in STAGES), abs=0.11)
        assert body["config"] == info["config"]
        assert set(body["time"]["clock"]) == {"synced", "offset_ms", "uncertainty_ms"}
    assert reported[0]["latency_ms"]["sound"] >= 200  # confirmed after .12 s, .08 s of lookahead


def test_kill_9_while_a_sound_lasts_doubles_no_rev_and_every_sound_ends_once(
    start: Callable[..., Node], watcher: Watcher
) -> None:
    chance = random.Random(17)
    for _ in range(4):
        before = len(events(watcher))
        node = start()
        wait_for(lambda before=before: "update" in [each["type"] for each in events(watcher)[before:]], "an update")
        time.sleep(chance.uniform(0, 1.5))
        node.kill()
        node.wait()
    assert start(5, "fast").wait(HANGS_S) == 0
    watcher.catch_up()
    first: dict[tuple[str, int], dict[str, Any]] = {}
    for body in events(watcher):
        before_it = first.setdefault((body["id"], body["rev"]), body)
        assert (before_it["seq"], before_it["type"]) == (body["seq"], body["type"])  # a copy, not another message
    sounds: dict[str, list[tuple[int, str]]] = {}
    for ident, rev in first:  # in the order of arrival
        sounds.setdefault(ident, []).append((rev, first[ident, rev]["type"]))
    for reported in sounds.values():
        assert [rev for rev, _ in reported] == list(range(1, len(reported) + 1))
        assert [kind for _, kind in reported] == ["onset", *["update"] * (len(reported) - 2), "end"]
    cut = [body for body in first.values() if body.get("end_reason") == "restart"]
    assert cut, "a kill in a pause of half a second, four times"
    for body in cut:
        last = first[body["id"], body["rev"] - 1]
        assert body["sample"].get("until") == last["sample"].get("until")
        assert body["scores"] == last["scores"]


def test_updates_of_a_sound_count_its_seconds(start: Callable[..., Node], watcher: Watcher) -> None:
    start(9, "fast").wait(HANGS_S)
    watcher.catch_up()
    decided = sorted(events(watcher), key=lambda body: body["seq"])
    until_s = [body["sample"]["until"] / body["sample"]["rate"] for body in decided if body["type"] == "update"]
    assert [body["type"] for body in decided[:5]] == ["onset", "update", "update", "update", "end"]
    assert [round(b - a, 2) for a, b in pairwise(until_s[:3])] == [1.0, 1.0]
