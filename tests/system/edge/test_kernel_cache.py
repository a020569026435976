"""Starts of real processes against real file systems, with a small kernel in place of the device's own."""

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
NOWHERE = "/dev/null/none"  # nobody can make a folder there, root neither
AS_NOBODY = f"""
import encodings.cp437, edge.errors, edge.kernels, numba, numba.core.event  # that root alone may read, perhaps
numba.njit(lambda x: x + 1.0)(1.0)
os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
"""
START = """
from numba.core.event import install_recorder
with install_recorder("numba:compile") as compiled:
    from outer import outer
    print(outer(20.0), not compiled.buffer)
"""
OUTER = """
from edge.kernels import kernel
from inner import inner

@kernel
def outer(x):
    return inner(x) + 2.0
"""
INNER = """
from numba import njit

@njit
def inner(x):
    return x * 2.0
"""
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: becomes another user")


@dataclass(frozen=True)
class Start:
    """What a process printed."""

    result: float
    warm: bool
    """Whether it compiled nothing."""
    lines: list[str]
    """Of its log."""


@dataclass(frozen=True)
class Box:
    """A package with a kernel and a folder where its code is cached."""

    sources: Path
    cache: Path

    @property
    def files(self) -> list[Path]:
        return sorted((self.cache / "laennec").glob("*"))

    def begin(self, script: str = START, before: str = "", **options: Any) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{self.sources}", "PYTHONDONTWRITEBYTECODE": "1"}
        environment |= {"NUMBA_CACHE_DIR": str(self.cache), "HOME": "/nonexistent", **options.pop("env", {})}
        command = [sys.executable, "-c", f"import os\n{before}{script}"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, text=True, env=environment, **pipes, **options)

    def start(self, **options: Any) -> Start:
        return finish(self.begin(**options))


def finish(process: subprocess.Popen[str]) -> Start:
    try:
        out, err = process.communicate(timeout=HANGS_S)
    finally:
        process.kill()  # nothing, if it has ended
    assert process.returncode == 0, err
    result, warm = out.split()
    return Start(float(result), warm == "True", err.splitlines())


@pytest.fixture(scope="module")
def compiled() -> Iterator[Path]:
    """The folder of a box after its first start."""
    with tempfile.TemporaryDirectory() as name:
        made = Box(Path(name, "sources"), Path(name, "cache"))
        made.sources.mkdir()
        (made.sources / "outer.py").write_text(OUTER)
        (made.sources / "inner.py").write_text(INNER)
        assert made.start() == Start(42.0, False, [])
        yield Path(name)


@pytest.fixture
def used(compiled: Path) -> Iterator[Box]:
    """A box whose code is cached, in a folder that any user may read, which `tmp_path` is not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(compiled, folder, dirs_exist_ok=True)
        folder.chmod(0o755)
        yield Box(folder / "sources", folder / "cache")


@pytest.fixture
def box(used: Box) -> Box:
    """A box where nothing is cached."""
    shutil.rmtree(used.cache)
    return used


def test_the_second_start_loads_what_the_first_compiled(used: Box) -> None:
    (file,) = used.files
    before = file.read_bytes()
    assert used.start() == Start(42.0, True, [])
    assert used.files == [file]
    assert file.read_bytes() == before


def test_where_nothing_can_be_written_a_start_compiles_and_says_so_once(box: Box) -> None:
    start = box.start(env={"NUMBA_CACHE_DIR": NOWHERE})
    assert (start.result, start.warm, len(start.lines)) == (42.0, False, 1)
    assert "kernel_cache=not_written" in start.lines[0]
    assert "Not a directory" in start.lines[0]
    assert "repair=set_NUMBA_CACHE_DIR" in start.lines[0]


@needs_root
def test_what_root_compiled_at_installation_is_loaded_by_a_user_who_may_not_write(used: Box) -> None:
    assert used.start(before=AS_NOBODY) == Start(42.0, True, [])


@needs_root
def test_a_user_without_a_home_caches_in_the_directory_of_the_unit(box: Box) -> None:
    anyone = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": "", "CACHE_DIRECTORY": ""}
    start = box.start(before=AS_NOBODY, env=anyone)
    assert (start.result, start.warm, len(start.lines)) == (42.0, False, 1)
    box.cache.mkdir()
    os.chown(box.cache, NOBODY, NOBODY)
    of_unit = {**anyone, "CACHE_DIRECTORY": str(box.cache)}
    assert box.start(before=AS_NOBODY, env=of_unit) == Start(42.0, False, [])
    assert box.start(before=AS_NOBODY, env=of_unit) == Start(42.0, True, [])


@needs_root
def test_packets_are_decoded_where_nothing_can_be_written(box: Box) -> None:
    script = "from firmware_bridge import cobs\nprint(len(cobs.decode(cobs.encode(b'a' * 42))), False)"
    start = box.start(script=script, before=AS_NOBODY, env={"NUMBA_CACHE_DIR": NOWHERE})
    assert start.result == 42
    assert "kernel_cache=not_written" in start.lines[0]


def test_a_disk_without_room_costs_the_cache_and_nothing_else(box: Box) -> None:
    limit_bytes = 4096
    limited = box.start(preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes)))
    assert (limited.result, limited.warm, len(limited.lines)) == (42.0, False, 1)
    assert "File too large" in limited.lines[0]
    assert not box.files
    assert box.start() == Start(42.0, False, [])


def test_damaged_code_is_never_run_and_is_replaced(used: Box) -> None:
    (file,) = used.files
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    for damaged in (bytes(content[:5000]), b"", bytes(content)):
        file.write_bytes(damaged)
        start = used.start()
        assert (start.result, start.warm) == (42.0, False)
        assert start.lines == [f"kernel_cache=damaged file={file} action=make_again"]
    assert used.start() == Start(42.0, True, [])


@pytest.mark.parametrize("what", ["folder", "file"])
def test_code_that_others_may_have_written_is_refused_with_a_line(used: Box, what: str) -> None:
    path = used.cache / "laennec" if what == "folder" else used.files[0]
    path.chmod(0o777)
    start = used.start(before="os.umask(0)\n")
    assert (start.result, start.warm) == (42.0, False)
    assert f"kernel_cache=refused path={path}" in start.lines[0]
    assert "rwxrwxrwx" in start.lines[0]
    assert used.start().warm == (what == "file"), "a file is replaced, a folder is not mended"


@needs_root
def test_a_folder_of_another_user_is_refused_with_a_line(used: Box) -> None:
    os.chown(used.cache / "laennec", NOBODY, NOBODY)
    start = used.start()
    assert (start.result, start.warm) == (42.0, False)
    assert f"owner={NOBODY}" in start.lines[0]


def test_two_cpus_have_their_code_side_by_side(used: Box) -> None:
    generic = {"env": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}}
    assert not used.start(**generic).warm
    assert len(used.files) == 2
    assert used.start(**generic) == used.start() == Start(42.0, True, [])


def test_four_processes_that_compile_at_once_leave_one_whole_file(box: Box) -> None:
    for start in [finish(process) for process in [box.begin() for _ in range(4)]]:
        assert (start.result, start.lines) == (42.0, [])
    assert len(box.files) == 1
    assert box.start() == Start(42.0, True, [])


@pytest.mark.parametrize(("changed", "result"), [("outer.py", 43.0), ("inner.py", 62.0)])
def test_a_change_that_leaves_size_and_date_of_a_source_is_seen(used: Box, changed: str, result: float) -> None:
    path = used.sources / changed
    before = path.stat()
    path.write_text(path.read_text().replace("2.0", "3.0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert used.start() == Start(result, False, [])
