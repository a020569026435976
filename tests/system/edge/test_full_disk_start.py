"""`laennec run` on a box whose disks are full: state, cache, home and temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from edge.commands.demo_broker import Broker, free_port
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.edge.conftest import Watcher, wait_for
from tests.edge.full_disk import SmallDisk, small_disk


def laennec_run(port: int, disk: SmallDisk, *options: str) -> subprocess.Popen[str]:
    """Of the command line, with everything that it may want to write on that disk."""
    command = [sys.executable, "-m", "edge", "run", "--source", str(DEMO_AUDIO), "--port", str(port), "--node", "full"]
    home = {name: str(disk.path) for name in ("HOME", "TMPDIR")}
    places = {f"XDG_{name}_HOME": str(disk.path / name.lower()) for name in ("STATE", "CACHE", "CONFIG", "DATA")}
    environment = {**os.environ, **home, **places}
    return subprocess.Popen(
        [*command, *options], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_node_whose_disks_are_all_full_is_not_deaf(tmp_path: Path, broker: Broker, watcher: Watcher) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        summary, log = laennec_run(broker.port, disk, "--fast").communicate(timeout=HANGS_S)
        assert "events, real-time factor" in summary
        assert "disk=refuses action=open" in log
        assert "Traceback" not in log
    watcher.catch_up()
    events = watcher.bodies("/event")
    assert {body["type"] for body in events} == {"onset", "end"}
    numbered = events + watcher.bodies("/transition")  # of the alarm that this disk raises
    seqs = sorted(body["seq"] for body in numbered)
    assert seqs == list(range(events[0]["seq_start"], events[0]["seq_start"] + len(seqs)))
    health = next(body for body in reversed(watcher.bodies("/health")) if "checks" in body)  # of the node, not of a bed
    assert (health["checks"]["outbox"], health["outbox"]["on_disk"]) == ("crit", False)


def test_what_a_full_disk_and_an_absent_broker_make_wait_comes_with_room_and_the_next_run(tmp_path: Path) -> None:
    port = free_port()
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        node = laennec_run(port, disk)
        assert node.stderr is not None
        wait_for(lambda: " end=" in node.stderr.readline(), "an event")  # type: ignore[union-attr]
        disk.free()
        node.send_signal(signal.SIGTERM)
        _, log = node.communicate(timeout=HANGS_S)
        assert "disk=working" in log
        assert "messages wait in" in log
        with Broker("mosquitto", port):
            watcher = Watcher(port)
            laennec_run(port, disk, "--fast").communicate(timeout=HANGS_S)
            watcher.catch_up()
            again = [body for body in watcher.bodies("/event") if body["late"]]
            watcher.close()
    boots = [body["boot_id"] for body in again]
    assert [body["type"] for body in again if body["boot_id"] == boots[0]][:2] == ["onset", "end"]
