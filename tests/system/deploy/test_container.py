"""The container file without an engine: linted by hadolint, and its wheel made from exactly what the image is given."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.conftest import HANGS_S
from tests.deploy.test_container import ROOT, given, tracked


def test_from_what_it_is_given_comes_a_wheel_that_has_everything(tmp_path: Path) -> None:
    for name in given(tracked()):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "source" / name)
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    done = subprocess.run([*line, str(tmp_path / "source")], capture_output=True, text=True, timeout=HANGS_S)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("laennec-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        "edge/__main__.py",
        "edge/models/default.onnx",
        "edge/contract/schema/event.json",
        "edge/sources/demo.flac",
    }
    assert needed <= inside
    assert not [name for name in inside if name.startswith(("training", "export", "tests"))]
