"""What a person gives to `make deploy` and its kin, before any box is asked."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy import wheelhouse
from deploy.__main__ import main
from deploy.box.process import Process
from deploy.box.wire import Session, Wire, only_one
from deploy.session import Target, _why
from deploy.transport import Local
from deploy.wheelhouse import PROJECT, Wheelhouse
from tests.deploy.conftest import Box


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["status"], "found none"),
        (["status", "--device", "x86", "--host", "a@b", "--port", "abc"], "--port: invalid int value: 'abc'"),
        (["logs", "--device", "local", "--lines", "many"], "--lines: invalid int value: 'many'"),
        (["status", "--device", "x86", "--host", "a@b", "--ssh-options", "-i 'key"], "SSH_OPTIONS"),
        (["install", "--device", "local", "--config", "/no/such.yaml"], "/no/such.yaml"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("deploy: ")
    assert found in said
    assert "\n" not in said


def test_a_mistake_in_config_is_told_before_wheels_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheelhouse, "make_tools", lambda build: Path(sys.executable))
    monkeypatch.setattr("deploy.__main__.BUILD", tmp_path / "build")
    config = tmp_path / "ward.yaml"
    config.write_text("streams:\n  - {id: bed1, sauce: mic}\n")
    assert main(["install", "--device", "local", "--root", str(tmp_path / "root"), "--config", str(config)]) == 2
    said = capsys.readouterr()
    assert f"deploy: CONFIG: {config}: unknown key 'streams[0].sauce' (did you mean 'source'?)" in said.err
    assert "wheelhouse" not in said.out


def test_a_workstation_that_may_not_build_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build").write_text("a file in place of the folder")
    monkeypatch.setattr("deploy.__main__.BUILD", tmp_path / "build")
    assert main(["install", "--device", "local", "--root", str(tmp_path / "root")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert str(tmp_path / "build") in said[0]


@pytest.mark.parametrize(
    ("code", "said", "goes_on"),
    [
        (-9, "", True),
        (255, "", True),
        (1, "Traceback (most recent call last):\nKeyError: 'x'", False),
        (2, "no", False),
    ],
)
def test_that_it_goes_on_is_said_only_of_what_was_killed(code: int, said: str, goes_on: bool) -> None:
    assert ("it goes on" in _why(Target(Local(), "/nowhere"), code, said)) == goes_on


@pytest.fixture
def stranger(box: Box) -> Callable[..., str]:
    """Gives a command below the box's root as a user who may not change it; what is said on standard error."""
    me = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp", "/usr/bin/python3", "-B"]
    tried = subprocess.run([*me, "-c", "import deploy.session"], cwd=PROJECT, capture_output=True, check=False)
    if os.geteuid() != 0 or tried.returncode:
        pytest.skip("nobody else can be tried here: needs root, and a clone and a Python that all may read")

    def ask(*words: str) -> str:
        argv = [*me, "-m", "deploy", *words, "--device", "local", "--root", str(box.place.root)]
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2), done
        return done.stderr.strip()

    return ask


@pytest.mark.system
@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_another_users_deployment_is_refused_in_one_line_that_names_its_owner(
    box: Box, stranger: Callable[..., str], standin: Callable[..., Wheelhouse], mode: int
) -> None:
    for folder in (box.place.root, box.place.root.parent):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o755)
    name = box.install("well")
    box.place.root.chmod(mode)
    folder = standin("well").wheels[0].path.parent
    for words in (["install", "--wheelhouse", str(folder)], ["rollback"], ["undeploy"]):
        first, *others = stranger(*words).splitlines()
        assert "belongs to root; found that nobody lacks it" in first
        assert "deploy as root, or give another ROOT=DIR" in first
        assert others == (
            [f"deploy: now: {name} is current and its service is running (runs well config: first)"]
            if mode == 0o755
            else []
        )
    assert ("belongs to root" in stranger("status")) == (mode == 0o700), "who may read is told"


@pytest.mark.system
def test_who_is_refused_hears_who_is_at_work_before_anything_is_built(
    box: Box, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deploy.__main__.PATIENCE_S", 0.0)
    monkeypatch.setattr("deploy.__main__.BUILD", tmp_path / "build")
    with only_one(Session(box.place, Process(box.place), Wire(io.BytesIO()), "anna@desk")):
        assert main(["install", "--device", "local", "--root", str(box.place.root)]) == 2
    said = capsys.readouterr()
    who = f"process {os.getpid()} for anna@desk, since "
    assert f"deploy: another deployment to this box is under way ({who}" in said.err
    assert "wheelhouse" not in said.out


@pytest.mark.system
def test_status_for_programs_says_the_same_as_for_people(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["status", "--json", "--device", "local", "--root", str(box.place.root)]
    assert main(words) == 1
    assert json.loads(capsys.readouterr().out)["running"] == ""
    name = box.install("well")
    capsys.readouterr()
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["running"], told["phase"], told["releases"], told["busy"]) == (name, "running", [name], "")
    assert told["config"] == str(box.place.config)
