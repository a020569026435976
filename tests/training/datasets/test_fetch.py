"""A file comes whole or not at all, and nothing in an archive leaves its folder."""

from __future__ import annotations

import contextlib
import hashlib
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.errors import ConfigError
from tests.training.datasets.server import Files, files
from training.datasets import download as fetching
from training.datasets.download import fetch, unpack

SOUND = bytes(range(256)) * 1000


@pytest.fixture
def server() -> Iterator[Files]:
    """A server with one file."""
    with files() as running:
        running.content["/a.zip"] = SOUND
        yield running


def test_a_file_is_fetched_once_and_its_digest_told(server: Files, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(f"{server.url}/a.zip", tmp_path / "new" / "a.zip") == hashlib.sha256(SOUND).hexdigest()
    assert len(server.ranges) == 1
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.zip"]


def _break_off(server: Files, path: Path) -> None:
    server.breaks_after = 100_000
    with pytest.raises(ConfigError, match=r"connection broke .*; run again, it goes on where it stopped"):
        fetch(f"{server.url}/a.zip", path)
    assert not path.exists()


def test_a_broken_download_goes_on_where_it_stopped(server: Files, tmp_path: Path) -> None:
    _break_off(server, tmp_path / "a.zip")
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert server.ranges == [None, "bytes=100000-"]
    assert (tmp_path / "a.zip").read_bytes() == SOUND


def test_a_file_that_changed_meanwhile_is_fetched_anew(server: Files, tmp_path: Path) -> None:
    _break_off(server, tmp_path / "a.zip")
    server.etag, server.content["/a.zip"] = '"2"', SOUND[::-1]
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == SOUND[::-1]


def test_a_server_that_names_no_version_is_asked_for_the_whole_again(server: Files, tmp_path: Path) -> None:
    server.etag = None
    _break_off(server, tmp_path / "a.zip")
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert server.ranges == [None, None]
    assert (tmp_path / "a.zip").read_bytes() == SOUND


def test_a_complete_part_that_was_never_named_is_fetched_again(server: Files, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(SOUND)
    (tmp_path / "a.zip.part.etag").write_text('"1"')
    fetch(f"{server.url}/a.zip", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes() == SOUND


@pytest.mark.parametrize(("size", "sha256"), [(len(SOUND) + 1, ""), (None, "0" * 64)])
def test_other_bytes_than_published_are_refused_and_removed(
    server: Files, tmp_path: Path, size: int | None, sha256: str
) -> None:
    with pytest.raises(ConfigError, match=r"a\.zip: .*run again"):
        fetch(f"{server.url}/a.zip", tmp_path / "a.zip", size, sha256)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".etag"] == []


def test_the_published_bytes_are_accepted(server: Files, tmp_path: Path) -> None:
    digest = hashlib.sha256(SOUND).hexdigest()
    assert fetch(f"{server.url}/a.zip", tmp_path / "a.zip", len(SOUND), digest) == digest


def test_a_server_that_says_no_is_quoted(server: Files, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/b\.zip: the server answers 404 Not Found"):
        fetch(f"{server.url}/b.zip", tmp_path / "b.zip")


def test_without_a_network_one_line_says_so(tmp_path: Path) -> None:
    with files() as gone:
        url = gone.url
    with pytest.raises(ConfigError, match=r"not reachable .*; is there a network\?"):
        fetch(f"{url}/a.zip", tmp_path / "a.zip")


def test_a_folder_that_cannot_be_written_is_named(server: Files, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written"):
        fetch(f"{server.url}/a.zip", tmp_path / "file" / "a.zip")


def _zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_chosen_members_are_unpacked_flat_or_in_their_folders(tmp_path: Path) -> None:
    members = {"s/raw/x/1.wav": b"1", "s/raw/y/1.wav": b"2", "s/raw/README": b"3", "s/2.wav": b"4", "__MACOSX/._1": b""}
    archive = _zip(tmp_path / "a.zip", members)
    assert unpack(archive, tmp_path / "all") == 4
    assert (tmp_path / "all/s/raw/x/1.wav").read_bytes() == b"1"
    assert unpack(archive, tmp_path / "flat", "/raw/", flat=True) == 2
    assert {p.name: p.read_bytes() for p in (tmp_path / "flat").iterdir()} == {"1.wav": b"1", "y_1.wav": b"2"}


@pytest.mark.parametrize("name", ["../x.wav", "/x.wav", "a/../../x.wav", "..\\x.wav", "C:\\x.wav"])
def test_an_archive_with_a_member_that_would_leave_the_folder_is_refused_whole(tmp_path: Path, name: str) -> None:
    archive = _zip(tmp_path / "a.zip", {"good.wav": b"1", name: b"2"})
    with pytest.raises(ConfigError, match="would leave its folder; nothing was unpacked"):
        unpack(archive, tmp_path / "out" / "in")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ConfigError, match=r"member 'link\.wav' would leave its folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_an_archive_that_does_not_fit_is_refused_before_a_byte_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "LARGEST_BYTES", 10)
    archive = _zip(tmp_path / "a.zip", {"a.wav": bytes(11)})
    with pytest.raises(ConfigError, match=r"a\.zip: unpacks to 11 bytes, room is for 10"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_archive_with_a_password_is_removed_like_a_damaged_one(tmp_path: Path) -> None:
    archive = _zip(tmp_path / "a.zip", {"a.wav": b"1"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the member's own header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the directory
    archive.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.zip: damaged .*password"):
        unpack(archive, tmp_path / "out")


@given(at=st.integers(0, 300), value=st.integers(0, 255))
@example(139, 0)  # the name of the first member begins with NUL: it has none
def test_a_damaged_archive_is_an_error_or_harmless_but_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    archive = _zip(folder / "a.zip", {"a.wav": b"sound" * 100, "b.wav": b"more" * 100})
    content = bytearray(archive.read_bytes())
    content[at % len(content)] = value
    archive.write_bytes(content)
    with contextlib.suppress(ConfigError):
        unpack(archive, folder / "out" / "in")
    assert {path.name for path in folder.iterdir()} <= {"a.zip", "out"}
    assert [path.name for path in (folder / "out").rglob("*") if path.parent == folder / "out"] in ([], ["in"])
