"""Settings alone: another release for the box, but no other software; judged, undone and gone back from as any."""

from __future__ import annotations

import pytest

from deploy.devices import DeployError
from deploy.remote import send_command
from tests.deploy.conftest import CONFIG, Box, until
from tests.deploy.killed import run_until
from tests.system.deploy.test_undo import start_again

SECOND = "config: second\n"


def configure(box: Box, text: str = SECOND, **more: object) -> dict[str, object]:
    """What came of it."""
    return send_command(box.target, "configure", **{"files": {"ward.yaml": text}, "hold_s": 0.3, **more})


def _refusal(box: Box, text: str) -> str:
    with pytest.raises(DeployError) as caught:
        configure(box, text)
    return str(caught.value)


def test_settings_change_alone_and_go_back_as_a_release_does(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    first = box.install("one")
    capsys.readouterr()
    reported = configure(box)
    assert reported["is_new"]
    assert isinstance(reported["deaf_s"], float)
    assert box.layout.config.read_text() == SECOND
    assert "runs one config: second" in box.layout.log.read_text().splitlines()
    assert "compiling" not in capsys.readouterr().out, "nothing is made anew"
    assert (box.layout.current / "venv").is_symlink()
    assert box.layout.running() == first.replace("0001-", "0002-")
    assert send_command(box.target, "status")["deaf_s"] == reported["deaf_s"]
    assert box.rollback() == first
    assert box.layout.config.read_text() == CONFIG


def test_the_same_settings_again_are_nothing_to_do(box: Box) -> None:
    name = box.install("one")
    assert not configure(box, CONFIG)["is_new"]
    assert box.releases() == [name]


def test_the_box_s_own_software_judges_them_before_anything_is_switched(box: Box) -> None:
    first, pid = box.install("one"), (box.layout.run / "standin").read_text()
    assert _refusal(box, "sight: x\n").endswith("laennec: CONFIG: unknown key 'sight'")
    assert "no microphone of that name" in _refusal(box, "config: deaf\n"), "its doctor"
    assert (box.releases(), box.layout.config.read_text()) == ([first], CONFIG)
    assert (box.layout.run / "standin").read_text() == pid, "it was not even restarted"


def test_settings_with_which_it_does_not_stay_up_are_undone(box: Box) -> None:
    first = box.install("one")
    output = _refusal(box, "config: sick\n")
    assert "laennec: sick" in output
    assert "deaf for at most" in output
    assert (box.releases(), box.layout.config.read_text(), box.heard()) == ([first], CONFIG, "one")


def test_without_a_release_there_is_nothing_to_configure(box: Box) -> None:
    assert "expected a release whose settings could be changed, found none; run make deploy" in _refusal(box, SECOND)


def test_software_that_settings_share_outlives_its_own_release_number(box: Box) -> None:
    first = box.install("one")
    for number in range(4):
        configure(box, f"config: {number}\n", hold_s=0.0, keep=2)
    assert len(box.releases()) == 3
    assert box.releases()[0] == first, "whose environment the others use"
    assert box.heard() == "one"
    second = box.install("two", config=None, keep=2)
    assert box.layout.config.read_text() == "config: 3\n"
    assert first in box.releases(), "what could be gone back to still uses it"
    assert box.rollback() != second
    assert box.heard() == "one"


def test_cut_off_at_any_step_the_settings_that_were_good_come_back_by_themselves(box: Box) -> None:
    first = box.install("one")
    request = {"command": "configure", "files": {"ward.yaml": "config: sick\n"}, "hold_s": 60.0}
    step, finished = 0, 0
    while not finished:
        step += 4
        finished = run_until(box, step, request, refusal="was not healthy")
        start_again(box)
        until(lambda: box.heard() == "one", box.health)
        assert box.layout.running() == first
        assert box.layout.config.read_text() == CONFIG
    assert step > 15, "a switch is many steps"
