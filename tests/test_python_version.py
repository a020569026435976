"""On a Python too old for training, its programs say so in one line; what the device's tests need still works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import HANGS_S

ROOT = Path(__file__).parents[1]
ANY_PYTHON = {"export.sign", "export.rtx"}  # programs that need no training: they work wherever the device does
OLDER = """
import runpy, sys
for name in ("torch", "sklearn", "onnxscript", "torchao"): sys.modules[name] = None  # such a Python lacks them
sys.version_info = (3, 10, 12, "final", 0)
runpy.run_module(sys.argv[1], run_name=sys.argv[2])
"""


def programs() -> list[str]:
    """Names of all modules of the workstation that `python -m` can run."""
    paths = [path for package in ("training", "export") for path in sorted((ROOT / package).rglob("*.py"))]
    runnable = [path for path in paths if re.search(r"^if __name__ == .__main__.:", path.read_text(), re.M)]
    return [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__") for p in runnable]


def run_on_3_10(module: str, name: str) -> subprocess.CompletedProcess[str]:
    """Run a module as this Python would if it were older."""
    line = [sys.executable, "-c", OLDER, module, name]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=HANGS_S, check=False)


@pytest.mark.parametrize("program", sorted({*programs()} - ANY_PYTHON))
def test_a_program_that_trains_or_exports_ends_with_one_line(program: str) -> None:
    done = run_on_3_10(program, "__main__")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("training and export need Python 3.11 or newer, found 3.10.12; ")
    assert done.stdout == ""


def test_the_programs_are_found() -> None:
    assert {"training", "training.datasets", "training.evaluation", "training.results", "export"} <= {*programs()}
    assert {*programs()} >= ANY_PYTHON


@pytest.mark.parametrize("module", ["training.synthetic.scene", "training.synthetic.demo"])
def test_synthetic_sound_can_be_made_on_any_python_that_the_device_has(module: str) -> None:
    done = run_on_3_10(module, module)
    assert (done.returncode, done.stderr) == (0, "")
