"""Files that are no sound, or not whole: one line, and nothing of what is there is lost."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import SourceError
from edge.sources.file import FileSource
from edge.sources.opening import open_source
from edge.types import Block, Gap
from tests.edge.sources.test_file import noise, output_of, until_error


def write_mistake(folder: Path, name: str) -> Path:
    """A file that cannot be a source."""
    path = folder / name
    if name == "folder":
        path.mkdir()
    elif name == "empty.wav":
        path.write_bytes(b"")
    elif name == "text.wav":
        path.write_text("not a sound\n" * 100)
    elif name == "headless.raw":
        path.write_bytes(bytes(1000))
    elif name == "silent.wav":
        soundfile.write(path, np.zeros(0), 8000)
    return path


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("missing.wav", r"missing.wav: cannot be opened \(No such file or directory\); check the path"),
        ("folder", "folder: is a folder; give a sound file"),
        ("empty.wav", r"empty.wav: is empty \(0 bytes\); copy or record it again"),
        ("text.wav", "text.wav: is no sound file that can be read; give WAV, FLAC, OGG, AIFF or MP3"),
        ("headless.raw", "headless.raw: is no sound file that can be read"),
        ("silent.wav", r"silent.wav: holds no sound \(0 samples\)"),
    ],
)
def test_a_file_that_is_no_sound_is_told_in_one_line(tmp_path: Path, name: str, line: str) -> None:
    with pytest.raises(SourceError, match=line) as reported:
        open_source(str(write_mistake(tmp_path, name)), 8000)
    assert "\n" not in str(reported.value)


@pytest.mark.parametrize(("name", "rate_hz"), [("a.wav", 8000), ("a.wav", 44100), ("a.flac", 8000), ("a.aiff", 8000)])
def test_a_truncated_file_gives_what_is_there_then_a_gap_then_one_line(tmp_path: Path, name: str, rate_hz: int) -> None:
    samples = noise(10 * rate_hz)
    soundfile.write(tmp_path / name, samples, rate_hz)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    items, line = until_error(FileSource(tmp_path / name, 8000))
    assert re.search(r"cut off or damaged after [45]\.\d s of 10\.0 s; what came before was read", line)
    *blocks, gap = items
    assert all(isinstance(block, Block) for block in blocks)
    assert isinstance(gap, Gap)
    assert (gap.start, gap.cause) == (blocks[-1].stop, "file truncated")
    assert abs(gap.stop - 80000) <= (8 if name == "a.aiff" else 0)  # an AIFF's chunk holds 8 bytes more than samples
    assert 36000 <= gap.start <= 40000


def decodable(path: Path) -> int:
    """Samples before a damage, as libsndfile gives them a tenth of a second at a time."""
    count = 0
    with soundfile.SoundFile(path) as file:
        try:
            while samples := len(file.read(file.samplerate // 10)):
                count += samples
        except soundfile.LibsndfileError:
            return count
    pytest.fail("the file is not damaged")


@pytest.mark.parametrize("at", [60000, 70000, 75000])
def test_a_flac_with_a_hole_gives_what_comes_before_it(tmp_path: Path, at: int) -> None:
    soundfile.write(tmp_path / "a.flac", noise(80000), 8000)
    whole = (tmp_path / "a.flac").read_bytes()
    (tmp_path / "a.flac").write_bytes(whole[:at] + bytes(3000) + whole[at + 3000 :])
    items, line = until_error(FileSource(tmp_path / "a.flac", 8000))
    assert "cut off or damaged" in line
    assert items[-1] == Gap(items[-2].stop, 80000, "file truncated")
    assert items[-2].stop == decodable(tmp_path / "a.flac") > 24000


@pytest.mark.parametrize("declared", [0xFFFFFFFF, 0xFFFFFFFF - 36, 0x7FFFF000, 0x80000000, 0x80000000 - 2])
def test_a_wav_from_a_pipe_that_declares_no_length_is_whole(declared: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(8000), 8000)
    header = bytearray((tmp_path / "a.wav").read_bytes())
    header[40:44] = declared.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(header)
    source = FileSource(tmp_path / "a.wav", 8000)
    assert not source.has_length
    assert len(output_of(source)[0]) == 8000
