"""A disk that is full, files that came damaged, and the order in which things are brought to disk."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout, digest_of
from deploy.box.service import Process
from deploy.devices import DeployError
from deploy.release import Software
from deploy.remote import send_command
from tests.deploy.conftest import Box, House

SIZE_MB = 40


@pytest.fixture
def small_disk(tmp_path: Path, standin: Callable[..., House]) -> Iterator[Box]:
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
    error = small_disk.refusal("two", payload=2 * SIZE_MB * 1_000_000)  # it is no part of it: the check passes it
    assert "No space left on device; free some room there" in str(error)
    assert error.state == f"{first} is current and its service is running (runs one config: first)"
    assert small_disk.releases() == [first]
    assert small_disk.install("three").startswith("0002")


def test_a_disk_that_may_only_be_read_is_not_taken_for_another_users(small_disk: Box) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.layout.root], check=True)
    with pytest.raises(DeployError) as caught:
        send_command(small_disk.target, "probe")
    assert "; mend it" in str(caught.value).partition("Read-only file system")[2]


def test_a_disk_that_cannot_hold_a_release_is_seen_before_anything_is_copied(small_disk: Box) -> None:
    house = small_disk.house("one")
    large = {part._replace(size=part.size + 10_000_000): path for part, path in house.software.parts.items()}
    request = small_disk.request(House(house.folder, Software("1", large)))
    with pytest.raises(DeployError, match=r"expected \d+ MB free for .*, found \d+ MB"):
        send_command(small_disk.target, "install", large, **request)
    assert not small_disk.layout.files.exists()


def test_a_file_that_arrives_damaged_is_refused(box: Box) -> None:
    house = box.house("one")
    damaged = {part._replace(sha256=part.sha256[::-1]): path for part, path in house.software.parts.items()}
    request = box.request(House(house.folder, Software("1", damaged)))
    with pytest.raises(DeployError, match="arrived damaged"):
        send_command(box.target, "install", damaged, **request)
    assert not box.releases()


def test_a_file_that_was_damaged_on_the_disk_is_sent_again(box: Box) -> None:
    box.install("one")
    package = "edge/settings/node.py"
    part = next(part for part in box.house("one").software.parts if part.name == package)
    (box.layout.files / part.sha256).write_text("~" * part.size)
    second = next(
        (box.layout.releases / box.install("one", is_forced=True)).glob(f"venv/lib/*/site-packages/{package}")
    )
    assert digest_of(second) == part.sha256
