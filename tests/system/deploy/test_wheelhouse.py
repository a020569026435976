"""Wheels for another Python on another processor: which ones, locked by their hashes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.wheelhouse import PROJECT
from tests.deploy.standin import write_wheel

CLOSURE = PROJECT / "deploy/closure.py"


def test_the_wheels_of_a_jetson_are_downloaded_on_any_machine(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "own", requires=("pydantic>=2", "exceptiongroup; python_version < '3.11'"))
    target = ("3.10", "aarch64", "2.35")
    argv = [sys.executable, CLOSURE, wheel, PROJECT / "constraints.txt", tmp_path / "all", *target]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {path.name.split("-")[0]: path.name for path in (tmp_path / "all").glob("*.whl")}
    assert {"pip", "pydantic", "annotated_types", "typing_inspection", "exceptiongroup"} <= names.keys()
    assert "cp310" in names["pydantic_core"]
    assert names["pydantic_core"].endswith("aarch64.whl")


def test_a_package_without_a_pinned_version_is_named(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / "own", requires=("not-among-the-constraints",))
    argv = [sys.executable, CLOSURE, wheel, PROJECT / "constraints.txt", tmp_path / "all", "3.10", "aarch64", "2.35"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "constraints.txt has no version of not-among-the-constraints for Python 3.10 on aarch64" in done.stderr
