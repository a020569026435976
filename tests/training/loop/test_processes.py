"""Processes side by side: nobody trains on when the parent is dead or another one failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.edge.conftest import wait_for
from training.loop.processes import answers, side_by_side

LONG_S = 600.0  # longer than any test waits


def sleep_long(note: Path) -> None:
    """Note who is here, and stay."""
    note.with_suffix(".part").write_text(str(os.getpid()))
    note.with_suffix(".part").rename(note)
    time.sleep(LONG_S)


def fail_beside(note: Path) -> None:
    """Fail when the other one is there."""
    wait_for(note.exists, "the other process")
    raise ValueError("no such recording")


def is_there(number: int) -> bool:
    """Whether a process runs; one that is dead and not yet collected does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.rest
def test_processes_die_with_their_parent_however_it_dies(tmp_path: Path) -> None:
    note = tmp_path / "child"
    program = (
        "from pathlib import Path\nfrom tests.training.loop.test_processes import sleep_long\n"
        "from training.loop.processes import answers, side_by_side\n"
        f"with side_by_side(1) as some: print(*answers(some, [(sleep_long, Path({str(note)!r}))]))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3])
    wait_for(note.exists, "the child")
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_there(child), "the end of the child")
    assert not is_there(child)


@pytest.mark.rest
def test_when_one_fails_the_others_are_ended_and_its_error_is_told(tmp_path: Path) -> None:
    note = tmp_path / "child"
    with pytest.raises(ValueError, match="no such recording"), side_by_side(2) as processes:  # noqa: PT012
        for _ in answers(processes, [(sleep_long, note), (fail_beside, note)]):
            pytest.fail("neither returns")
    wait_for(lambda: not is_there(int(note.read_text())), "the end of the child")
    assert not is_there(int(note.read_text()))


@pytest.mark.rest
def test_answers_come_as_they_are_done() -> None:
    with side_by_side(2) as processes:
        assert sorted(answers(processes, [(abs, -1), (abs, -2), (abs, -3)])) == [1, 2, 3]
