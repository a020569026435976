"""A disk that is full, files that came damaged, and the order in which things are brought to disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.box.durable import point, read_record, write_record, write_whole
from deploy.box.place import Place, Trial
from deploy.box.process import Process
from deploy.errors import DeployError
from deploy.session import Target, ask
from deploy.transport import Local
from deploy.wheelhouse import Wheelhouse
from tests.deploy.conftest import Box

SIZE_MB = 40


@pytest.fixture
def small_disk(tmp_path: Path, standin: Callable[..., Wheelhouse]) -> Iterator[Box]:
    """A box on a disk of its own, of `SIZE_MB`."""
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", tmp_path], capture_output=True
    ).returncode:
        pytest.skip("may not mount a small disk here")
    place = Place(str(tmp_path))
    yield Box(place, standin)
    Process(place).stop()
    subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.system
def test_a_disk_that_fills_up_in_the_middle_leaves_the_old_release_and_its_room(small_disk: Box) -> None:
    first = small_disk.install("one")
    error = small_disk.refusal("two", payload=2 * SIZE_MB * 1_000_000)  # a few kB as a wheel: the check passes it
    assert "No space left on device; free some room there" in str(error)
    assert error.state == f"{first} is current and its service is running (runs one config: first)"
    assert small_disk.releases() == [first]
    assert small_disk.install("three").startswith("0002")


@pytest.mark.system
def test_a_disk_that_may_only_be_read_is_not_taken_for_another_users(small_disk: Box) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.place.root], check=True)
    with pytest.raises(DeployError, match=r"Read-only file system.*; mend it"):
        ask(small_disk.target, "probe")


def test_a_root_that_is_a_file_is_not_taken_for_another_users(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DeployError, match="Not a directory"):
        ask(Target(Local(), str(tmp_path / "file")), "probe")


@pytest.mark.system
def test_a_disk_that_cannot_hold_a_release_is_seen_before_anything_is_copied(small_disk: Box) -> None:
    house = small_disk.house("one")
    large = Wheelhouse(house.version, tuple(replace(each, size=each.size + 10_000_000) for each in house.wheels))
    with pytest.raises(DeployError, match=r"expected \d+ MB free for .*, found \d+ MB"):
        ask(small_disk.target, "install", large.wheels, **small_disk.request(house))
    assert not small_disk.place.wheels.exists()


@pytest.mark.system
def test_a_wheel_that_arrives_damaged_is_refused(box: Box) -> None:
    house = box.house("one")
    damaged = tuple(replace(each, sha256="0" * 64) for each in house.wheels)
    with pytest.raises(DeployError, match="arrived damaged"):
        ask(box.target, "install", damaged, **box.request(house))
    assert not box.releases()


@pytest.mark.system
def test_a_wheel_that_is_not_the_locked_one_is_not_installed(box: Box) -> None:
    house, other = box.house("one"), box.house("two")
    request = {**box.request(house), "files": box.request(other)["files"]}
    with pytest.raises(DeployError, match="DO NOT MATCH THE HASHES"):
        ask(box.target, "install", house.wheels, **request)
    assert not box.releases()


ORDER = """
import os, sys
from pathlib import Path
from deploy.box import durable
done = []
for name in ("fsync", "replace"):
    def spy(*args, name=name, real=getattr(os, name)):
        target = os.readlink(f"/proc/self/fd/{args[0]}") if name == "fsync" else args[0]
        done.append((name, os.path.basename(target)))
        return real(*args)
    setattr(os, name, spy)
durable.write_whole(Path(sys.argv[1], "file"), b"content")
durable.point(Path(sys.argv[1], "link"), "file")
print(done)
"""


def test_content_is_on_disk_before_it_is_renamed_and_the_folder_after(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ORDER, tmp_path], capture_output=True, text=True, check=True)
    folder = tmp_path.name
    assert done.stdout.strip() == repr(
        [
            ("fsync", "file.part"),
            ("replace", "file.part"),
            ("fsync", folder),
            ("replace", ".link.new"),
            ("fsync", folder),
        ]
    )
    assert (tmp_path / "link").read_text() == "content"


def test_a_link_is_moved_even_when_an_earlier_attempt_was_cut_off(tmp_path: Path) -> None:
    (tmp_path / ".current.new").symlink_to("half")
    point(tmp_path / "current", "one")
    point(tmp_path / "current", "two")
    assert (tmp_path / "current").readlink() == Path("two")
    assert [path.name for path in tmp_path.iterdir()] == ["current"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"new": "a"}', '{"unknown": 1}', "null"])
def test_a_record_that_is_not_one_counts_as_none(tmp_path: Path, text: str) -> None:
    write_whole(tmp_path / "trial.json", text.encode())
    assert read_record(tmp_path / "trial.json", Trial) is None


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    trial = Trial("0002-a", "", had_config=True, is_untried=False)
    write_record(tmp_path / "trial.json", trial)
    assert read_record(tmp_path / "trial.json", Trial) == trial
