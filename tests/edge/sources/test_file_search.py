"""Folders of sound files as the operator names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.sources.file_search import sound_files


def test_a_folder_stands_for_its_sound_files_and_those_below_by_name(tmp_path: Path) -> None:
    night = tmp_path / "ward" / "night"
    night.mkdir(parents=True)
    for name in ("b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "night/c.mp3"):
        (tmp_path / "ward" / name).touch()
    (night / "circle").symlink_to(tmp_path / "ward")
    found = [str(path.relative_to(tmp_path)) for path in sound_files(tmp_path / "ward")]
    assert found == ["ward/a.FLAC", "ward/b.wav", "ward/night/c.mp3"]


def test_a_file_that_is_named_is_read_whatever_its_ending_and_whether_it_is_there(tmp_path: Path) -> None:
    assert sound_files(tmp_path / "breath.bin") == [tmp_path / "breath.bin"]
    assert sound_files(Path("-")) == [Path("-")]


def test_a_folder_without_sound_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(SourceError, match=r"no sound file in this folder; looked for \.wav, \.flac"):
        sound_files(tmp_path)
