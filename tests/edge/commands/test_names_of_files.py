"""A file is read as a file though it is called as another source is."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from edge.commands.app import app
from edge.detector.adaptation import measure
from edge.detector.recording import samples_of
from edge.server.archive.recording import score
from edge.sources.file_search import DEMO_AUDIO
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import known_noise

NAMES = ("mic", "mic:USB", "link:chest")
SECONDS = 56.0  # of the demo


@pytest.fixture(autouse=True)
def _in_a_folder_of_such_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "-"):
        shutil.copy(DEMO_AUDIO, name)


@pytest.mark.parametrize("name", ["mic", "mic:USB", "./link:chest", "./-"])
def test_commands_on_files_open_files(name: str) -> None:
    detected = CliRunner().invoke(app, ["detect", name], input=b"no sound")
    assert "in 56.0 s of sound" in detected.stdout, detected.output
    drawn = CliRunner().invoke(app, ["spectrogram", name, "-o", "picture.png", "--to", "1"], input=b"no sound")
    assert drawn.exit_code == 0, drawn.output
    assert Path("picture.png").stat().st_size


def test_a_dash_alone_is_standard_input_though_a_file_or_folder_is_called_so() -> None:
    Path("-").unlink()
    Path("-").mkdir()
    shutil.copy(DEMO_AUDIO, "-/a.flac")
    result = CliRunner().invoke(app, ["detect", "-"], input=b"no sound")
    assert result.stderr == "laennec: -: standard input is no sound file; give WAV, FLAC, OGG, AIFF or MP3\n"


@pytest.mark.parametrize("name", NAMES)
def test_whatever_measures_files_opens_files(name: str) -> None:
    model: Any = LoudnessModel()
    model.known, model.tasks = known_noise(-42.0), None
    assert len(samples_of(Path(name), 8000)) == SECONDS * 8000
    assert score(Path(name), model)["length_s"] == SECONDS
    measured = measure([Path(name)], model, None, threading.Event())
    assert measured.left_out == []
    assert measured.files == 1
