"""The half that runs on the box: alone, on the oldest Python, with nothing installed."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.remote import LOAD, OF_THE_EDGE, archive
from deploy.tools import PROJECT

EDGE = [PROJECT / "edge" / name for name in OF_THE_EDGE]
MODULES = [*sorted((PROJECT / "deploy/box").glob("*.py")), *EDGE]
SENT = {".".join(path.relative_to(PROJECT).with_suffix("").parts) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_it_imports_nothing_but_python_and_itself(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 10))
    named = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {name for name in named if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign <= SENT


def test_it_runs_from_memory_and_leaves_nothing_behind(tmp_path: Path) -> None:
    sent = archive()
    request = json.dumps({"command": "status", "root": str(tmp_path / "root"), "systemd": False}).encode()
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LOAD, str(len(sent))],
        input=sent + request + b"\n",
        cwd=tmp_path,
        env={},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["result"]["running"] == ""
    assert not list(tmp_path.iterdir())


def test_the_archive_holds_the_package_and_no_more() -> None:
    assert len(archive()) < 100_000
    assert b"deploy/session.py" not in archive()
