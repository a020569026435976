"""Starts of real processes against real file systems, with two small kernels in place of the device's own."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import HANGS_S

ROOT = Path(__file__).parents[3]
NOBODY = 65534
ENTRY = "import logging, os; logging.basicConfig(format='%(message)s')\nfrom edge import kernel_cache\n"
AS_NOBODY = f"""
import numba  # with all that it imports late, for the interpreter may lie where nobody but root may read
numba.njit(lambda x: x + 1.0)(1.0)
os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
"""
START = """
with kernel_cache.kept_here():
    import outer
print(outer.outer(20.0), sum(outer.outer.stats.cache_hits.values()))
"""
OUTER = """
from numba import njit
from inner import inner

@njit(cache=True)
def outer(x):
    return inner(x) + 2.0
"""
INNER = """
from numba import njit

@njit(cache=True)
def inner(x):
    return x * 2.0
"""


@dataclass(frozen=True)
class Start:
    """What a process printed."""

    result: float
    warm: bool
    lines: list[str]  # of its log


@dataclass(frozen=True)
class Box:
    """A package with kernels and a folder where their code is kept."""

    sources: Path
    cache: Path

    @property
    def files(self) -> list[Path]:
        return sorted((self.cache / "laennec").glob("*"))

    def begin(self, before: str = "", **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{self.sources}", "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {"NUMBA_CACHE_DIR": str(self.cache), "HOME": "/nonexistent", **options.pop("env", {})}
        command = [sys.executable, "-c", f"{ENTRY}{before}{START}"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, env=environment, **pipes, **options)

    def start(self, **options: Any) -> Start:
        return finish(self.begin(**options))

    def times_ns(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.files}


def finish(process: subprocess.Popen[str]) -> Start:
    try:
        out, err = process.communicate(timeout=HANGS_S)
    finally:
        process.kill()  # nothing, if it has ended
    assert process.returncode == 0, err
    result, hits = out.split()
    return Start(float(result), hits == "1", err.splitlines())


@pytest.fixture
def box() -> Iterator[Box]:
    """In a folder that any user may read, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Box(folder / "sources", folder / "cache")
        made.sources.mkdir()
        (made.sources / "outer.py").write_text(OUTER)
        (made.sources / "inner.py").write_text(INNER)
        yield made


def flip(path: Path, position: int) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[position] ^= 1
    path.write_bytes(damaged)


def test_the_second_start_loads_what_the_first_compiled(box: Box) -> None:
    assert box.start() == Start(42.0, False, [])
    kept = box.times_ns()
    assert len(kept) == 2
    assert box.start() == Start(42.0, True, [])
    assert box.times_ns() == kept


def test_where_nothing_may_be_written_a_start_compiles_and_says_so_once(box: Box) -> None:
    box.cache.mkdir(mode=0o555)
    start = box.start(before=AS_NOBODY if os.geteuid() == 0 else "")
    assert (start.result, start.warm, len(start.lines)) == (42.0, False, 1)
    assert "kernel_cache=not_kept" in start.lines[0]
    assert "Permission denied" in start.lines[0]
    assert "NUMBA_CACHE_DIR" in start.lines[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")
def test_what_root_kept_at_installation_is_loaded_by_a_user_who_may_not_write(box: Box) -> None:
    box.start()
    assert box.start(before=AS_NOBODY) == Start(42.0, True, [])


def test_without_a_home_and_beside_read_only_sources_it_starts(box: Box) -> None:
    anyone = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": "", "CACHE_DIRECTORY": ""}
    if os.geteuid() != 0:
        pytest.skip("needs root: the sources of the device must belong to another user")
    start = box.start(before=AS_NOBODY, env=anyone)
    assert (start.result, len(start.lines)) == (42.0, 1)
    start = box.start(before=AS_NOBODY, env={**anyone, "CACHE_DIRECTORY": str(box.cache)})
    assert (start.result, len(start.lines)) == (42.0, 1), "the folder of the unit is not there yet"
    box.cache.mkdir()
    os.chown(box.cache, NOBODY, NOBODY)
    assert box.start(before=AS_NOBODY, env={**anyone, "CACHE_DIRECTORY": str(box.cache)}) == Start(42.0, False, [])
    assert box.start(before=AS_NOBODY, env={**anyone, "CACHE_DIRECTORY": str(box.cache)}) == Start(42.0, True, [])


def test_a_file_that_cannot_be_finished_is_not_left_behind(box: Box) -> None:
    limit_bytes = 4096
    limited = box.start(preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)))
    assert (limited.result, limited.warm, len(limited.lines)) == (42.0, False, 1)
    assert "File too large" in limited.lines[0]
    assert not box.files
    assert box.start() == Start(42.0, False, [])
    assert box.start() == Start(42.0, True, [])


def test_a_full_disk_costs_the_kept_code_and_nothing_else(box: Box) -> None:
    box.cache.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "none", str(box.cache)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root and the right to mount")
    try:
        full = box.start()
        assert (full.result, full.warm, len(full.lines)) == (42.0, False, 1)
        assert "No space left on device" in full.lines[0]
        subprocess.run(["mount", "-o", "remount,size=8m", str(box.cache)], check=True)
        assert box.start() == Start(42.0, False, [])
        assert box.start() == Start(42.0, True, [])
    finally:
        subprocess.run(["umount", str(box.cache)], check=True)


@pytest.mark.parametrize("left_bytes", [20, 5000])
def test_a_file_cut_short_is_compiled_again_and_replaced(box: Box, left_bytes: int) -> None:
    box.start()
    for path in box.files:
        os.truncate(path, left_bytes)
    start = box.start()
    assert (start.result, start.warm) == (42.0, False)
    assert [line.split()[0] for line in start.lines] == ["kernel_cache=damaged"] * 2
    assert box.start() == Start(42.0, True, [])


@pytest.mark.parametrize("position", [0, 3000])
def test_code_with_one_flipped_bit_never_runs(box: Box, position: int) -> None:
    box.start()
    for path in box.files:
        flip(path, position)
    start = box.start()
    assert (start.result, start.warm) == (42.0, False)
    assert len(start.lines) == 2
    assert box.start() == Start(42.0, True, [])


def test_a_folder_where_others_may_write_is_refused_with_a_line(box: Box) -> None:
    box.start()
    (box.cache / "laennec").chmod(0o777)
    start = box.start()
    assert (start.result, start.warm) == (42.0, False)
    assert [line.split()[0] for line in start.lines] == ["kernel_cache=refused", "kernel_cache=not_kept"]
    assert "mode=drwxrwxrwx" in start.lines[0]


def test_code_that_others_may_write_is_refused_and_replaced(box: Box) -> None:
    box.start()
    for path in box.files:
        path.chmod(0o666)
    start = box.start(before="os.umask(0)")
    assert (start.result, start.warm) == (42.0, False)
    assert [line.split()[0] for line in start.lines] == ["kernel_cache=refused"] * 2
    assert box.start() == Start(42.0, True, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives a folder away")
def test_a_folder_of_another_user_is_refused_with_a_line(box: Box) -> None:
    box.start()
    os.chown(box.cache / "laennec", NOBODY, NOBODY)
    start = box.start()
    assert (start.result, start.warm) == (42.0, False)
    assert f"owner={NOBODY}" in start.lines[0]


def test_two_cpus_keep_their_code_side_by_side(box: Box) -> None:
    generic = {"env": {"NUMBA_CPU_NAME": "generic"}}
    assert not box.start(**generic).warm
    assert not box.start().warm
    kept = box.times_ns()
    assert len(kept) == 4
    assert box.start(**generic) == box.start() == Start(42.0, True, [])
    assert box.times_ns() == kept


def test_four_processes_that_compile_at_once_leave_whole_files(box: Box) -> None:
    for start in [finish(process) for process in [box.begin() for _ in range(4)]]:
        assert (start.result, start.lines) == (42.0, [])
    kept = box.times_ns()
    assert len(kept) == 2
    assert box.start() == Start(42.0, True, [])
    assert box.times_ns() == kept


@pytest.mark.parametrize("changed", ["outer.py", "inner.py"])
def test_a_change_that_keeps_size_and_date_of_a_source_is_seen(box: Box, changed: str) -> None:
    box.start()
    path = box.sources / changed
    before = path.stat()
    path.write_text(path.read_text().replace("2.0", "3.0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert box.start() == Start({"outer.py": 43.0, "inner.py": 62.0}[changed], False, [])


def test_another_numba_compiles_again(box: Box) -> None:
    box.start()
    assert not box.start(before="kernel_cache.numba.__version__ += '.post1'").warm
    assert box.start().warm


def test_kernels_that_differ_in_what_they_enclose_are_kept_apart(box: Box) -> None:
    made = "def make(y):\n    @njit(cache=True)\n    def sum(x):\n        return x + y\n    return sum\n"
    (box.sources / "outer.py").write_text(
        f"from numba import njit\n{made}one, outer = make(1.0), make(2.0)\none(1.0)\n"
    )
    assert box.start() == Start(22.0, False, [])
    assert box.start() == Start(22.0, True, [])


def test_old_code_does_not_pile_up(box: Box) -> None:
    folder = box.cache / "laennec"
    folder.mkdir(parents=True, mode=0o755)
    for number in range(200):
        (folder / f"{number}.kernel").write_bytes(b"")
        os.utime(folder / f"{number}.kernel", (number, number))
    box.start()
    assert len(box.files) == 128
    assert box.start().warm
