"""What the doctor says of the folder of clips; it makes nothing to find out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge.clips.folder import ClipFolder
from edge.commands.doctor import Check
from edge.commands.doctor.delivery import clips
from edge.commands.doctor.examine import DoctorOptions, examine
from tests.edge.clips.clips import HEARING, clip
from tests.edge.full_disk import small_disk
from tests.edge.wards import settings, ward


def look(tmp_path: Path, path: Path, **section: Any) -> Check:
    config = settings(tmp_path, clips={"path": str(path), "max_mb": 1, **section})
    assert config.clips is not None
    return clips(config, config.clips)


def test_a_folder_that_is_not_there_yet_is_ok_and_stays_so(tmp_path: Path) -> None:
    check = look(tmp_path, tmp_path / "state" / "clips")
    assert (check.verdict, "0 clips, 0.0 of 1 MB" in check.found) == ("ok", True), check
    assert not (tmp_path / "state").exists()


def test_what_lies_there_is_counted_beside_what_may(tmp_path: Path) -> None:
    folder = ClipFolder(tmp_path / "clips", 10**6, 1e9)
    folder.open()
    for number in range(3):
        folder.put(clip(1.8e9 + number, 60_000), HEARING, 1.8e9 + number, speech=False)
    check = look(tmp_path, folder.path)
    assert (check.verdict, f"3 clips, {folder.bytes / 1e6:.1f} of 1 MB" in check.found) == ("ok", True), check
    assert folder.bytes > 250_000


def test_less_room_than_clips_may_take_is_a_warning(tmp_path: Path) -> None:
    check = look(tmp_path, tmp_path / "clips", max_mb=1_000_000)
    assert (check.verdict, "and clips may take 1000000 MB more" in check.found) == ("warn", True), check
    assert "clips.max_mb" in check.advice


def test_a_place_where_no_folder_can_be_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "clips"):
        check = look(tmp_path, path)
        assert (check.verdict, "is not a folder" in check.found) == ("fail", True), check
        assert "clips.path" in check.advice


def test_a_folder_that_may_not_be_written_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / "clips")
    (tmp_path / "clips").mkdir()
    check = look(tmp_path, tmp_path / "clips")
    assert (check.verdict, "may not be written by this user" in check.found) == ("fail", True), check


def test_a_disk_that_is_read_only_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.make("ro")
        check = look(tmp_path, disk.path / "clips")
        disk.make("rw")
    assert check.verdict == "fail", check


@pytest.mark.parametrize("stored", [True, False])
def test_the_doctor_looks_at_clips_where_the_settings_keep_any(stored: bool, tmp_path: Path) -> None:
    section = {"clips": {"path": str(tmp_path / "clips")}} if stored else {}
    names = [check.name for check in examine(DoctorOptions(ward(tmp_path, **section)))]
    assert names.count("clips") == stored
