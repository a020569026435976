"""Through to the disk: what is asked of the kernel, and in which order."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from edge.files import StateFile, sync


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


def test_a_state_file_is_whole_its_owners_alone_and_on_the_disk_before_it_has_its_name(
    tmp_path: Path, synced: list[Path]
) -> None:
    path = tmp_path / "own" / "state.json"
    file = StateFile(path, "state", json.loads, ("nothing is known", "it ends with this run"))
    assert file.read() is None
    file.write(b'{"a": 1}')
    assert (file.read(), synced) == ({"a": 1}, [path.with_name("state.json.new"), path.parent])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    StateFile(path, "state", json.loads, ("", ""), is_durable=False).write(b"[]")
    assert (file.read(), len(synced)) == ([], 2)
    assert [each.name for each in path.parent.iterdir()] == ["state.json"]


def test_a_state_file_that_is_damaged_or_cannot_be_written_is_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    file = StateFile(path, "state", json.loads, ("nothing is known", "it ends with this run"))
    path.write_bytes(b"{")
    assert file.read() is None
    path.unlink()
    path.mkdir()
    for _ in range(3):
        file.write(b"{}")
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith(f"state={path} cannot be read reason=")
    assert first.endswith("; nothing is known")
    assert second.startswith(f"state={path} cannot be written reason=")
    assert second.endswith("; it ends with this run")
