"""A whole node and its broker, either killed, stopped or without a disk, counted at an independent subscriber."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.outbox_reading import alarm_log, logged_events
from edge.ward.alarm_records import NOT_PUBLISHED, Transition
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from tests.edge.full_disk import small_disk
from tests.system.edge.consumer import KEEPING, Consumer, mistakes

Start = Callable[..., subprocess.Popen[str]]
ALARM = "s/bed1/alarm/continuous"
ROOMY = """
import sys
from edge.delivery import dispatch
dispatch.INBOX_MESSAGES = 10**6  # at full speed a disk that stalls for a moment would fill it
dispatch.BEHIND_S = 10**6  # a busy machine is late, and what its updates say would make room
from tests.system.edge.node_under_test import main
main(*sys.argv[1:])
"""
RUNS = 100  # more than ever are needed; each brings a thousand messages or all


@pytest.fixture
def start() -> Iterator[Start]:
    """A node at full speed; its bursts last half a minute, so that an event and the alarm are open most of the time."""
    running: list[subprocess.Popen[str]] = []

    def begin(port: int, folder: Path, seconds: float = 1e6, **more: str) -> subprocess.Popen[str]:
        arguments = [str(port), str(folder / "o.db"), str(seconds), "fast"]
        command = [sys.executable, "-c", ROOMY, *arguments]
        environment = {**os.environ, "LIMIT": "6", "PERIOD_S": "30", **more}
        quiet = subprocess.DEVNULL
        running.append(subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, text=True))
        return running[-1]

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def report(broker: Broker, number: signal.Signals) -> None:
    assert broker._process is not None
    broker._process.send_signal(number)


def finish(start: Start, port: int, folder: Path, consumer: Consumer) -> None:
    """Last, short runs that end what is open and deliver what waits; until the subscriber has all of it."""
    for _ in range(RUNS):
        start(port, folder, seconds=0.5).communicate(timeout=HANGS_S)  # a run ends although more waits
        time.sleep(0.5)
        if decided(folder) <= set(consumer.first_sights()) and recorded(folder) <= reported(consumer):
            return
    pytest.fail(f"something waits after {RUNS} runs")


def decided(folder: Path) -> set[tuple[str, int]]:
    """(id, rev) of all that the node ever decided, by its own log."""
    return {(body["id"], body["rev"]) for body in logged_events(folder / "o.db")}


def recorded(folder: Path) -> set[tuple[str, int, str]]:
    """What is told of the changes of alarms, by the log of the node."""
    changes = [each for each in alarm_log(folder / "o.db").records if isinstance(each, Transition)]
    return {(each.key.condition, each.state.rev, each.cause) for each in changes if each.cause not in NOT_PUBLISHED}


def reported(consumer: Consumer) -> set[tuple[str, int, str]]:
    return {(body["condition"], body["rev"], body["cause"]) for body in consumer.transitions}


def assert_nothing_lost_or_doubled(folder: Path, consumer: Consumer) -> None:
    assert mistakes(list(consumer.events)) == []
    assert set(consumer.first_sights()) == decided(folder)
    assert consumer.seqs_used_twice() == []
    assert reported(consumer) == recorded(folder)
    revs = [(body["condition"], body["rev"]) for body in consumer.transitions]
    assert len(set(revs)) == len(reported(consumer)), "one rev, two causes"


def kill_node(node: subprocess.Popen[str], broker: Broker, chance: random.Random) -> None:
    node.kill()
    node.wait()


def stop_broker(node: subprocess.Popen[str], broker: Broker, chance: random.Random) -> None:
    """It hangs; meanwhile the node may die."""
    report(broker, signal.SIGSTOP)
    time.sleep(chance.uniform(0.1, 1.0))
    if chance.random() < 0.5:
        kill_node(node, broker, chance)
    report(broker, signal.SIGCONT)


def restart_broker(node: subprocess.Popen[str], broker: Broker, chance: random.Random) -> None:
    """It ends and comes again; meanwhile the node may die."""
    broker.stop()
    time.sleep(chance.uniform(0.0, 0.5))
    if chance.random() < 0.5:
        kill_node(node, broker, chance)
    broker.start()


def test_random_kills_of_the_node_and_outages_of_the_broker_lose_nothing_and_double_nothing(
    start: Start, tmp_path: Path
) -> None:
    chance, port = random.Random(20), free_port()
    blows = [kill_node, stop_broker, restart_broker, kill_node, stop_broker, restart_broker]
    chance.shuffle(blows)
    with Broker("mosquitto", port, KEEPING.format(tmp_path)) as broker, closing(Consumer(port)) as consumer:
        node = start(port, tmp_path)
        for blow in blows:
            seen, changes = len(consumer.events), len(consumer.transitions)
            wait_for(lambda seen=seen: len(consumer.events) > seen + 5, "events")
            wait_for(lambda changes=changes: changes or consumer.transitions, "the alarm")
            time.sleep(chance.uniform(0.0, 0.3))
            blow(node, broker, chance)
            if node.poll() is not None:
                node = start(port, tmp_path)
        kill_node(node, broker, chance)
        finish(start, port, tmp_path, consumer)
        assert_nothing_lost_or_doubled(tmp_path, consumer)
        watcher = Watcher(port)
        now = wait_for(lambda: watcher.bodies(ALARM), "the retained alarm")[-1]
        watcher.close()
    last = [each for each in alarm_log(tmp_path / "o.db").records if isinstance(each, Transition)]
    state = next(each.state for each in reversed(last) if each.key.condition == "continuous")
    assert (now["signal"], now["episode"], now["rev"]) == (state.signal, state.episode, state.rev)
    assert {body["cause"] for body in consumer.transitions} >= {"raised"}


def test_a_broker_that_is_stopped_hears_everything_when_it_goes_on(start: Start, tmp_path: Path) -> None:
    port = free_port()
    with Broker("mosquitto", port, KEEPING.format(tmp_path)) as broker, closing(Consumer(port)) as consumer:
        node = start(port, tmp_path)
        wait_for(lambda: len(consumer.events) > 5, "events")
        before = len(decided(tmp_path))
        report(broker, signal.SIGSTOP)
        wait_for(lambda: len(decided(tmp_path)) > before + 200, "detection goes on")
        report(broker, signal.SIGCONT)
        node.terminate()
        node.wait()
        finish(start, port, tmp_path, consumer)
        assert_nothing_lost_or_doubled(tmp_path, consumer)


def test_a_broker_whose_disk_is_full_passes_everything_on(start: Start, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as opened:
        disk = opened.enter_context(small_disk(tmp_path / "disk"))
        broker = opened.enter_context(Broker("mosquitto", port, KEEPING.format(disk.path)))
        consumer = opened.enter_context(closing(Consumer(port)))
        node = start(port, tmp_path)
        wait_for(lambda: len(consumer.events) > 5, "events")
        disk.fill()
        report(broker, signal.SIGUSR1)  # save now
        before = len(consumer.events)
        wait_for(lambda: len(consumer.events) > before + 100, "events through a broker that cannot save")
        node.terminate()
        node.wait()
        finish(start, port, tmp_path, consumer)
        assert_nothing_lost_or_doubled(tmp_path, consumer)
