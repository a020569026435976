"""The trend of a whole node: published with its schema, and remembered by a process that is killed at any instant."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.commands.demo_broker import free_port
from edge.delivery.minutes import Minute, read_history
from edge.errors import LaennecError
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for

Node = subprocess.Popen[str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """A node at full speed: an hour of sound takes seconds."""
    running: list[Node] = []

    def begin(port: int, seconds: float) -> Node:
        module = "tests.system.edge.node_under_test"
        command = [sys.executable, "-m", module, str(port), str(tmp_path / "o.db"), str(seconds), "fast"]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def remembered(tmp_path: Path) -> list[Minute]:
    """What is there; nothing while the file is not."""
    try:
        return read_history(tmp_path / "o.db")
    except LaennecError:
        return []


def test_the_trend_of_a_bed_is_retained_and_obeys_its_schema(
    start: Callable[..., Node], watcher: Watcher, tmp_path: Path
) -> None:
    node = start(watcher.port, 190.0)
    node.communicate(timeout=HANGS_S)
    watcher.wait_for_goodbye()
    body = watcher.bodies("/s/bed1/trend")[-1]
    late = Watcher(watcher.port)
    assert wait_for(lambda: late.bodies("/s/bed1/trend"), "the retained trend")[-1] == body
    late.close()
    minute, five, hour = body["windows"]
    assert [minute["known"], five["known"], hour["known"]] == [True, True, False]
    assert 15 < minute["groups"]["continuous"]["s_per_min"] < 45
    assert len(remembered(tmp_path)) == 2 * 3


def test_a_killed_node_leaves_a_history_that_the_next_one_goes_on_with(
    start: Callable[..., Node], tmp_path: Path
) -> None:
    counts = [0]
    for _ in range(3):
        node = start(free_port(), 1e6)
        wait_for(lambda: len(remembered(tmp_path)) >= counts[-1] + 4, "two minutes more")
        node.send_signal(signal.SIGKILL)
        node.communicate(timeout=HANGS_S)
        counts.append(len(remembered(tmp_path)))
    rows = remembered(tmp_path)
    assert counts == sorted(counts)
    assert {(row.stream, row.group) for row in rows} == {("bed1", "continuous"), ("bed1", "discontinuous")}
    assert all(row.measured_s <= 60.0 for row in rows)
    assert len(rows) >= 12
