"""`make test` and `make test-rest` are two parts of one suite: each test is in one, and both say what they leave."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SEVERAL = (
    "tests/edge/server/history/test_database_retention.py",
    "tests/firmware_bridge/test_header_limits.py",
    "tests/gpu",
)
SEVERAL += ("tests/system/firmware_bridge", "tests/test_parts.py")


def words_of(target: str) -> list[str]:
    """What a target says to pytest."""
    environment = {"PATH": os.environ["PATH"]}  # nothing of a make that runs this test, such as its ARGS
    line = ["make", "--no-print-directory", "--dry-run", target, "JOBS=2"]
    output = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return shlex.split(output.splitlines()[-1].partition("-m pytest")[2])


def collected(*options: str) -> tuple[set[str], str]:
    """Names of the tests of some files, and the last lines that were said."""
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *options, *SEVERAL]
    output = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(?m)^tests/\S+::.+$", output)), output


def left_out(output: str) -> tuple[int, int]:
    """How many files and tests the last lines say they leave out."""
    files, tests = re.findall(r"left out: (\d+) whole files and (\d+) more tests", output)[0]
    return int(files), int(tests)


def test_the_two_commands_differ_in_their_part_alone() -> None:
    first, second = words_of("test"), words_of("test-rest")
    assert [first.pop(first.index("-m") + 1), second.pop(second.index("-m") + 1)] == ["not rest", "rest"]
    assert first == second


@pytest.mark.rest
def test_every_test_is_in_one_part_and_what_is_left_out_is_told() -> None:
    every, _ = collected()
    first, told_first = collected("-m", "not rest")
    second, told_second = collected("-m", "rest")
    assert first
    assert second
    assert (first | second, first & second) == (every, set())
    in_system = {name.partition("::")[0] for name in second if name.startswith("tests/system")}
    files, more = left_out(told_first)
    assert files >= len(in_system)  # files beside those that were named count, too
    assert more == len([name for name in second if not name.startswith("tests/system")])
    assert "tests of whole programs" in told_first
    assert "`make test-rest` runs them" in told_first
    both = {name.partition("::")[0] for name in first} & {name.partition("::")[0] for name in second}
    files, more = left_out(told_second)
    assert files >= len({name.partition("::")[0] for name in first} - both)
    assert more == len([name for name in first if name.partition("::")[0] in both])
    assert "tests of `make test`" in told_second
    assert not [name for name in first if name.startswith("tests/system")]
