"""What an archive holds: folders, patterns, tar and zip; what is damaged or hostile is an item with its reason."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edge.archive.item import Item
from edge.archive.listing import items
from edge.errors import SourceError
from tests.edge.archive.made import tar


def names(*named: Path | str) -> list[str]:
    return sorted(item.name for item in items([str(each) for each in named]))


def test_a_folder_gives_its_sounds_and_what_is_in_its_containers(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("one.wav", "x/two.FLAC", "x/y/three.mp3", "x/readme.md", ".secret.wav"):
        (tmp_path / name).write_bytes(b"s")
    tar(tmp_path / "x" / "t.tar")
    assert names(tmp_path) == [
        f"{tmp_path}/one.wav", f"{tmp_path}/x/t.tar::../../c.wav", f"{tmp_path}/x/t.tar::a.wav",
        f"{tmp_path}/x/t.tar::deep/b.flac", f"{tmp_path}/x/t.tar::link.wav", f"{tmp_path}/x/two.FLAC",
        f"{tmp_path}/x/y/three.mp3",
    ]  # fmt: skip


def test_a_pattern_gives_what_it_matches(tmp_path: Path) -> None:
    for name in ("a1.wav", "a2.wav", "b1.wav", "a.txt"):
        (tmp_path / name).write_bytes(b"s")
    assert names(f"{tmp_path}/a*") == [f"{tmp_path}/a1.wav", f"{tmp_path}/a2.wav"]
    assert names(f"{tmp_path}/**/b1.wav") == [f"{tmp_path}/b1.wav"]


def test_a_file_that_is_named_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "sound").write_bytes(b"abc")
    (found,) = items([str(tmp_path / "sound")])
    assert (found.name, found.size, found.is_member) == (f"{tmp_path}/sound", 3, False)


def test_what_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing there; give sound files"):
        names(tmp_path / "gone")
    with pytest.raises(SourceError, match=r"nothing there; give sound files"):
        names(f"{tmp_path}/*.wav")


@pytest.mark.parametrize("name", ["t.tar", "t.tgz", "z.zip"])
def test_a_container_that_is_none_is_an_item_with_its_reason(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no container at all")
    (found,) = items([str(tmp_path)])
    assert found.reason.endswith("copy it again")
    assert str(tmp_path / name) in found.reason


def test_a_container_that_is_cut_off_gives_what_comes_before_the_cut(tmp_path: Path) -> None:
    whole = tar(tmp_path / "t.tar").read_bytes()
    (tmp_path / "t.tar").write_bytes(whole[:1500])  # the head of the second sound is cut
    found = list(items([str(tmp_path / "t.tar")]))
    assert [item.name.partition("::")[2] for item in found] == ["a.wav", ""]
    assert [bool(item.reason) for item in found] == [False, True]


def test_a_name_that_is_no_text_is_told_in_text_and_the_file_is_still_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(path, "wb") as file:
        file.write(b"s")
    (found,) = items([str(tmp_path)])
    assert found == Item(f"{tmp_path}/\\xff.wav", path, False, 1, os.stat(path).st_mtime_ns)


def test_a_folder_that_cannot_be_read_is_an_item_and_the_rest_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/one.wav", "lost+found/two.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"s")
    closed, scandir = str(tmp_path / "lost+found"), os.scandir

    def guarded(path: str) -> Any:  # whoever runs this test may be allowed to read everything
        if path == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = {item.name: item.reason for item in items([str(tmp_path)])}
    assert found == {
        f"{tmp_path}/a/one.wav": "",
        closed: "is a folder that cannot be read (Permission denied); check its owner and mode",
    }


def test_a_link_into_a_folder_that_is_closed_is_an_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.wav").symlink_to("closed")
    stat = Path.stat

    def guarded(path: Path, **options: bool) -> os.stat_result:
        if path.name == "a.wav" and options.get("follow_symlinks", True):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", guarded)
    assert [item.name for item in items([str(tmp_path / "a.wav")])] == [f"{tmp_path}/a.wav"]


@pytest.mark.parametrize("name", ["p.tar", "p.zip"])
def test_a_pipe_that_is_called_a_container_is_an_item_and_is_not_opened(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: Any) -> None:  # for real it would wait for ever
        raise AssertionError("the pipe was opened")

    monkeypatch.setattr(tarfile, "open", opened)
    monkeypatch.setattr(zipfile, "ZipFile", opened)
    os.mkfifo(tmp_path / name)
    (found,) = items([str(tmp_path)])
    assert "a pipe or a device" in found.reason
