"""What a person gives to `make deploy` and its kin, before any box is asked."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.__main__ import main
from deploy.box.service import Process
from deploy.box.session import Session, Wire, only_one
from deploy.tools import PROJECT
from tests.deploy.conftest import Box, House


@pytest.fixture
def stranger(box: Box) -> Callable[..., str]:
    """Gives a command below the box's root as a user who may not change it; what is said on standard error."""
    me = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp", "/usr/bin/python3", "-B"]
    tried = subprocess.run([*me, "-c", "import deploy.remote"], cwd=PROJECT, capture_output=True, check=False)
    if os.geteuid() != 0 or tried.returncode:
        pytest.skip("nobody else can be tried here: needs root, and a clone and a Python that all may read")

    def request(*words: str) -> str:
        argv = [*me, "-m", "deploy", *words, "--device", "local", "--root", str(box.layout.root)]
        done = subprocess.run(argv, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 2), done
        return done.stderr.strip()

    return request


@pytest.mark.parametrize("mode", [0o755, 0o700])
def test_another_users_deployment_is_refused_in_one_line_that_names_its_owner(
    box: Box, stranger: Callable[..., str], standin: Callable[..., House], mode: int
) -> None:
    for folder in (box.layout.root, box.layout.root.parent):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o755)
    name = box.install("well")
    box.layout.root.chmod(mode)
    folder = standin("well").folder
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


def test_who_is_refused_hears_who_is_at_work_before_anything_is_built(
    box: Box, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("deploy.commands.PATIENCE_S", 0.0)
    monkeypatch.setattr("deploy.commands.BUILD", tmp_path / "build")
    with only_one(Session(box.layout, Process(box.layout), Wire(io.BytesIO()), "anna@desk")):
        assert main(["install", "--device", "local", "--root", str(box.layout.root)]) == 2
    output = capsys.readouterr()
    who = f"process {os.getpid()} for anna@desk, since "
    assert f"deploy: another deployment to this box is under way ({who}" in output.err
    assert "making the release" not in output.out


def test_status_for_programs_says_the_same_as_for_people(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["status", "--json", "--device", "local", "--root", str(box.layout.root)]
    assert main(words) == 1
    assert json.loads(capsys.readouterr().out)["running"] == ""
    name = box.install("well")
    capsys.readouterr()
    assert main(words) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["running"], printed["phase"], printed["releases"], printed["busy"]) == (name, "running", [name], "")
    assert printed["config"] == str(box.layout.config)
