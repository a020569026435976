"""What is in tar and zip files; what is damaged or hostile in one has its reason, and costs the rest nothing."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge.archive import containers
from edge.archive.containers import members
from edge.errors import SourceError
from tests.edge.archive.made import CONTENTS, packed, tar

CONTAINERS = [
    pytest.param(lambda folder: tar(folder / "t.tar"), id="tar"),
    pytest.param(lambda folder: tar(folder / "t.tar.gz", "w:gz"), id="tar.gz"),
    pytest.param(lambda folder: tar(folder / "t.tar.xz", "w:xz"), id="tar.xz"),
    pytest.param(lambda folder: packed(folder / "z.zip"), id="zip"),
]


def contents_of(path: Path) -> dict[str, bytes | str]:
    return {item.name.partition("::")[2]: content for item, content in members(path, lambda _: True)}


@pytest.mark.parametrize("make", CONTAINERS)
def test_the_bytes_of_a_container_are_those_of_its_sounds(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    found = contents_of(path)
    found.pop("link.wav", None)
    assert found == {name: CONTENTS[name] for name in ("a.wav", "deep/b.flac", "../../c.wav")}
    assert [each.name for each in tmp_path.iterdir()] == [path.name], "nothing was unpacked"


@pytest.mark.parametrize("make", CONTAINERS)
def test_of_what_is_not_wanted_no_bytes_are_read(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert {content for _, content in members(make(tmp_path), lambda _: False)} == {""}


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
    monkeypatch.setattr(containers, "MOST_BYTES", 3)
    found = {item.name.partition("::")[2]: content for item, content in members(make(tmp_path), lambda _: True)}
    assert found["deep/b.flac"] == b"bb"
    assert "unpack it" in str(found["a.wav"])


def test_a_zip_file_that_lies_about_a_size_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a.wav", b"\0" * 100_000)
    raw = path.read_bytes()
    path.write_bytes(raw.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    monkeypatch.setattr(containers, "MOST_BYTES", 1000)
    ((_, content),) = members(path, lambda _: True)
    assert not isinstance(content, bytes) or len(content) <= 1000


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_sound_of_a_zip_file_that_cannot_be_unpacked_costs_the_others_nothing(packing: int, tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    sounds = {name: bytes(range(256)) * 20 + name.encode() for name in ("a.wav", "b.wav", "c.wav")}
    with zipfile.ZipFile(path, "w", packing) as made:
        for name, content in sounds.items():
            made.writestr(name, content)
    with zipfile.ZipFile(path) as made:
        place, length = made.getinfo("b.wav").header_offset, made.getinfo("b.wav").compress_size
    raw = bytearray(path.read_bytes())
    begin, length = place + 30 + len("b.wav") + 12, length - 12  # the properties of LZMA stay
    raw[begin : begin + length] = b"\xff" * length
    path.write_bytes(raw)
    a, b, c = (content for _, content in members(path, lambda _: True))
    assert (a, c) == (sounds["a.wav"], sounds["c.wav"])
    assert isinstance(b, str)
    assert "cannot be taken out of its zip file" in b


def damaged_directory(path: Path, place: int, value: bytes) -> Path:
    """A zip file with other bytes at a place of the entry of its first sound in the central directory."""
    packed(path)
    raw = bytearray(path.read_bytes())
    begin = raw.index(b"PK\x01\x02") + place
    raw[begin : begin + len(value)] = value
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize(
    ("place", "value"),
    [
        pytest.param(46, b"\xff\xfe", id="a name that is no UTF-8"),
        pytest.param(6, b"\xff\xff", id="a version from the future"),
        pytest.param(30, b"\x04\x00", id="the next entry lies elsewhere"),
    ],
)
def test_a_directory_of_a_zip_file_that_is_damaged_has_its_reason(place: int, value: bytes, tmp_path: Path) -> None:
    path = damaged_directory(tmp_path / "z.zip", place, value)
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 9] |= 0x08  # the name is UTF-8
    path.write_bytes(raw)
    with pytest.raises(SourceError, match=r"z\.zip: is damaged, or no tar or zip file \(.+\); copy it again"):
        list(members(path, lambda _: True))


@pytest.mark.parametrize("error", [struct.error("unpack"), ValueError("negative seek"), OverflowError("too large")])
def test_whatever_a_library_raises_on_a_container_is_its_reason(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "infolist", fails)
    with pytest.raises(SourceError, match=f"is damaged, or no tar or zip file .{error}"):
        list(members(packed(tmp_path / "z.zip"), lambda _: True))


Entry = tuple[str, bytes, bytes | str]
"""Name, kind and contents, or what it leads to, of a member of a tar file."""


def tar_of(path: Path, entries: list[Entry]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".tgz" else "w") as made:
        for name, kind, content in entries:
            member = tarfile.TarInfo(name)
            member.type = kind
            if isinstance(content, str):
                member.linkname = content
                made.addfile(member)
            else:
                member.size = len(content)
                made.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["t.tar", "t.tgz"])
def test_a_hard_link_has_the_bytes_of_what_it_leads_to(name: str, tmp_path: Path) -> None:
    path = tar_of(
        tmp_path / name,
        [
            ("a.wav", tarfile.REGTYPE, b"old"),
            ("first.wav", tarfile.LNKTYPE, "a.wav"),
            ("a.wav", tarfile.REGTYPE, b"new"),
            ("blob", tarfile.REGTYPE, b"blob"),
            ("second.wav", tarfile.LNKTYPE, "a.wav"),
            ("third.wav", tarfile.LNKTYPE, "a.wav"),
            ("fourth.wav", tarfile.LNKTYPE, "blob"),
            ("z.wav", tarfile.REGTYPE, b"z"),
        ],
    )
    assert contents_of(path) == {
        "a.wav": b"old", "a.wav#2": b"new", "first.wav": b"old", "second.wav": b"new", "third.wav": b"new",
        "fourth.wav": b"blob", "z.wav": b"z",
    }  # fmt: skip


def test_a_hard_link_of_a_tar_file_that_is_cut_off_behind_it_is_read(tmp_path: Path) -> None:
    entries = [("a.wav", tarfile.REGTYPE, b"a"), ("b.wav", tarfile.LNKTYPE, "a.wav")]
    path = tar_of(tmp_path / "t.tar", [*entries, ("c.wav", tarfile.REGTYPE, b"c")])  # type: ignore[list-item]
    path.write_bytes(path.read_bytes()[: 512 * 3 + 300])
    found: list[tuple[str, bytes | str]] = []
    with pytest.raises(SourceError, match="is damaged"):
        found.extend((item.name, content) for item, content in members(path, lambda _: True))
    assert found == [(f"{path}::a.wav", b"a"), (f"{path}::b.wav", b"a")]


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        (tarfile.SYMTYPE, "a.wav", "is a link to a.wav, which is not followed"),
        (tarfile.LNKTYPE, "later.wav", "is a link to later.wav, which is not followed"),
        (tarfile.FIFOTYPE, b"", "is a pipe or a device"),
        (b"M", b"", "of a kind that tar files have seldom"),
    ],
)
def test_what_cannot_be_read_in_a_tar_file_has_its_reason(
    kind: bytes, content: bytes | str, said: str, tmp_path: Path
) -> None:
    path = tar_of(tmp_path / "t.tar", [("x.wav", kind, content), ("later.wav", tarfile.REGTYPE, b"l")])
    found = contents_of(path)
    assert said in str(found["x.wav"])
    assert found["later.wav"] == b"l"
    assert [bool(item.reason) for item, _ in members(path, lambda _: False)] == [True, False], "the listing knows it"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_again_in_a_zip_file_gets_a_number(tmp_path: Path) -> None:
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w") as made:
        for content in (b"one", b"two", b"three"):
            made.writestr("a.wav", content)
    assert contents_of(path) == {"a.wav": b"one", "a.wav#2": b"two", "a.wav#3": b"three"}


def test_a_container_inside_of_a_container_has_its_reason(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "t.tar", [("inner.zip", tarfile.REGTYPE, packed(tmp_path / "z.zip").read_bytes())])
    assert contents_of(path) == {"inner.zip": "is a container inside of a container; unpack it"}


def test_a_tar_file_behind_another_is_told(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "t.tar", [("a.wav", tarfile.REGTYPE, b"a")])
    other = tar_of(tmp_path / "u.tar", [("b.wav", tarfile.REGTYPE, b"b")])
    path.write_bytes(path.read_bytes() + other.read_bytes())
    with pytest.raises(SourceError, match="more follows its end mark"):
        contents_of(path)


def test_a_zip_file_that_hides_what_it_holds_is_told_and_one_that_holds_nothing_is_not(tmp_path: Path) -> None:
    path = packed(tmp_path / "z.zip")
    raw = bytearray(path.read_bytes())
    end = raw.index(b"PK\x05\x06")
    raw[end + 12 : end + 16] = bytes(4)  # the size of its directory
    path.write_bytes(raw)
    with pytest.raises(SourceError, match="a directory of 5 entries has 0"):
        contents_of(path)
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as made:
        made.comment = b"nothing yet"
    assert contents_of(tmp_path / "empty.zip") == {}


def test_a_name_of_a_zip_file_that_swallows_the_next_ones_is_told(tmp_path: Path) -> None:
    path = damaged_directory(tmp_path / "z.zip", 28, (len("a.wav") + 46 + len("deep/b.flac")).to_bytes(2, "little"))
    with pytest.raises(SourceError, match="a directory of 5 entries has 4"):
        list(members(path, lambda _: False))
