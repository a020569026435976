"""The first starts of the real command with the real kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.sources.file_search import DEMO_AUDIO
from tests.conftest import HANGS_S

Begin = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Starts the command with compiled code cached in `tmp_path`; whatever still runs after the test is killed."""
    command = [sys.executable, "-m", "edge", "detect", str(DEMO_AUDIO), "--jsonl", "--scores"]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    pipe = subprocess.PIPE
    with ExitStack() as started:

        def start() -> subprocess.Popen[str]:
            process = subprocess.Popen(command, text=True, env=environment, stdout=pipe, stderr=pipe)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield start


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=HANGS_S)
    assert process.returncode == 0, err
    return out, err


def inodes(cache: Path) -> dict[Path, int]:
    """Of every file of the cache; one that is written again has another."""
    return {path: path.stat().st_ino for path in cache.rglob("*.*")}


def test_starts_at_once_hear_the_same_and_leave_the_next_one_nothing_to_compile(tmp_path: Path, begin: Begin) -> None:
    first, second = (finish(process) for process in [begin(), begin()])
    assert first == second
    assert first[0].count("\n") > 100
    assert first[1] == ""
    cached = inodes(tmp_path)
    assert len(cached) == 8  # high-pass, mel energies, their logarithm, levels, gains found and added, samples, events
    assert finish(begin()) == first
    assert inodes(tmp_path) == cached


def test_damage_to_every_file_changes_no_score(tmp_path: Path, begin: Begin) -> None:
    out, _ = finish(begin())
    for path in inodes(tmp_path):
        damaged = bytearray(path.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        path.write_bytes(damaged)
    again, log = finish(begin())
    assert again == out
    assert log.count("kernel_cache=damaged") == len(inodes(tmp_path))
    assert finish(begin()) == (out, "")
