"""`laennec spectrogram` as it is typed: what it draws, and one line for every mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.image import imread

from edge.pictures.drawing import DOTS_PER_IN, WIDTH_IN
from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S
from tests.system.edge.test_main import HEAVY, laennec


def test_the_command_draws_what_detect_finds(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    result = laennec("spectrogram", DEMO_AUDIO, "-o", out, "--events", DISPLAY="", MPLBACKEND="nonsense")
    assert (result.returncode, result.stderr) == (0, "")
    assert imread(out).shape[1] == WIDTH_IN * DOTS_PER_IN


@pytest.mark.parametrize(
    ("command", "absent"), [("spectrogram --help", {*HEAVY, "matplotlib"} - {"pydantic"}), ("model", {"matplotlib"})]
)
def test_other_commands_do_not_pay_for_it(command: str, absent: set[str]) -> None:
    program = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from edge.__main__ import main; main()"
    requested = [sys.executable, "-c", program, *command.split()]
    result = subprocess.run(requested, capture_output=True, text=True, timeout=HANGS_S, env={**os.environ})
    assert not absent & set(result.stdout.split())


# The command.
