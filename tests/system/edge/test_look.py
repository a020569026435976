"""A bed that somebody looks at, at a real broker: pictures come while they look, and only where they may."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.model.model import load_model
from tests.edge.conftest import Watcher, wait_for
from tests.edge.fakes import LoudnessModel
from tests.edge.node.looking import assert_shows_the_demo, joined, mel_of, scores_of
from tests.edge.wards import ward
from tests.system.edge.ordering import Staff

BED = "laennec/v1/local/n1/s/bed1"
UNDER_TEST = "laennec/v1/local/node/s/bed1"
Run = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts `laennec run` on the demonstration, in real time, with these settings."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(**settings: Any) -> None:
        command = [sys.executable, "-m", "edge", "run", "--config", str(ward(tmp_path, **settings))]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    yield begin
    for child in running:
        child.terminate()
        child.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Run]:
    """Starts a node with noise bursts in real time."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(port: int, **more: str) -> None:
        module = "tests.system.edge.node_under_test"
        command = [sys.executable, "-m", module, str(port), str(tmp_path / "o.db"), "1000", "pace"]
        running.append(
            subprocess.Popen(command, env={**os.environ, **more}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )

    yield begin
    for child in running:
        child.kill()
        child.wait()


def page(port: int) -> list[str]:
    """Lines of the metrics; none where a slow exchange was cut off."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            return list(answer.read().decode().splitlines())
    except (OSError, HTTPException):
        return []


def metric(port: int, name: str) -> float:
    lines = wait_for(lambda: page(port), "metrics")
    return float(next(line for line in lines if line.startswith(f"laennec_{name}")).split()[-1])


def online(watcher: Watcher) -> None:
    """The node is there, and subscribed before it said so."""
    wait_for(lambda: watcher.bodies("/s/bed1/status"), "the bed")


def tiles(watcher: Watcher) -> list[dict[str, Any]]:
    return watcher.bodies("/s/bed1/mel")


def before_a_hole(shown: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Up to where a node that was held up for seconds left sound or pictures out."""
    ends = [tile["sample"]["first"] + tile["columns"] * tile["sample"]["column"] for tile in shown]
    joins = [tile["sample"]["first"] == end for tile, end in zip(shown[1:], ends, strict=False)]
    return shown[: joins.index(False) + 1] if False in joins else shown


def test_a_look_shows_the_sound_and_the_scores_of_a_running_bed_and_ends_with_its_time(
    run: Run, watcher: Watcher
) -> None:
    port = free_port()
    run(mqtt={"port": watcher.port}, look=True, metrics={"port": port})
    online(watcher)
    assert not tiles(watcher)
    terminal = Staff(watcher.port)
    answer = terminal.request("look", BED, id="l1", by="a board", duration_s=30)
    assert (answer["ok"], answer["verb"], answer["stream"]) == (True, "look", "bed1")
    wait_for(lambda: len(tiles(watcher)) >= 6, "pictures")
    wait_for(lambda: any(scores_of(tile).max() > 200 for tile in tiles(watcher)), "pictures of a sound")
    assert terminal.request("look", BED, id="l2", by="a board", duration_s=1)["ok"]
    assert not any(retained for topic, retained, _ in watcher.messages if topic.endswith("/mel"))

    wait_for(lambda: metric(port, "looked_at") == 0, "the end of the look")
    measured = 'stream_audio_seconds_total{state="measurable"'
    for _ in range(2):  # what was on its way may come; then two seconds of sound without any
        count, before_s = len(tiles(watcher)), metric(port, measured)
        wait_for(lambda before_s=before_s: metric(port, measured) > before_s + 2, "more sound")
    assert len(tiles(watcher)) == count
    assert metric(port, "looks_sent_total") == count

    assert terminal.request("look", BED, id="l3", by="a board")["ok"]
    wait_for(lambda: len(tiles(watcher)) > count, "pictures again")
    assert terminal.request("look", BED, id="l4", by="a board", duration_s=0)["ok"]
    terminal.close()
    assert_shows_the_demo(before_a_hole(tiles(watcher)[:count]), load_model())  # last: the recording goes on meanwhile


def test_where_the_settings_do_not_allow_looks_the_command_is_refused_and_nothing_is_published(
    run: Run, watcher: Watcher
) -> None:
    run(mqtt={"port": watcher.port})
    online(watcher)
    terminal = Staff(watcher.port)
    answers = [
        terminal.request("look", BED, id="l1", by="a board"),
        terminal.request("peek", BED, id="l2", by="a board"),
    ]
    terminal.close()
    assert [answer["ok"] for answer in answers] == [False, False]
    assert "`look: true`" in answers[0]["reason"]
    assert "not available: 'peek'" in answers[1]["reason"]
    assert len(terminal.answers) == 2  # each once
    assert not tiles(watcher)


def test_lost_sound_is_seen_as_lost(start: Run, broker: Broker, watcher: Watcher) -> None:
    lost = range(12 * 8000, 12 * 8000 + 800)  # the block that does not come
    start(broker.port, LOOK="1", GAP_AT_S="12", PERIOD_S="100")
    online(watcher)
    terminal = Staff(broker.port)
    assert terminal.request("look", UNDER_TEST, id="l1", by="a board")["ok"]
    wait_for(lambda: watcher.bodies("/s/bed1/gap"), "the gap")
    assert terminal.request("look", UNDER_TEST, id="l2", by="a board")["ok"]
    wait_for(lambda: any(tile["sample"]["first"] > lost.stop for tile in tiles(watcher)), "the sound behind it")
    terminal.close()
    size = LoudnessModel.score_hop_samples
    first, mel, scores = joined(tiles(watcher))
    touched = [column for column in range(first, first + len(mel)) if not mel[column - first].any()]
    gone = [column for column in range(first, first + len(mel)) if {column * size, column * size + size - 1} & {*lost}]
    assert {*gone} <= {*touched} <= {gone[0] - 1, *gone, gone[-1] + 1}
    assert [column - first for column in gone if scores[column - first].any()] == []
    assert scores[gone[0] - first - 2].all()


def test_a_broker_of_3_1_1_carries_looks_as_it_carries_other_commands(start: Run) -> None:
    with Broker("amqtt") as broker:
        watcher, terminal = Watcher(broker.port, v5=False), Staff(broker.port, v5=False)
        start(broker.port, LOOK="1")
        online(watcher)
        assert terminal.request("look", UNDER_TEST, id="l1", by="a board")["ok"]
        wait_for(lambda: len(tiles(watcher)) >= 3, "pictures")
        assert mel_of(tiles(watcher)[-1]).shape == (15, LoudnessModel.spec.bands)
        assert scores_of(tiles(watcher)[-1]).shape == (15, 2)
        terminal.close()
        watcher.close()
