"""What an archive holds: folders, patterns, tar and zip; what is damaged or hostile is an item with its reason."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge.archive import listing
from edge.archive.listing import Item, items, members
from edge.errors import SourceError

CONTENTS = {"a.wav": b"aaaa", "deep/b.flac": b"bb", "notes.txt": b"t", ".hidden.wav": b"h", "../../c.wav": b"ccc"}


def tar(path: Path, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as made:  # type: ignore[call-overload]
        for name, content in CONTENTS.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    return path


def packed(path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in CONTENTS.items():
            made.writestr(name, content)
    return path


CONTAINERS = [
    pytest.param(lambda folder: tar(folder / "t.tar"), id="tar"),
    pytest.param(lambda folder: tar(folder / "t.tar.gz", "w:gz"), id="tar.gz"),
    pytest.param(lambda folder: tar(folder / "t.tar.xz", "w:xz"), id="tar.xz"),
    pytest.param(lambda folder: packed(folder / "z.zip"), id="zip"),
]


def names(*named: Path | str) -> list[str]:
    return sorted(item.name for item in items([str(each) for each in named]))


def test_a_folder_gives_its_sounds_and_what_is_in_its_containers(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    for name in ("one.wav", "x/two.FLAC", "x/y/three.mp3", "x/readme.md", ".secret.wav"):
        (tmp_path / name).write_bytes(b"s")
    tar(tmp_path / "x" / "t.tar")
    assert names(tmp_path) == [
        f"{tmp_path}/one.wav", f"{tmp_path}/x/t.tar::../../c.wav", f"{tmp_path}/x/t.tar::a.wav",
        f"{tmp_path}/x/t.tar::deep/b.flac", f"{tmp_path}/x/two.FLAC", f"{tmp_path}/x/y/three.mp3",
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


@pytest.mark.parametrize("make", CONTAINERS)
def test_the_bytes_of_a_container_are_those_of_its_sounds_and_no_link_is_followed(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    found = {item.name.partition("::")[2]: content for item, content in members(path, lambda _: True)}
    assert found == {name: CONTENTS[name] for name in ("a.wav", "deep/b.flac", "../../c.wav")}
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing was unpacked"


@pytest.mark.parametrize("make", CONTAINERS)
def test_of_what_is_not_wanted_no_bytes_are_read(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert {content for _, content in members(make(tmp_path), lambda _: False)} == {""}


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


def test_a_sound_of_a_zip_file_that_is_damaged_costs_the_others_nothing(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.wav", b"A" * 100)
        made.writestr("b.wav", b"B" * 100)
    path.write_bytes(path.read_bytes().replace(b"A" * 100, b"X" * 100))
    a, b = (content for _, content in members(path, lambda _: True))
    assert isinstance(a, str)
    assert "cannot be taken out of its zip file" in a
    assert b == b"B" * 100


@pytest.mark.parametrize("make", CONTAINERS)
def test_what_is_too_large_for_memory_is_not_read(make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(listing, "MOST_BYTES", 3)
    found = {item.name.partition("::")[2]: content for item, content in members(make(tmp_path), lambda _: True)}
    assert found["deep/b.flac"] == b"bb"
    assert "unpack it" in str(found["a.wav"])


def test_a_zip_file_that_lies_about_a_size_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.wav", b"\0" * 100_000)
    raw = path.read_bytes()
    path.write_bytes(raw.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    monkeypatch.setattr(listing, "MOST_BYTES", 1000)
    ((_, content),) = members(path, lambda _: True)
    assert not isinstance(content, bytes) or len(content) <= 1000


def test_a_name_that_is_no_text_is_told_in_text_and_the_file_is_still_found(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.wav"
    with open(path, "wb") as file:
        file.write(b"s")
    (found,) = items([str(tmp_path)])
    assert found == Item(f"{tmp_path}/\\xff.wav", path, False, 1, os.stat(path).st_mtime_ns)
