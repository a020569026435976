"""Clips of a whole node: stored and told of, ordered by a person, never half there; and one heard again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.clips.clip import from_json
from edge.clips.folder import find_clip, read_pcm
from edge.commands.demo_broker import Broker, free_port
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from tests.edge.full_disk import small_disk
from tests.edge.wards import ward
from tests.system.edge.ordering import BED, Staff

Node = subprocess.Popen[str]
HERE = BED.replace("ward/node", "local/node")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    running: list[Node] = []

    def begin(port: int, folder: Path, seconds: float = 1000, pace: str = "fast", **more: str) -> Node:
        module = "tests.system.edge.node_under_test"
        command = [sys.executable, "-m", module, str(port), str(tmp_path / "o.db"), str(seconds), pace]
        environment = {**os.environ, "CLIPS": str(folder), **more}
        child = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
        running.append(child)
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def reported(watcher: Watcher, state: str) -> list[dict[str, Any]]:
    return [body for body in watcher.bodies("/s/bed1/clip") if body["state"] == state]


def assert_every_clip_is_whole(folder: Path) -> None:
    """A file with the name of a clip has everything that belongs to it."""
    for path in folder.glob("*.flac"):
        about = from_json(path.with_suffix(".json").read_bytes())
        assert about is not None
        assert len(read_pcm(folder, about)) == about.stop - about.start


def test_each_event_names_a_clip_that_holds_its_onset(
    start: Callable[..., Node], watcher: Watcher, tmp_path: Path
) -> None:
    start(watcher.port, tmp_path / "clips", 60).communicate(timeout=HANGS_S)
    watcher.catch_up()
    events = watcher.bodies("/event")
    stored = {body["id"]: body for body in reported(watcher, "stored")}
    assert len(events) == 120
    assert {body["clip"]["id"] for body in events} == set(stored)
    for body in events:
        span = stored[body["clip"]["id"]]["sample"]
        assert span["from"] <= max(0, body["sample"]["onset"] - 8 * 8000)
        assert body["sample"]["onset"] < span["to"]
        about = find_clip(tmp_path / "clips", body["id"])
        assert about.start <= body["sample"]["onset"] < about.stop
    assert_every_clip_is_whole(tmp_path / "clips")
    health = watcher.bodies("node/health")[-1]
    assert (health["clips"]["stored"], health["clips"]["files"], health["checks"]["clips"]) == (
        len(stored),
        len(stored),
        "ok",
    )


def test_a_person_orders_the_last_seconds_of_a_bed_once(
    start: Callable[..., Node], broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    terminal = Staff(broker.port)
    start(broker.port, tmp_path / "clips", pace="pace")
    wait_for(lambda: watcher.bodies("/s/bed1/event"), "sound")
    answers = [terminal.request("clip", HERE, id="c1", by="nurse K", seconds=2) for _ in range(2)]
    refused = terminal.request("clip", HERE, id="c2", by="nurse K", seconds=600)
    terminal.close()
    assert answers[0]["ok"], answers
    assert answers[0]["clip"] == answers[1]["clip"]
    assert "at most 30 s are remembered" in refused["reason"]
    body = wait_for(lambda: [each for each in reported(watcher, "stored") if each["of"] == "command"], "the clip")[0]
    assert (body["id"], body["by"]) == (answers[0]["clip"], "nurse K (board)")
    assert 0 < body["sample"]["to"] - body["sample"]["from"] <= 2 * 8000


def test_an_alarm_names_the_clip_of_what_led_to_it(
    start: Callable[..., Node], watcher: Watcher, tmp_path: Path
) -> None:
    # One sound without an end: clips of many would fill the queue before a slow disk, and that of the alarm be dropped.
    start(watcher.port, tmp_path / "clips", 100_000, LIMIT="6", PERIOD_S="100000")
    alarm = "s/bed1/alarm/continuous"
    body = wait_for(lambda: [each for each in watcher.bodies(alarm) if each["signal"] == "On"], "the alarm")[0]
    stored = wait_for(lambda: [each for each in reported(watcher, "stored") if each["of"] == "alarm"], "its clip")[0]
    assert body["clip"] == stored["id"]
    assert stored["alarm"] == {"condition": "continuous", "episode": body["episode"]}


def test_kill_9_at_any_moment_leaves_no_half_clip(start: Callable[..., Node], tmp_path: Path) -> None:
    folder, chance = tmp_path / "clips", random.Random(3)
    for number in range(1, 5):
        node = start(free_port(), folder, 1e6)
        wait_for(lambda least=3 * number: len(list(folder.glob("*.flac"))) >= least, "clips")
        time.sleep(chance.uniform(0, 0.1))
        node.kill()
        node.communicate()
        assert_every_clip_is_whole(folder)
    node = start(free_port(), folder, 1)
    node.communicate(timeout=HANGS_S)
    assert not list(folder.glob("*.partial"))
    assert {path.stem for path in folder.glob("*.json")} == {path.stem for path in folder.glob("*.flac")}


def test_a_full_disk_costs_clips_which_are_counted_and_no_event(
    start: Callable[..., Node], watcher: Watcher, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        start(watcher.port, disk.path / "clips", 60).communicate(timeout=HANGS_S)
        watcher.catch_up()
        health = watcher.bodies("node/health")[-1]
        assert health["clips"]["dropped"]["disk"] == len(reported(watcher, "dropped")) > 0
        assert (health["checks"]["clips"], health["streams"]["disabled"]) == ("warn", 1)
        assert len(watcher.bodies("/event")) == 120
        assert not list(disk.path.glob("clips/*.flac"))


def test_an_event_of_a_node_is_found_again_in_its_clip(tmp_path: Path, watcher: Watcher) -> None:
    config = ward(tmp_path, mqtt={"port": watcher.port}, clips={"path": str(tmp_path / "clips"), "speech": "keep"})
    laennec = [sys.executable, "-m", "edge"]
    subprocess.run([*laennec, "run", "--config", config, "--fast"], check=True, timeout=HANGS_S, capture_output=True)
    ends = wait_for(lambda: [b for b in watcher.bodies("/event") if b["type"] == "end"], "events")
    event = max(ends, key=lambda body: body["scores"]["peak"])
    command = [*laennec, "replay", event["id"], "--config", config]
    done = subprocess.run(command, timeout=HANGS_S, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[2:-1]]
    assert f"{tmp_path / 'clips' / event['clip']['id']}.flac" == done.stdout.splitlines()[0]
    assert [row[-1] for row in rows if row[-1] == "same"], done.stdout
    missing = subprocess.run(
        [*laennec, "replay", "01X", "--config", config], capture_output=True, text=True, check=False
    )
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert "no clip of 01X" in missing.stderr
