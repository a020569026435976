"""`laennec detect` as it is called: folders, and words for people."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from edge.commands.app import app
from edge.model.model import DEFAULT_PATH
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.broken_graphs import not_a_number


def test_every_file_of_a_folder_is_heard_and_an_empty_folder_stops_no_other(tmp_path: Path) -> None:
    for name in ("ward/b.flac", "ward/night/a.flac", "empty/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DEMO_AUDIO, tmp_path / name)
    result = CliRunner().invoke(app, ["detect", "--jsonl", str(tmp_path / "empty"), str(tmp_path / "ward")])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0].startswith(f"laennec: {tmp_path / 'empty'}: no sound file in this folder")
    names = [Path(json.loads(line)["file"]).name for line in result.stdout.splitlines()]
    assert list(dict.fromkeys(names)) == ["b.flac", "a.flac"]


def test_the_table_names_a_sound_in_words_and_a_record_as_programs_know_it() -> None:
    table = CliRunner().invoke(app, ["detect", str(DEMO_AUDIO)]).stdout
    records = CliRunner().invoke(app, ["detect", "--jsonl", str(DEMO_AUDIO)]).stdout
    assert "fine crackle  " in table
    assert "_" not in table.partition("\n")[2]
    assert '"label": "fine_crackle"' in records


def _demo(seconds: int) -> np.ndarray:
    samples, rate_hz = soundfile.read(DEMO_AUDIO, dtype="float32", stop=seconds * 8000)
    assert rate_hz == 8000
    return samples


def test_of_a_recording_with_every_seventh_sample_infinite_nothing_is_measurable(tmp_path: Path) -> None:
    samples = _demo(15)
    samples[6::7] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"laennec: {tmp_path}/a.wav: nothing in 15.00 s can be judged: 14% of its samples are no sound: not a number, "
        "or beyond all bounds (device: convert it again)\n"
    )


def test_of_a_recording_with_one_sample_infinite_everything_is_judged_as_before(tmp_path: Path) -> None:
    samples = _demo(15)
    samples[30_000] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, 8000, subtype="FLOAT")
    assert "15.0 s of sound, 14.9 s measurable" in CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")]).stdout


def test_a_file_whose_header_promises_more_is_reported_as_far_as_it_goes_and_ends_with_2(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", _demo(15), 8000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = (4_000_000_000).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")])
    assert result.exit_code == 2
    assert "events in 15.0 s of sound, 14.9 s measurable" in result.stdout
    assert "cut off or damaged after 15.0 s of 250000.0 s" in result.stderr


def test_a_model_whose_answers_are_no_numbers_is_blamed_and_not_the_recording(tmp_path: Path) -> None:
    model = not_a_number(DEFAULT_PATH, tmp_path / "chest.onnx")
    result = CliRunner().invoke(app, ["detect", "--model", str(model), str(DEMO_AUDIO)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "laennec: model laennec-default-1.0.0: what it gives is not a number, so nothing in "
    )
    assert "the recording is not to blame" in result.stderr
    assert len(result.stderr.splitlines()) == 1


NOISE = np.random.default_rng(0).normal(0, 0.05, 20 * 8000)
BAD = {
    "loudness: check the plug": (np.zeros(80_000), "silence"),
    "length: record 8 s or more": (np.full(80, 0.1), "too short"),
    "contact: press the sensor": (NOISE, "no breath and no heart"),
    "device: move it": (NOISE / 50 + 0.2 * np.sin(np.arange(160_000) * 2 * np.pi * 50 / 8000), "mains hum"),
    "loudness: lower the gain": (np.clip(100 * NOISE, -1, 1), "clipped"),
}


@pytest.mark.parametrize("repair", BAD)
def test_what_cannot_be_judged_says_why_and_what_to_do_and_ends_with_2(repair: str, tmp_path: Path) -> None:
    samples, why = BAD[repair]
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")])
    assert result.exit_code == 2
    last = (result.stdout + result.stderr).splitlines()[-1]
    assert why in last
    assert f"({repair}" in last


def test_a_few_seconds_are_judged_and_said_to_be_too_few(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", _demo(3), 8000)
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")])
    assert result.exit_code == 0
    assert (
        result.stdout.splitlines()[-1] == "unverified: too short to be judged as a whole (length: record 8 s or more)"
    )


def test_of_a_file_from_a_pipe_the_table_says_that_its_length_is_not_known(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", _demo(15), 8000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = b"\xff" * 4
    (tmp_path / "a.wav").write_bytes(content)
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "a.wav")])
    assert result.exit_code == 0
    assert "length: not in the file" in result.stdout


def test_of_a_file_with_8_bits_the_table_says_so(tmp_path: Path) -> None:
    sound, rate_hz = soundfile.read(DEMO_AUDIO, stop=12 * 8000)
    for subtype, count in (("PCM_U8", 1), ("PCM_16", 0)):
        soundfile.write(tmp_path / "breath.wav", sound, rate_hz, subtype=subtype)
        output = CliRunner().invoke(app, ["detect", str(tmp_path / "breath.wav")])
        assert output.exit_code == 0
        assert sum(line.startswith("8 bits: ") for line in output.stdout.splitlines()) == count
