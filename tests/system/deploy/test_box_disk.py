"""A disk that is full, files that came damaged, and the order in which things are brought to disk."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout
from deploy.box.service import Process
from deploy.devices import DeployError
from deploy.release import Wheelhouse
from deploy.remote import ask
from tests.deploy.conftest import Box

SIZE_MB = 40


@pytest.fixture
def small_disk(tmp_path: Path, standin: Callable[..., Wheelhouse]) -> Iterator[Box]:
    """A box on a disk of its own, of `SIZE_MB`."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", tmp_path], capture_output=True
    ).returncode:
        pytest.skip("may not mount a small disk here")
    layout = BoxLayout(str(tmp_path))
    yield Box(layout, standin)
    Process(layout).stop()
    subprocess.run(["umount", "-l", tmp_path], check=True)


def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_release_and_its_room(small_disk: Box) -> None:
    first = small_disk.install("one")
    error = small_disk.refusal("two", payload=2 * SIZE_MB * 1_000_000)  # a few kB as a wheel: the check passes it
    assert "No space left on device; free some room there" in str(error)
    assert error.state == f"{first} is current and its service is running (runs one config: first)"
    assert small_disk.releases() == [first]
    assert small_disk.install("three").startswith("0002")


def test_a_disk_that_may_only_be_read_is_not_taken_for_another_users(small_disk: Box) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.layout.root], check=True)
    with pytest.raises(DeployError) as caught:
        ask(small_disk.target, "probe")
    assert "; mend it" in str(caught.value).partition("Read-only file system")[2]


def test_a_disk_that_cannot_hold_a_release_is_seen_before_anything_is_copied(small_disk: Box) -> None:
    house = small_disk.house("one")
    large = Wheelhouse(house.version, tuple(replace(each, size=each.size + 10_000_000) for each in house.wheels))
    with pytest.raises(DeployError, match=r"expected \d+ MB free for .*, found \d+ MB"):
        ask(small_disk.target, "install", large.wheels, **small_disk.request(house))
    assert not small_disk.layout.wheels.exists()


def test_a_wheel_that_arrives_damaged_is_refused(box: Box) -> None:
    house = box.house("one")
    damaged = tuple(replace(each, sha256="0" * 64) for each in house.wheels)
    with pytest.raises(DeployError, match="arrived damaged"):
        ask(box.target, "install", damaged, **box.request(house))
    assert not box.releases()


def test_a_wheel_that_is_not_the_locked_one_is_not_installed(box: Box) -> None:
    house, other = box.house("one"), box.house("two")
    request = {**box.request(house), "files": box.request(other)["files"]}
    with pytest.raises(DeployError, match="DO NOT MATCH THE HASHES"):
        ask(box.target, "install", house.wheels, **request)
    assert not box.releases()
