"""The command where a shell closed its standard input or outputs, as `>&-` does."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S


def laennec(redirected: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = shlex.join([sys.executable, "-m", "edge", *map(str, arguments)])
    return subprocess.run(["/bin/sh", "-c", f"{command} {redirected}"], capture_output=True, text=True, timeout=HANGS_S)


@pytest.mark.parametrize(
    ("redirected", "arguments"),
    [
        (">&-", ("detect", DEMO_AUDIO)),
        ("<&- >&-", ("detect", "--jsonl", DEMO_AUDIO)),
        *(("<&- >&- 2>&-", each) for each in (("detect", DEMO_AUDIO), ("model",), ("--version",), ("--help",))),
    ],
)
def test_without_standard_output_a_command_does_its_work(redirected: str, arguments: tuple[object, ...]) -> None:
    result = laennec(redirected, *arguments)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_mistake_is_still_one_line_and_its_exit_code() -> None:
    result = laennec(">&-", "detect", "none.wav")
    assert result.returncode == 2
    assert result.stderr.startswith("laennec: none.wav: cannot be opened")
    assert laennec(">&- 2>&-", "detect", "none.wav").returncode == 2


def test_a_closed_standard_input_is_one_line(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    for arguments in (("detect", "-"), ("spectrogram", "-", "-o", picture)):
        result = laennec("<&-", *arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "laennec: -: standard input is closed; pipe a sound file in\n"
