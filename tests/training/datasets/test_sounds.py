"""Sounds are found and measured without decoding them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.datasets.files import BEYOND_S, check_events, read_header, sound_paths
from training.datasets.records import Annotation


def test_links_are_followed_and_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "disk" / "deep").mkdir(parents=True)
    (tmp_path / "disk" / "deep" / "b.WAV").touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.flac").touch()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "disk", target_is_directory=True)
    (tmp_path / "disk" / "deep" / "circle").symlink_to(tmp_path / "disk", target_is_directory=True)
    assert [path.name for path in sound_paths(tmp_path / "data")] == ["a.flac", "b.WAV"]


def test_hidden_files_and_other_files_are_no_sounds(tmp_path: Path) -> None:
    for name in ("._a.wav", ".wav", "a.json", "a.wav.part"):
        (tmp_path / name).touch()
    assert sound_paths(tmp_path) == []


@pytest.mark.parametrize(("subtype", "rate_hz"), [("PCM_16", 4000), ("PCM_24", 44100), ("FLOAT", 10000)])
def test_a_header_says_duration_and_rate(tmp_path: Path, subtype: str, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(3 * rate_hz), rate_hz, subtype=subtype)
    assert read_header(tmp_path / "a.wav") == (3.0, rate_hz)


def test_a_named_pipe_is_not_waited_for_and_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to("nowhere")
    for path in sound_paths(tmp_path):
        with pytest.raises(ValueError, match="is no file, or a link to nothing"):
            read_header(path)


def test_a_name_that_is_not_text_says_so(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav"))
    path.write_bytes(b"no sound")
    with pytest.raises(ValueError, match="its path is not UTF-8; rename it"):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"\0" * 100])
def test_a_file_that_is_no_sound_says_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=r"(does not decode|holds no sample|breaks off).*fetch it again"):
        read_header(tmp_path / "a.wav")


def test_a_wav_file_that_breaks_off_is_not_taken_for_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000), 8000)
    path.write_bytes(path.read_bytes()[:10000])
    with pytest.raises(ValueError, match="breaks off: 10000 bytes of 16044; fetch it again"):
        read_header(path)


def test_a_wav_file_whose_writer_did_not_know_its_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(8000), 8000)
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff\xff\xff\xff" + whole[8:])
    assert read_header(path) == (1.0, 8000)


def test_a_sound_without_a_sample_says_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
    with pytest.raises(ValueError, match="holds no sample"):
        read_header(tmp_path / "a.wav")


@pytest.mark.parametrize(("end_s", "fine"), [(2.0, True), (2.0 + BEYOND_S, True), (2.0 + BEYOND_S + 0.001, False)])
def test_an_event_ends_with_its_recording_or_a_rounding_later(end_s: float, fine: bool) -> None:
    events = (Annotation(0.0, 1.0, ()), Annotation(1.0, end_s, (), number=1))
    if fine:
        check_events(events, 2.0)
    else:
        with pytest.raises(ValueError, match=r"event 1 = 1\.000 to 2\.051 s is beyond the end"):
            check_events(events, 2.0)
