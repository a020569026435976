"""Nobody at the keyboard: a switch that is cut off, to a release that is no good, is undone by the box itself.

The box's half is killed before every step of a switch. Then the service starts, as after a power cut, and no command is
given: the release that was good must run, with the settings that were good.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.box.layout import Trial, point, write_record
from deploy.tools import PROJECT
from tests.deploy.conftest import CONFIG, Box, until
from tests.deploy.killed import run_until
from tests.system.deploy.test_box_settings import replace

SECOND = "config: second\n"


def start_again(box: Box) -> None:
    """Power goes and comes: whatever ran is gone, and the service is started by no deployment."""
    with suppress(OSError, ValueError):
        os.killpg(int((box.layout.run / "pid").read_text()), signal.SIGKILL)
    until(lambda: box.health().phase == "stopped", box.health)
    with open(box.layout.log, "ab") as log:
        subprocess.run(
            ["setsid", "--fork", "sh", box.layout.current / "run.sh", box.layout.root],
            env=box.layout.variables(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=True,
        )


def spoil(box: Box, name: str, behaviour: str) -> None:
    """From now on that release behaves so, though it was good when it came."""
    program = next((box.layout.releases / name).glob("venv/lib/*/site-packages/edge/__main__.py"))
    lines = program.read_text().splitlines(keepends=True)
    program.unlink()  # other releases may have the same file
    program.write_text("".join(f"BEHAVIOUR = {behaviour!r}\n" if "BEHAVIOUR =" in line else line for line in lines))


@pytest.fixture
def good_and_bad(box: Box, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two releases with settings of their own: the first is good and current, the second behaves as asked for."""
    first, second = box.install("one"), box.install("two", SECOND)
    assert box.rollback() == first
    spoil(box, second, request.param)
    return first, second


@pytest.mark.parametrize(("good_and_bad", "each"), [("ends", 1), ("ends soon", 4)], indirect=["good_and_bad"])
def test_cut_off_at_any_step_the_good_release_and_its_settings_come_back_by_themselves(
    box: Box, good_and_bad: tuple[str, str], each: int
) -> None:
    first, second = good_and_bad
    request = {"command": "rollback", "release": second, "hold_s": 60.0}
    step, finished, undone = 0, 0, 0
    while not finished:
        step += each
        finished = run_until(box, step, request, refusal="was not healthy")
        undone += box.layout.running() == second
        start_again(box)
        until(lambda: box.heard() == "one", box.health)
        assert box.layout.running() == first
        assert box.layout.config.read_text() == CONFIG
        if box.layout.trial.exists():
            assert box.rollback(first) == first
        assert not box.layout.before.is_symlink()
    assert step > 15, "a switch is many steps"
    assert undone * each > 3, "the flip was seen from both sides"


@pytest.fixture
def cut_off(box: Box) -> tuple[str, str]:
    """A switch from the first release to the second that was cut off after the flip, before anything was restarted."""
    first, second = box.install("one"), box.install("two", SECOND)
    assert box.rollback() == first
    write_record(box.layout.trial, Trial(second, first, had_config=True, is_untried=False, hold_s=0.5))
    point(box.layout.before, f"releases/{first}")
    point(box.layout.current, f"releases/{second}")
    return first, second


def undo(box: Box) -> str:
    """What stands before every start of the service; its words."""
    line = ["sh", box.layout.before / "undo.sh", box.layout.root]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


def test_a_start_goes_back_to_the_last_release_that_was_good_and_says_so(box: Box, cut_off: tuple[str, str]) -> None:
    first, second = cut_off
    assert f"the switch to {second} was cut off" in undo(box)
    assert box.layout.running() == first
    assert undo(box) == "", "once"


def test_who_only_looks_whether_a_deployment_is_at_work_keeps_no_start_from_going_back(
    box: Box, cut_off: tuple[str, str]
) -> None:
    with open(box.layout.lock) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)  # as make status
        undo(box)
    assert box.layout.running() == cut_off[0]


@pytest.mark.parametrize("goes_back", [undo, Box.rollback], ids=["start", "rollback"])
def test_settings_put_in_place_of_the_link_during_a_switch_are_not_for_the_release_before(
    box: Box, goes_back: Callable[[Box], str]
) -> None:
    first, second = box.install("one"), box.install("two", SECOND)
    write_record(box.layout.trial, Trial(second, first, had_config=True, is_untried=True, hold_s=0.1))
    point(box.layout.before, f"releases/{first}")
    replace(box.layout.config, "config: second, by hand\n")
    goes_back(box)
    assert (box.layout.running(), box.layout.config.read_text()) == (first, CONFIG)
    assert box.layout.config_edited.read_text() == "config: second, by hand\n"
    replace(box.layout.config, "config: first, by hand\n")
    if box.layout.before.is_symlink():  # until the next command
        undo(box)
    assert box.layout.config.read_text() == "config: first, by hand\n", "edited after the box went back"


def test_while_a_deployment_is_at_work_a_start_undoes_nothing(box: Box, cut_off: tuple[str, str]) -> None:
    with open(box.layout.lock) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert undo(box) == ""
    assert box.layout.running() == cut_off[1]


def test_after_a_deployment_that_was_kept_a_start_undoes_nothing(box: Box) -> None:
    box.install("one")
    second = box.install("two")
    assert not box.layout.before.is_symlink()
    start_again(box)
    until(lambda: box.heard() == "two", box.health)
    assert box.layout.running() == second


def test_rollback_after_a_cut_off_switch_goes_to_the_last_that_was_kept(box: Box) -> None:
    box.install("zero")
    first, second = box.install("one"), box.install("two")
    write_record(box.layout.trial, Trial(second, first, had_config=True, is_untried=True, hold_s=0.1))
    assert box.rollback() == first
    assert not box.layout.trial.exists()
    assert box.heard() == "one"


def test_rollback_stays_where_the_box_went_back_to_by_itself(box: Box) -> None:
    box.install("zero")
    first, second = box.install("one"), box.install("two")
    write_record(box.layout.trial, Trial(second, first, had_config=True, is_untried=True, hold_s=0.1))
    point(box.layout.before, f"releases/{first}")
    start_again(box)
    until(lambda: box.layout.running() == first, box.health)
    assert box.rollback() == first


@pytest.mark.parametrize("is_named", [True, False])
def test_a_rollback_that_was_cut_off_goes_on_when_it_is_asked_for_again(
    box: Box, cut_off: tuple[str, str], is_named: bool
) -> None:
    second = cut_off[1]
    assert box.rollback(second if is_named else "") == second
    assert box.heard() == "two"
    assert not box.layout.trial.exists()


def test_a_deployment_that_comes_to_nothing_on_the_workstation_has_mended_the_box(
    box: Box, cut_off: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cut_off
    spoil(box, second, "ends")
    monkeypatch.setattr("deploy.tools.make_tools", lambda build: Path(sys.executable))
    monkeypatch.setattr("deploy.commands.BUILD", tmp_path / "build")
    (tmp_path / "ward.yaml").write_text("sauce: mic\n")
    words = ["install", "--device", "local", "--root", str(box.layout.root), "--config", str(tmp_path / "ward.yaml")]
    assert main(words) == 2
    assert (box.layout.running(), box.layout.config.read_text()) == (first, CONFIG)


def test_a_cut_off_switch_is_held_as_long_as_any_other_before_it_stays(
    box: Box, cut_off: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = cut_off
    write_record(box.layout.trial, Trial(second, first, had_config=True, is_untried=False, hold_s=60.0))
    spoil(box, second, "ends later")
    error = box.refusal("three", config="sight: x\n")
    assert "unknown key 'sight'" in str(error)
    assert f"a switch to {second} had been cut off, and it is not healthy" in capsys.readouterr().out
    assert error.state == f"{first} is current and its service is ready (one)"
    assert box.layout.config.read_text() == CONFIG


def test_a_cut_off_switch_to_a_good_release_stays(
    box: Box, cut_off: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "unknown key 'sight'" in str(box.refusal("three", config="sight: x\n"))
    assert "it was healthy for 0.5 s and stays" in capsys.readouterr().out
    assert (box.layout.running(), box.layout.config.read_text()) == (cut_off[1], SECOND)
    assert not box.layout.trial.exists()


def test_status_says_what_will_become_of_a_cut_off_switch(box: Box, cut_off: tuple[str, str]) -> None:
    first, second = cut_off
    line = [sys.executable, "-m", "deploy", "status", "--device", "local", "--root", str(box.layout.root)]

    def answered() -> str:
        return subprocess.run(line, cwd=PROJECT, capture_output=True, text=True, check=False).stdout

    assert (
        f"a switch to {second} was cut off before its end: at its next start the service goes back to {first}"
        in answered()
    )
    undo(box)
    assert f"a switch to {second} was cut off before its end, and {first} is current as before" in answered()
