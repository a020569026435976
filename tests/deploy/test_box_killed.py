"""Power cuts: the program on the box is killed before every change that it makes to the disk, and at random moments.

Afterwards the old release still runs or the new one is complete, and the next command mends and finishes. A kill is
weaker than a power cut (what was written but not yet on disk survives it); that files are brought to disk before they
are renamed is tested by the order of calls in `test_box_durable.py`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest

from deploy.box.durable import read_record
from deploy.box.place import Release
from deploy.wheelhouse import PROJECT, Wheelhouse
from tests.deploy.conftest import CONFIG, Box

pytestmark = pytest.mark.system

# Runs one request as deploy.box does, and kills itself before the change number argv[1]; prints the number at the end.
DIES = """
import os, signal, sys
changes, limit = 0, int(sys.argv[1])
def watch(event, args):
    global changes
    is_change = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "subprocess.Popen", "os.kill")
    if is_change or event == "open" and args[2] and args[2] & (os.O_WRONLY | os.O_RDWR):
        changes += 1
        if changes == limit:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
from deploy.box.__main__ import main
main(sys.stdin.buffer, sys.stdout.buffer)
print(changes, file=sys.stderr)
"""


def _run_until(box: Box, change: int, request: dict[str, Any], house: Wheelhouse | None = None) -> int:
    """Ask the box, killing it before that change; how many changes there were, 0 if it was killed."""
    wheels = house.wheels if house else ()
    request = {**request, "root": str(box.place.root), "systemd": False}
    request["wheels"] = [{"name": each.path.name, "size": each.size, "sha256": each.sha256} for each in wheels]
    with subprocess.Popen(
        [sys.executable, "-c", DIES, str(change)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        told = _converse(child.stdin, child.stdout, request, {each.path.name: each.path for each in wheels})
        counted = child.stderr.read().decode().strip()
    if child.returncode == -signal.SIGKILL:
        return 0
    assert '"error"' not in told, told
    return int(counted)


def _converse(given: IO[bytes], told: IO[bytes], request: dict[str, Any], wheels: dict[str, Path]) -> str:
    """Everything that was told; standard input stays open, for the workstation is there."""
    lines = []
    with suppress(BrokenPipeError):
        given.write(json.dumps(request).encode() + b"\n")
        given.flush()
        for line in told:
            lines.append(line.decode())
            for name in json.loads(line).get("want", []):
                given.write(wheels[name].read_bytes())
                given.flush()
    return "".join(lines)


def _check(box: Box, known: set[str]) -> None:
    """What must hold at every moment: `current` is complete, and a complete release runs or starts."""
    running = box.place.running()
    assert running in known or running in {release.name for release in box.place.complete()}
    release = read_record(box.place.releases / running / "release.json", Release)
    assert release is not None
    assert (box.place.current / "venv/bin/laennec").exists()
    until_s = time.monotonic() + 20
    while box.health().phase != "ready" and time.monotonic() < until_s:
        time.sleep(0.02)
    assert box.health().phase == "ready"


def test_killed_before_any_change_of_a_switch_the_old_or_the_new_release_runs(box: Box) -> None:
    first, second = box.install("one"), box.install("two")
    request = {"command": "rollback", "hold_s": 0.0}
    change, finished = 0, 0
    while not finished:
        change += 1
        wanted = first if box.place.running() == second else second
        finished = _run_until(box, change, {**request, "release": wanted})
        _check(box, {first, second})
    assert change > 15, "a switch is many changes"
    assert box.place.running() == wanted
    assert not box.place.trial.exists()


def test_killed_before_changes_of_a_deployment_the_next_one_mends_and_finishes(box: Box) -> None:
    box.install("one")
    house = box.house("two")
    request = {"command": "install", **box.request(house, "config: second\n")}
    change, finished = 1, 0
    while not finished:
        finished = _run_until(box, change, request, house)
        _check(box, set())
        assert box.place.config.read_text() in (CONFIG, "config: second\n")
        change += 1 if change % 10 > 7 else 3
    assert box.health().words == "two"
    assert box.place.config.read_text() == "config: second\n"
    assert all((box.place.releases / name / "release.json").exists() for name in box.releases())
    assert not list(box.place.base.rglob("*.part"))


def test_killed_during_the_very_first_deployment_nothing_incomplete_is_current(box: Box) -> None:
    house = box.house("one")
    request = {"command": "install", **box.request(house)}
    change, finished = 2, 0
    while not finished:
        finished = _run_until(box, change, request, house)
        if box.place.current.is_symlink():
            assert (box.place.current / "release.json").exists()
        change += 9
    assert box.health().words == "one"


@pytest.mark.parametrize("seed", range(4))
def test_a_workstation_killed_at_a_random_moment_leaves_a_box_that_can_be_deployed_to(
    box: Box, tmp_path: Path, seed: int
) -> None:
    first = box.install("one")
    config = tmp_path / "ward.yaml"
    config.write_text("config: second\n")
    folder = box.house("two").wheels[0].path.parent
    deploy = [sys.executable, "-m", "deploy", "install", "--device", "local", "--root", str(box.place.root),
              "--wheelhouse", str(folder), "--config", str(config), "--healthy-s", "0.5"]  # fmt: skip
    child = subprocess.Popen(deploy, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.Random(seed).uniform(0.2, 2.5))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    _check(box, {first})
    subprocess.run(deploy, cwd=PROJECT, check=True, capture_output=True)
    assert box.health().words == "two"
    assert box.place.config.read_text() == "config: second\n"
