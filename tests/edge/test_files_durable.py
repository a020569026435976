"""Through to the disk: what is asked of the kernel, and in which order."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.files import sync


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that the kernel was told to bring to disk, really brought there."""
    fsync, found = os.fsync, list[Path]()

    def note(handle: int) -> None:
        found.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    return found


def test_what_was_written_to_an_open_file_is_in_it_before_it_is_synced(tmp_path: Path, synced: list[Path]) -> None:
    with (tmp_path / "a").open("wb") as file:
        file.write(b"event")
        sync(file)
        assert (tmp_path / "a").read_bytes() == b"event"
        assert synced == [tmp_path / "a"]


def test_the_names_in_a_folder_are_synced_and_its_handle_is_closed(tmp_path: Path, synced: list[Path]) -> None:
    sync(tmp_path)
    assert synced == [tmp_path]
    handles = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    assert str(tmp_path) not in map(os.path.realpath, handles)  # not counted: those of other tests may end meanwhile


def test_a_path_of_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError):
        sync(tmp_path / "a")
