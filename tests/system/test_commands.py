"""Commands of the pages that need nothing but a sound file: run as they stand, in a folder that has one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.pages import ROOT, words

SOUND_S = 12  # of the demo's recording: two of its events
RUN = {  # and the exit codes that are no mistake
    ".venv/bin/laennec detect breath.wav": (0,),
    ".venv/bin/laennec detect FOLDER --jsonl --scores": (0,),
    ".venv/bin/laennec spectrogram breath.wav -o breath.png --events": (0,),
    ".venv/bin/laennec doctor": (0, 1),  # 1: something fails on this machine
    ".venv/bin/laennec model": (0,),
    ".venv/bin/laennec devices": (0, 2),  # 2: without PyAudio, with what to do
}


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_a_page_runs_as_it_stands(command: str, tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(DEMO_AUDIO)
    for path in (tmp_path / "breath.wav", tmp_path / "FOLDER" / "one.wav"):
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, samples[: SOUND_S * rate_hz], rate_hz)
    line, where = [sys.executable, "-m", "edge", *words(command)[1:]], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=tmp_path, env=where, capture_output=True, text=True, timeout=HANGS_S)
    assert done.returncode in RUN[command], done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout or done.stderr or (tmp_path / "breath.png").is_file()
    assert done.returncode or "detect" not in command or "wheeze" in done.stdout
