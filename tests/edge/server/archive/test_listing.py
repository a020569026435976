"""What an archive holds: folders and patterns; what cannot be read is an item with its reason; names of recordings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.errors import SourceError
from edge.server.archive.listing import Item, items, name_of


def names(*named: Path | str) -> list[str]:
    return sorted(item.name for item in items([str(each) for each in named]))


def test_a_folder_gives_its_sounds_and_those_below_it(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("one.wav", "x/two.FLAC", "x/y/three.mp3", "x/readme.md", ".secret.wav"):
        (tmp_path / name).write_bytes(b"s")
    assert names(tmp_path) == [f"{tmp_path}/one.wav", f"{tmp_path}/x/two.FLAC", f"{tmp_path}/x/y/three.mp3"]


@pytest.mark.parametrize("name", ["t.tar", "t.TGZ", "z.zip"])
def test_a_file_that_is_packed_is_an_item_that_says_what_to_do_and_is_not_opened(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)  # to open it would wait for ever
    assert [item.reason for item in items([str(tmp_path)])] == ["is packed; unpack it, and give the folder"]
    assert [item.reason for item in items([str(tmp_path / name)])] == ["is packed; unpack it, and give the folder"]


def test_a_pattern_gives_what_it_matches(tmp_path: Path) -> None:
    for name in ("a1.wav", "a2.wav", "b1.wav", "a.txt"):
        (tmp_path / name).write_bytes(b"s")
    assert names(f"{tmp_path}/a*") == [f"{tmp_path}/a1.wav", f"{tmp_path}/a2.wav"]
    assert names(f"{tmp_path}/**/b1.wav") == [f"{tmp_path}/b1.wav"]


def test_a_file_that_is_named_is_taken_whatever_its_ending(tmp_path: Path) -> None:
    (tmp_path / "sound").write_bytes(b"abc")
    (found,) = items([str(tmp_path / "sound")])
    assert (found.name, found.size, found.reason) == (f"{tmp_path}/sound", 3, "")


def test_what_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing there; give sound files"):
        names(tmp_path / "gone")
    with pytest.raises(SourceError, match=r"nothing there; give sound files"):
        names(f"{tmp_path}/*.wav")


def test_a_name_that_is_no_text_is_told_in_text_and_the_file_is_still_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(path, "wb") as file:
        file.write(b"s")
    (found,) = items([str(tmp_path)])
    assert found == Item(f"{tmp_path}/\\xff.wav", path, 1, os.stat(path).st_mtime_ns)


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


LETTERS = [b"a", b"/", b":", b"\\", b"x", b"3", b"5", b"c", b"f", b"\xff", "é".encode()]
PATHS = some.lists(some.sampled_from(LETTERS), min_size=1, max_size=9).map(b"".join)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (b"/data/a.wav", "/data/a.wav"),
        (b"\xff.wav", r"\xff.wav"),
        (rb"\xff.wav", r"\x5cxff.wav"),
        (rb"C\x41.wav", r"C\x41.wav"),
        (b"t.tar::a.wav", r"t.tar:\x3aa.wav"),
    ],
)
def test_a_name_is_the_path_but_for_what_two_paths_would_share(path: bytes, name: str) -> None:
    assert name_of(Path(os.fsdecode(path))) == name


@given(PATHS, PATHS)
def test_two_paths_never_have_one_name(path: bytes, other: bytes) -> None:
    whole, another = Path(os.fsdecode(path)), Path(os.fsdecode(other))
    name = name_of(whole)
    assert (name == name_of(another)) == (whole == another)
    assert "::" not in name
    assert name == name.encode().decode(), "text for every table"
