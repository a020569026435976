"""The first starts of the real command with the real kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.sources.synthetic import DEMO_AUDIO

pytestmark = pytest.mark.system


def begin(cache: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edge", "detect", str(DEMO_AUDIO), "--jsonl", "--scores"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(command, text=True, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out, err


def times_ns(cache: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in cache.rglob("*.*")}


def test_starts_at_once_hear_the_same_and_leave_the_next_one_nothing_to_compile(tmp_path: Path) -> None:
    first, second = (finish(process) for process in [begin(tmp_path), begin(tmp_path)])
    assert first == second
    assert first[0].count("\n") > 100
    assert first[1] == ""
    kept = times_ns(tmp_path)
    assert len(kept) > 2
    assert finish(begin(tmp_path)) == first
    assert times_ns(tmp_path) == kept


def test_damage_to_every_file_changes_no_score(tmp_path: Path) -> None:
    out, _ = finish(begin(tmp_path))
    for path in times_ns(tmp_path):
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
    again, log = finish(begin(tmp_path))
    assert again == out
    assert log.count("kernel_cache=damaged") == len(times_ns(tmp_path))
    assert finish(begin(tmp_path)) == (out, "")
