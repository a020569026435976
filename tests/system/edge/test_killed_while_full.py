"""A node that is killed again and again while its disk is full: every sound that was said ends once, in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker, free_port
from tests.conftest import HANGS_S
from tests.edge.conftest import wait_for
from tests.edge.full_disk import SmallDisk, small_disk
from tests.system.edge.consumer import KEEPING, Consumer

Body = dict[str, Any]
KILLS = 3
SOME = 3  # messages


def started(port: int, folder: Path, seconds: float = 1e6) -> subprocess.Popen[str]:
    """A node with a sound every two seconds."""
    command = [sys.executable, "-m", "tests.system.edge.node_under_test", str(port), str(folder / "o.db")]
    return subprocess.Popen(
        [*command, str(seconds), "pace"],
        env={**os.environ, "PERIOD_S": "2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(node: subprocess.Popen[str]) -> str:
    node.send_signal(signal.SIGKILL)
    return node.communicate(timeout=HANGS_S)[1]


def run_until_killed(port: int, disk: SmallDisk, consumer: Consumer, in_mid_run: bool) -> str:
    """Fill the disk before or in mid-run, and kill the node while a sound lasts; what it logged."""
    before = len(consumer.events)
    node = started(port, disk.path / "state")
    if in_mid_run:
        wait_for(lambda: len(consumer.events) >= before + 1, "an event")
        disk.fill()
        before = len(consumer.events)
    wait_for(lambda: len(consumer.events) >= before + SOME and consumer.events[-1]["type"] != "end", "an open event")
    return kill(node)


def by_id(events: list[Body]) -> dict[str, list[Body]]:
    """Of each event its messages in the order in which each came first."""
    found: dict[str, dict[int, Body]] = defaultdict(dict)
    for body in events:
        found[body["id"]].setdefault(body["rev"], body)
    return {ident: list(revs.values()) for ident, revs in found.items()}


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_every_sound_that_was_said_ends_once_though_the_node_was_killed_while_its_disk_was_full(
    tmp_path: Path, kind: str
) -> None:
    port = free_port()
    with (
        small_disk(tmp_path / "disk", kind) as disk,
        Broker("mosquitto", port, KEEPING.format(tmp_path)),
        closing(Consumer(port)) as consumer,
    ):
        logs = [run_until_killed(port, disk, consumer, in_mid_run=True)]
        logs += [run_until_killed(port, disk, consumer, in_mid_run=False) for _ in range(KILLS - 2)]
        disk.free()
        logs += [run_until_killed(port, disk, consumer, in_mid_run=True)]
        disk.free()
        for _ in range(2):
            started(port, disk.path / "state", seconds=0.5).communicate(timeout=HANGS_S)
        wait_for(
            lambda: all(expected[-1]["type"] == "end" for expected in by_id(consumer.events).values()), "every end"
        )
        assert sum("disk=refuses" in log for log in logs) >= KILLS - 1, "it was full"
    assert consumer.seqs_used_twice() == []
    for expected in by_id(consumer.events).values():
        assert expected[0]["type"] == "onset"
        assert [body["type"] for body in expected].count("end") == 1
        assert [body["rev"] for body in expected] == sorted(body["rev"] for body in expected)
    assert_numbers_are_known([*consumer.events, *consumer.transitions])


def assert_numbers_are_known(events: list[Body]) -> None:
    """After each start `seq_before` says how far the one before had come; updates that had no room got numbers, too."""
    starts = {body["seq_start"]: body["seq_before"] for body in events}
    for start, before in starts.items():
        highest = max((body["seq"] for body in events if body["seq"] < start), default=0)
        assert highest <= before < highest + 100
