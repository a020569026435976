"""auslink.h touches no byte that is not its own and relies on nothing that C leaves undefined."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.firmware_bridge import auslink_c

SCRIPT = Path(__file__).with_name("sanitized.py")
FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")


def _run(library: Path, rounds: int) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    environment = os.environ | {
        "LD_PRELOAD": found.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
    }
    command = [sys.executable, str(SCRIPT), str(library), "1", str(rounds)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if auslink_c.GCC is None:
        pytest.skip("needs gcc")
    try:
        return auslink_c.build(tmp_path_factory.mktemp("sanitized"), *FLAGS)
    except subprocess.CalledProcessError:
        pytest.skip("gcc has no sanitizers")


def test_sanitizers_find_nothing_in_300_devices(sanitized: Path) -> None:
    done = _run(sanitized, 300)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.usefixtures("sanitized")
def test_sanitizers_would_find_a_byte_written_past_the_end(tmp_path: Path) -> None:
    header = (auslink_c.INCLUDE / "auslink.h").read_text()
    assert "if (cap < need) return 0;" in header
    (tmp_path / "auslink.h").write_text(header.replace("if (cap < need) return 0;", "if (cap + 1 < need) return 0;"))
    done = _run(auslink_c.build(tmp_path, *FLAGS, include=tmp_path), 300)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
