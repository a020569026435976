"""What auslink.h promises to firmware: clean under strict compilers, no libc, small code, little stack."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware_bridge.auslink_c import INCLUDE, STRICT

ARM = "arm-none-eabi-gcc"
CORES = ("cortex-m0plus", "cortex-m4", "cortex-m33")
RICE, SEAL = "-DAUSLINK_RICE", "-DAUSLINK_SEAL"
EXTRAS = ((), (RICE,), (SEAL,), (RICE, SEAL), ("-DAUSLINK_CRC32(p,n)=crc_of_hardware(p,n)",))
SOURCE = """
#include <stddef.h>
#include <stdint.h>
uint32_t crc_of_hardware(const uint8_t *p, size_t n);
#define AUSLINK_IMPLEMENTATION
#include "auslink.h"
"""
needs_arm = pytest.mark.needs(ARM)


def _compile(compiler: str, folder: Path, suffix: str, *options: str) -> Path:
    source, made = folder / f"link.{suffix}", folder / "link.o"
    source.write_text(SOURCE)
    command = [compiler, *options, f"-I{INCLUDE}", "-c", str(source), "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return made


@pytest.mark.parametrize("extras", EXTRAS, ids=" ".join)
@pytest.mark.parametrize("compiler", ["gcc", pytest.param("clang", marks=pytest.mark.needs("clang"))])
def test_a_strict_c99_compiler_has_nothing_to_say(compiler: str, extras: tuple[str, ...], tmp_path: Path) -> None:
    made = _compile(compiler, tmp_path, "c", *STRICT, "-Wsign-conversion", "-Wshadow", "-O2", *extras)
    assert b"auslink_samples" in made.read_bytes()


@pytest.mark.needs("g++")
@pytest.mark.parametrize("extras", EXTRAS, ids=" ".join)
def test_it_is_c_plus_plus_too(extras: tuple[str, ...], tmp_path: Path) -> None:
    made = _compile("g++", tmp_path, "cpp", "-std=c++11", *STRICT[1:], "-O2", *extras)
    assert b"auslink_samples" in made.read_bytes()


@needs_arm
@pytest.mark.parametrize("level", ["-Os", "-O2", "-O3"])
@pytest.mark.parametrize("core", CORES)
def test_nothing_is_asked_of_a_library(core: str, level: str, tmp_path: Path) -> None:
    made = _compile(ARM, tmp_path, "c", *STRICT, "-mthumb", f"-mcpu={core}", level, RICE, SEAL)
    assert subprocess.run(["arm-none-eabi-nm", "-u", made], capture_output=True, text=True, check=True).stdout == ""


@needs_arm
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("extras", "code_bytes", "stack_bytes"), [((), 600, 100), ((RICE,), 1800, 160)])
def test_sending_samples_takes_little_flash_and_stack(
    core: str, extras: tuple[str, ...], code_bytes: int, stack_bytes: int, tmp_path: Path
) -> None:
    measure = ("-ffunction-sections", "-fdata-sections", "-fcallgraph-info=su")
    made = _compile(ARM, tmp_path, "c", *STRICT, "-mthumb", f"-mcpu={core}", "-Os", *measure, *extras)
    needed, deepest = _reached((tmp_path / "link.ci").read_text(), "auslink_samples")
    sizes = _sizes(made)
    table = sum(size for name, size in sizes.items() if name.startswith("table"))
    total = table + sizes["auslink_init"] + sum(sizes[name] for name in needed)
    assert 200 < total < code_bytes, sizes
    assert 24 < deepest < stack_bytes


def _sizes(made: Path) -> dict[str, int]:
    listing = subprocess.run(["arm-none-eabi-nm", "-S", "-td", made], capture_output=True, text=True, check=True)
    return {line.split()[3]: int(line.split()[1]) for line in listing.stdout.splitlines() if len(line.split()) == 4}


def _reached(graph: str, root: str) -> tuple[set[str], int]:
    """Functions below a root, itself included, and the deepest stack of any path, bytes (gcc's VCG listing)."""
    frames = {
        title.split(":")[-1]: int(frame)
        for title, frame in re.findall(r'node: \{ title: "([^"]+)" label: "[^"]*?\\n(\d+) bytes', graph)
    }
    calls: dict[str, set[str]] = {}
    for caller, callee in re.findall(r'sourcename: "([^"]+)" targetname: "([^"]+)"', graph):
        calls.setdefault(caller.split(":")[-1], set()).add(callee.split(":")[-1])

    def depth(name: str) -> int:
        return frames[name] + max(map(depth, calls.get(name, ())), default=0)

    reached, waiting = set(), {root}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= calls.get(name, set()) - reached
    return reached, depth(root)
