"""Folders of sound files as the operator names them; what nobody here reads is named, and never passed over."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.sources.file import FileSource
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


BEGINS = {  # of files that ffmpeg wrote
    "a.m4a": (bytes.fromhex("0000001c667479704d344120"), "M4A"),
    "a.mp4": (bytes.fromhex("0000001c6674797069736f6d"), "M4A"),
    "a.aac": (bytes.fromhex("fff15040265ffcdc004c6176"), "AAC"),
    "a.amr": (bytes.fromhex("2321414d520a3c0000348a52"), "AMR"),
    "a.wma": (bytes.fromhex("3026b2758e66cf11a6d900aa"), "WMA"),
    "a.webm": (bytes.fromhex("1a45dfa39f4286810142f781"), "WebM"),
    "of a phone.3gp": (bytes.fromhex("0000001c667479704d344120"), "M4A"),
    "renamed.wav": (bytes.fromhex("0000001c667479704d344120"), "M4A"),
}


@pytest.mark.parametrize("name", BEGINS)
def test_a_recording_that_is_not_read_is_named_and_told_how_to_convert(tmp_path: Path, name: str) -> None:
    head, kind = BEGINS[name]
    (tmp_path / name).write_bytes(head + bytes(5000))
    with pytest.raises(SourceError, match=rf"is {kind}.*, which is not read; convert it:  ffmpeg ") as reported:
        FileSource(tmp_path / name, 8000)
    assert "\n" not in str(reported.value)
    *_, found, made = shlex.split(str(reported.value).partition("convert it:")[2])
    assert (found, Path(made).parent, Path(made).suffix) == (str(tmp_path / name), tmp_path, ".wav")
    assert made != found


def test_a_folder_passes_over_no_recording_of_a_phone(tmp_path: Path) -> None:
    for name in ("a.wav", "b.M4A", "c.aac", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in sound_files(tmp_path)] == ["a.wav", "b.M4A", "c.aac"]
