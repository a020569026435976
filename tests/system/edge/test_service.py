"""A whole node in a process of its own: ends in time, loses nothing, and its death is seen."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edge.commands.demo_broker import Broker, free_port
from edge.delivery.outbox import Outbox
from edge.delivery.outbox_reading import logged_events
from edge.delivery.priority import nothing_dropped
from edge.node.health import release
from edge.node.service import Service
from edge.settings.node import parse_config
from tests.conftest import HANGS_S
from tests.edge.conftest import OF_A_NODE, Watcher, wait_for
from tests.edge.fakes import Bursts, LoudnessModel, RudeBroker
from tests.edge.full_disk import small_disk

Node = subprocess.Popen[str]
STOP_S = 60.0  # the promise is 2 s; a busy machine may take longer, and time is not what fails a test


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    running: list[Node] = []

    def begin(
        port: int, seconds: float = 1000, pace: str = "pace", place: Path | None = None, period_s: int = 1
    ) -> Node:
        command = [
            sys.executable,
            "-m",
            "tests.system.edge.node_under_test",
            str(port),
            str(place or tmp_path / "o.db"),
        ]
        command += [str(seconds), pace]
        environment = {**os.environ, "PERIOD_S": str(period_s)}
        child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        running.append(child)
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def test_a_deployed_node_knows_its_release_and_another_has_none(tmp_path: Path) -> None:
    deployed = tmp_path / "releases/0007-0.1.0-1a2b3c4d"
    (deployed / "venv").mkdir(parents=True)
    assert release(str(deployed / "venv")) is None, "a folder that happens to be named so"
    (deployed / "release.json").touch()
    (tmp_path / "current").symlink_to(deployed)
    assert release(str(tmp_path / "current/venv")) == "0.1.0-1a2b3c4d"
    assert release() is None


def test_a_node_of_many_beds_has_six_threads(broker: Broker, tmp_path: Path) -> None:
    streams = [{"id": f"bed{number}", "source": "bursts"} for number in range(8)]
    tree = {"node": "node", "streams": streams, "mqtt": {"port": broker.port}, "look": True}
    before, stop = {*threading.enumerate()}, threading.Event()
    with closing(Outbox(tmp_path / "outbox.db", 10, 1)) as outbox:
        sources = [Bursts(1000, True) for _ in streams]
        service = Service(parse_config(tree, "test"), LoudnessModel(), sources, outbox)  # type: ignore[arg-type]
        main = threading.Thread(target=service.run, args=(stop,), name="main")
        main.start()
        wait_for(lambda: all(each.status.totals.events for each in service._streams), "an event of each bed")
        names = sorted(each.name for each in {*threading.enumerate()} - before)
        stop.set()
        main.join()
    assert names == ["disk", "main", "mqtt", "read", "read", "score"]


def types(watcher: Watcher) -> list[str]:
    return [body["type"] for body in watcher.bodies("/event")]


def onsets(watcher: Watcher) -> set[str]:
    """Ids of the events that began; a node that died before the broker's answer is followed by one that repeats it."""
    return {body["id"] for body in watcher.bodies("/event") if body["type"] == "onset"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_open_events_and_says_goodbye(
    number: signal.Signals, start: Callable[..., Node], broker: Broker, watcher: Watcher
) -> None:
    node = start(broker.port)
    wait_for(lambda: types(watcher)[-1:] == ["onset"], "an open event")
    node.send_signal(number)
    output, log = node.communicate(timeout=STOP_S)
    assert node.returncode == 0, log
    watcher.wait_for_goodbye()
    assert [watcher.bodies("bed1/status")[-1][key] for key in ("state", "reason")] == ["disabled", "stopped"]
    assert types(watcher)[-1] == "end"
    assert types(watcher).count("onset") == types(watcher).count("end")
    assert "real-time factor" in output
    assert "Traceback" not in log


def test_after_kill_9_the_retained_status_is_the_will_of_the_same_session(
    start: Callable[..., Node], broker: Broker, watcher: Watcher
) -> None:
    node = start(broker.port)
    (birth,) = wait_for(lambda: watcher.bodies("node/status"), "the birth")
    node.kill()
    wait_for(lambda: len(watcher.bodies("node/status")) == 2, "the will")
    later = Watcher(broker.port)
    wait_for(lambda: later.bodies("node/status"), "the retained status")
    (retained,) = later.bodies("node/status")
    later.close()
    assert retained["state"] == "offline"
    assert (retained["session"], retained["boot_id"]) == (birth["session"], birth["boot_id"])


def test_events_of_a_run_without_a_broker_are_delivered_late_by_the_next_run(start: Callable[..., Node]) -> None:
    port = free_port()
    first = start(port)
    wait_for(lambda: first.stdout and first.stdout.readline() == "ready\n", "the start")
    log: list[str] = []
    while not any("end=wheeze" in line for line in log):
        assert first.stderr is not None
        log.append(first.stderr.readline())
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=STOP_S)
    with Broker("mosquitto", port):
        watcher = Watcher(port)
        second = start(port, seconds=1.5)
        second.communicate(timeout=HANGS_S)
        watcher.wait_for_goodbye()
        events = sorted(watcher.bodies("/event"), key=lambda body: body["seq"])  # a live one may go before the first
        watcher.close()
    boots = {body["boot_id"] for body in events}
    assert len(boots) == 2
    assert all(body["late"] for body in events if body["boot_id"] == events[0]["boot_id"])
    assert events[0]["seq"] == 1


def decided(folder: Path) -> set[tuple[str, int]]:
    """(id, rev) of all that the node ever decided, by its own log."""
    return {(body["id"], body["rev"]) for body in logged_events(folder / "o.db")}


def came(watcher: Watcher) -> set[tuple[str, int]]:
    return {(body["id"], body["rev"]) for body in watcher.bodies("/event")}


def test_kill_9_in_mid_run_loses_no_decided_event(start: Callable[..., Node], tmp_path: Path) -> None:
    port, reported = free_port(), 0
    for _ in range(2):
        node = start(port, pace="fast", seconds=100_000)
        assert node.stderr is not None
        for line in node.stderr:
            reported += "=wheeze" in line
            if reported and reported % 40 == 0:
                break
        node.kill()
        reported += node.communicate()[1].count("=wheeze")
    with Broker("mosquitto", port):
        watcher = Watcher(port)
        for _ in range(20):  # a run ends although more waits
            start(port, seconds=0.5).communicate(timeout=HANGS_S)
            watcher.wait_for_goodbye()
            if decided(tmp_path) <= came(watcher):
                break
        assert decided(tmp_path) <= came(watcher)
        events = watcher.bodies("/event")
        watcher.close()
    seqs = [body["seq"] for body in events]
    assert sorted(set(seqs)) == list(range(1, max(seqs) + 1))
    assert len({(body["id"], body["rev"]) for body in events}) == len(set(seqs))


def test_an_event_that_was_open_at_kill_9_gets_one_end_at_the_next_start(
    start: Callable[..., Node], broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    for turn in range(2):
        node = start(broker.port, period_s=60)  # a sound that lasts for a minute, so that it is open when the node dies
        wait_for(lambda turn=turn: len(onsets(watcher)) > turn, "an open event")
        node.kill()
        node.communicate()
    for _ in range(3):  # and killed in the middle of starting; without a sound that may be open by then
        node = start(broker.port, seconds=0)
        wait_for(lambda node=node: node.stdout and node.stdout.readline() == "ready\n", "the start")
        node.kill()
        node.communicate()
    before = len(watcher.bodies("/event"))
    start(broker.port, seconds=2.5, pace="fast").communicate(timeout=HANGS_S)
    wait_for(lambda: decided(tmp_path) <= came(watcher), "every event")
    events = {(body["id"], body["rev"]): body for body in reversed(watcher.bodies("/event"))}
    cut = [body for body in events.values() if body.get("end_reason") == "restart"]
    assert len(cut) == 2
    ended = [body["id"] for body in events.values() if body["type"] == "end"]
    assert sorted(ended) == sorted({ident for ident, _ in events}), "each event ends once"
    assert len({body["seq"] for body in watcher.bodies("/event")}) == len(events)
    for body in cut:
        onset, last = events[body["id"], 1], events[body["id"], body["rev"] - 1]
        assert (body["boot_id"], body["scores"]) == (last["boot_id"], last["scores"])
        assert (body["sample"]["end"], body["time"]["end"]) == (None, None)
        assert body["sample"]["onset"] == onset["sample"]["onset"]
    order = [(body["id"], body["rev"]) for body in watcher.bodies("/event")]
    boots = [body["boot_id"] for body in watcher.bodies("/event")]
    again = set(order[before:])  # behind what had to be sent again, an end waits for the broker's answer
    places = [order.index((body["id"], body["rev"])) for body in cut if (body["id"], body["rev"] - 1) not in again]
    assert max(places, default=-1) < max(map(boots.index, boots))  # before anything of the process that says so


def test_a_run_ends_by_itself_after_its_files_with_one_summary_line(
    start: Callable[..., Node], broker: Broker, watcher: Watcher
) -> None:
    node = start(broker.port, seconds=10, pace="fast")
    output, log = node.communicate(timeout=HANGS_S)
    assert node.returncode == 0, log
    ready, summary = output.splitlines()
    assert ready == "ready"
    assert summary.startswith("received 10.0 s, measurable ")
    watcher.wait_for_goodbye()
    events = sorted(watcher.bodies("/event"), key=lambda body: body["seq"])  # what came before the broker goes last
    assert [body["type"] for body in events] == ["onset", "end"] * 10
    assert [watcher.bodies("bed1/status")[-1][key] for key in ("state", "reason")] == ["disabled", "end of source"]
    info = watcher.bodies("node/info")[-1]
    assert (info["model"]["id"], info["release"]) == ("loudness", None)
    assert sorted(info["schemas"]) == OF_A_NODE
    health = watcher.bodies("node/health")[-1]
    assert health["streams"] == {"ok": 0, "degraded": 0, "lost": 0, "disabled": 1, "unknown": 0}
    assert watcher.bodies("s/bed1/health")[-1]["heard_s"] == 10.0
    assert (info["streams"], watcher.bodies("s/bed1/info")[-1]["rate"]) == (1, 8000)
    assert health["outbox"]["evicted"] == nothing_dropped()
    assert health["outbox"]["on_disk"]


def test_a_node_that_starts_on_a_full_disk_runs_says_so_and_goes_to_disk_when_there_is_room(
    start: Callable[..., Node], broker: Broker, watcher: Watcher, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        node = start(broker.port, place=disk.path / "state" / "o.db")
        wait_for(lambda: watcher.bodies("/event"), "an event")
        health = wait_for(lambda: watcher.bodies("node/health"), "health")[-1]
        assert (health["checks"]["outbox"], health["outbox"]["on_disk"]) == ("crit", False)
        # With an alarm that this disk raises, and sound that a busy machine leaves out.
        first = watcher.bodies("/event")[0]["seq_start"]
        kinds = ("/event", "/transition", "/gap")
        wait_for(lambda: first in [body["seq"] for kind in kinds for body in watcher.bodies(kind)], "the first number")
        assert min(body["seq"] for kind in kinds for body in watcher.bodies(kind)) == first
        disk.free()
        node.send_signal(signal.SIGTERM)  # the last attempt to bring to disk what only memory holds
        _, log = node.communicate(timeout=STOP_S)
        assert node.returncode == 0, log
        assert (disk.path / "state" / "o.db").stat().st_size > 0
        assert "disk=refuses action=open" in log
        assert "disk=working" in log
        assert "Traceback" not in log


def test_health_says_how_many_messages_the_broker_refuses_and_why(start: Callable[..., Node]) -> None:
    rude = RudeBroker("refuse")
    start(rude.port, seconds=10).communicate(
        timeout=HANGS_S
    )  # in real time: health is made anew when the file has ended
    bodies = [
        json.loads(body)
        for topic, body in zip(rude.topics, rude.payloads, strict=True)
        if topic.endswith("node/health")
    ]
    rude.close()
    assert bodies[-1]["checks"]["broker"] == "crit"
    reported = bodies[-1]["broker"]
    assert 1 <= reported["refused"] <= 10, "ends wait for their onsets, of which there is one each second"
    assert (reported["reason"], reported["rival"]) == ("Quota exceeded", "")
