"""Power cuts: the program on the box is killed before every change that it makes to the disk, and at random moments.

Afterwards the old release still runs or the new one is complete, and the next command mends and finishes. A kill is
weaker than a power cut (what was written but not yet on disk survives it); that files are brought to disk before they
are renamed is tested by the order of calls in `test_box_disk.py`.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from deploy.box.layout import Release, read_record
from deploy.tools import PROJECT
from tests.deploy.conftest import CONFIG, Box, until
from tests.deploy.killed import run_until


def _check(box: Box, known: set[str]) -> None:
    """What must hold at every moment: `current` is complete, and a complete release runs or starts."""
    running = box.layout.running()
    assert running in known or running in {release.name for release in box.layout.complete()}
    release = read_record(box.layout.releases / running / "release.json", Release)
    assert release is not None
    assert (box.layout.current / "venv/bin/laennec").exists()
    until(lambda: box.heard() != "", box.health)


def test_killed_before_any_change_of_a_switch_the_old_or_the_new_release_runs(box: Box) -> None:
    first, second = box.install("one"), box.install("two")
    request = {"command": "rollback", "hold_s": 0.0}
    change, finished = 0, 0
    while not finished:
        change += 1
        required = first if box.layout.running() == second else second
        finished = run_until(box, change, {**request, "release": required})
        _check(box, {first, second})
    assert change > 15, "a switch is many changes"
    assert box.layout.running() == required
    assert not box.layout.trial.exists()


def test_killed_before_changes_of_a_deployment_the_next_one_mends_and_finishes(box: Box) -> None:
    first = box.install("one")
    house = box.house("two")
    request = {"command": "install", **box.request(house, "config: second\n"), "is_forced": True}
    change, finished = 1, 0
    while not finished:
        finished = run_until(box, change, request, house)
        _check(box, set())
        assert box.layout.config.read_text() == (CONFIG if box.layout.running() == first else "config: second\n")
        change += 1 if change % 10 > 7 else 3
    assert box.heard() == "two"
    assert box.layout.config.read_text() == "config: second\n"
    assert all((box.layout.releases / name / "release.json").exists() for name in box.releases())
    assert not list(box.layout.base.rglob("*.part"))


def test_killed_during_the_very_first_deployment_nothing_incomplete_is_current(box: Box) -> None:
    house = box.house("one")
    request = {"command": "install", **box.request(house)}
    change, finished = 2, 0
    while not finished:
        finished = run_until(box, change, request, house)
        if box.layout.current.is_symlink():
            assert (box.layout.current / "release.json").exists()
        change += 9
    assert box.heard() == "one"


def test_killed_while_it_is_removed_no_release_counts_as_one_that_is_not_whole(box: Box) -> None:
    for change in range(4, 40, 7):
        folder = box.layout.releases / box.install("one")
        (folder / "venv").rename(folder / "later")  # so that a disk in memory names it before release.json
        (folder / "later").rename(folder / "venv")
        whole = set(folder.rglob("*"))
        run_until(box, change, {"command": "undeploy", "purge": False})
        assert whole <= set(folder.rglob("*")) or not (folder / "release.json").exists(), change


@pytest.mark.parametrize("seed", range(2))
def test_a_workstation_killed_at_a_random_moment_leaves_a_box_that_can_be_deployed_to(
    box: Box, tmp_path: Path, seed: int
) -> None:
    first = box.install("one")
    config = tmp_path / "ward.yaml"
    config.write_text("config: second\n")
    deploy = box.command(box.house("two"), config, "--healthy-s", "0.5")
    child = subprocess.Popen(deploy, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(random.Random(seed).uniform(0.2, 2.5))
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    _check(box, {first})
    subprocess.run(deploy, cwd=PROJECT, check=True, capture_output=True)
    assert box.heard() == "two"
    assert box.layout.config.read_text() == "config: second\n"
