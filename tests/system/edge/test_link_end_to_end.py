"""A device in C on a real pty, through the bridge and the default detector, to a real broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.commands.demo_broker import Broker
from edge.errors import ConfigError
from firmware_bridge.sim import build
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from training.synthetic.scene import scene

CRACKLE_S = 3.2
DEVICE = "0x5e000001"
LAENNEC = """
import runpy
from edge.node import inbox, scheduling
inbox.LIMIT_S = scheduling.MOST_WORK_S = 60.0  # a busy machine is late, but leaves no sound out
runpy.run_module("edge", run_name="__main__")
"""
PATIENT = ("--queue", 500)  # packets: all of it, for a busy machine may not read for longer than a device can wait


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return build(tmp_path_factory.mktemp("sim"))
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def breath(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 s of breath of a synthetic patient whose only crackles begin at 3.20 s."""
    samples, sounds = scene(142, 14.0, labels=["fine_crackle"], distractors=False)
    (crackles,) = (sound for sound in sounds if sound.label == "fine_crackle")
    first = round((crackles.onset_s - CRACKLE_S) * 8000)
    path = tmp_path_factory.mktemp("sound") / "breath.wav"
    soundfile.write(path, np.asarray(samples[first:], np.float32), 8000, subtype="PCM_16")
    return path


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(*command: object) -> subprocess.Popen[str]:
        log = (tmp_path / f"log{len(running)}").open("w")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        child = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=log, text=True, env=environment
        )
        log.close()
        running.append(child)
        return child

    yield begin
    for child in running:
        child.kill()
        child.communicate()


def node(start: Start, folder: Path, link: dict[str, object], broker: Broker) -> subprocess.Popen[str]:
    """`laennec run` with one stream of the simulated device."""
    section = {"devices": [{"id": DEVICE, "name": "chest"}], **link}
    tree = {
        "node": "node",
        "streams": [{"id": "bed1", "source": "link:chest"}],
        "link": section,
        "mqtt": {"port": broker.port},
        "outbox": {"path": str(folder / "outbox.db")},
    }
    (folder / "node.yaml").write_text(json.dumps(tree))  # JSON is YAML
    return start(sys.executable, "-c", LAENNEC, "run", "--config", folder / "node.yaml")


def played(start: Start, folder: Path, broker: Broker, watcher: Watcher, *options: object) -> dict[str, int]:
    """Play through a pty that the node hears; what the device counted, once the node has ended."""
    simulated = start(*options)
    assert simulated.stdout is not None
    port = folder / "stethoscope"  # a name of its own: the bare one is soon that of another test's device
    port.symlink_to(simulated.stdout.readline().strip())
    running = node(start, folder, {"serial": [{"port": str(port)}]}, broker)
    wait_for(lambda: watcher.bodies("node/status"), "the node")
    output = json.loads(simulated.stdout.readline())
    port.unlink()
    wait_for(lambda: watcher.bodies("bed1/status")[-1:] and watcher.bodies("bed1/status")[-1]["state"] == "lost", "end")
    running.send_signal(signal.SIGTERM)
    assert running.wait(HANGS_S) == 0
    watcher.catch_up()
    return dict(output)


def test_a_known_crackle_arrives_as_one_event_at_its_time_with_its_device(
    start: Start, tmp_path: Path, device: Path, breath: Path, broker: Broker, watcher: Watcher
) -> None:
    output = played(start, tmp_path, broker, watcher, device, *PATIENT, breath)
    assert output["lost"] == output["dropped"] == 0
    onset, end = watcher.bodies("bed1/event")
    assert (onset["type"], end["type"], onset["id"] == end["id"]) == ("onset", "end", True)
    assert onset["device"] == DEVICE
    assert onset["label"].endswith("crackle")
    assert onset["sample"]["onset"] / onset["sample"]["rate"] == pytest.approx(CRACKLE_S, abs=0.1)
    assert not watcher.bodies("bed1/gap")
    health = watcher.bodies("s/bed1/health")[-1]
    assert health["device"]["id"] == DEVICE
    assert (health["device"]["battery_percent"], health["gaps"]) == (90, 0)
    assert "lost" in {body["state"] for body in watcher.bodies("bed1/status")}


@pytest.mark.parametrize("seed", [1, 2])
def test_with_loss_the_crackle_arrives_or_the_stream_is_not_called_ok(
    seed: int, start: Start, tmp_path: Path, device: Path, breath: Path, broker: Broker, watcher: Watcher
) -> None:
    output = played(start, tmp_path, broker, watcher, device, *PATIENT, "--loss", 0.05, "--seed", seed, breath)
    assert output["lost"] > 10
    onsets = [body for body in watcher.bodies("bed1/event") if body["type"] == "onset"]
    for body in onsets:  # no event but the true one
        assert body["sample"]["onset"] / 8000 == pytest.approx(CRACKLE_S, abs=0.6)
    degraded = [body["reason"] for body in watcher.bodies("bed1/status") if body["state"] == "degraded"]
    assert onsets or any("not measurable: choppy" in reason for reason in degraded)


def test_the_time_of_an_event_is_that_of_the_sound_not_of_its_arrival(
    start: Start, tmp_path: Path, device: Path, breath: Path, broker: Broker, watcher: Watcher
) -> None:
    def wall(body: dict[str, dict[str, str]]) -> float:
        return datetime.fromisoformat(body["time"]["onset"].replace("Z", "+00:00")).timestamp()

    played(start, tmp_path, broker, watcher, device, *PATIENT, "--stall", "3.5:2", breath)
    (onset,) = [body for body in watcher.bodies("bed1/event") if body["type"] == "onset"]
    published = datetime.fromisoformat(onset["time"]["published"].replace("Z", "+00:00")).timestamp()
    assert onset["sample"]["onset"] / 8000 == pytest.approx(CRACKLE_S, abs=0.1)
    assert published - wall(onset) > 1.5  # the sound waited 2 s in the device's queue
