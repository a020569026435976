"""What `pip install` brings: the wheel in an environment of its own, and a clone with `pip install -e .`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from deploy.release import OF_THE_DEVICE, build_own_wheel
from deploy.tools import PROJECT
from edge import __version__
from edge.sources.file_search import DEMO_AUDIO

HANGS_S = 300
NOTEBOOK = PROJECT / "edge/api/notebook.ipynb"


def installed(folder: Path, *what: object) -> Path:
    """Python of an environment with Laennec; what that needs comes from here, but nothing of this clone."""
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "needed.pth").write_text(sysconfig.get_paths()["purelib"])  # a folder so named has no .pth of its own read
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--ignore-installed", *map(str, what)], check=True, timeout=HANGS_S)
    return python


@pytest.fixture(scope="module", params=["wheel", "clone"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "wheel":
        return installed(folder / "venv", build_own_wheel(folder, Path(sys.executable), None))
    for name in (*OF_THE_DEVICE, "training"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc"))  # kernels are kept
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder)
    return installed(folder / "venv", "-e", folder)


def run(python: Path, program: str, folder: Path) -> str:
    done = subprocess.run(
        [python, "-c", program], cwd=folder, capture_output=True, text=True, timeout=HANGS_S, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_command_and_the_package_hear_the_same(python: Path, tmp_path: Path) -> None:
    command = [python.with_name("laennec"), "detect", "--jsonl", DEMO_AUDIO]
    output = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=HANGS_S, check=True).stdout
    program = f"import laennec; [print(e.label, e.onset_s) for e in laennec.detect({str(DEMO_AUDIO)!r}).events]"
    records = [json.loads(line) for line in output.splitlines()]
    assert run(python, program, tmp_path).splitlines() == [f"{each['label']} {each['onset_s']}" for each in records]
    assert len(records) >= 4


def test_nothing_of_the_workstation_is_on_the_path(python: Path, tmp_path: Path) -> None:
    program = """
from importlib.util import find_spec
import laennec, edge
print(laennec.__version__, *[name for name in ("training", "export", "deploy", "api") if find_spec(name)])
print(laennec.Detector.__module__, laennec.__file__, edge.__file__)
"""
    versions, where = run(python, program, tmp_path).splitlines()
    assert versions == __version__
    module, *files = where.split()
    assert module == "edge.api.detector"
    assert not [file for file in files if Path(file).is_relative_to(PROJECT)]
    assert Path(files[0]).with_name("py.typed").exists()


def test_the_notebook_runs(python: Path, tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed; `make dev` brings it")
    cells = [cell["source"] for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    lines = [line for cell in cells for line in (*cell, "\n") if not line.startswith("%")]
    assert "s measurable; like what the model knows: " in run(python, "".join(lines), tmp_path)
