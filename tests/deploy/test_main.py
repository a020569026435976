"""What a person gives to `make deploy` and its kin, before any box is asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy import tools
from deploy.__main__ import main
from deploy.remote import Local, Target, _why


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["status"], "found none"),
        (["status", "--device", "x86", "--host", "a@b", "--port", "abc"], "--port: invalid int value: 'abc'"),
        (["logs", "--device", "local", "--lines", "many"], "--lines: invalid int value: 'many'"),
        pytest.param(
            ["status", "--device", "x86", "--host", "a@b", "--ssh-options", "-i 'key"],
            "SSH_OPTIONS",
            marks=pytest.mark.needs("ssh"),
        ),
        (["install", "--device", "local", "--config", "/no/such.yaml"], "/no/such.yaml"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_exit_code_2(
    words: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    output = capsys.readouterr().err.strip()
    assert output.startswith("deploy: ")
    assert found in output
    assert "\n" not in output


def test_a_mistake_in_config_is_told_before_wheels_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "make_tools", lambda build: Path(sys.executable))
    monkeypatch.setattr("deploy.commands.BUILD", tmp_path / "build")
    config = tmp_path / "ward.yaml"
    config.write_text("streams:\n  - {id: bed1, sauce: mic}\n")
    assert main(["install", "--device", "local", "--root", str(tmp_path / "root"), "--config", str(config)]) == 2
    output = capsys.readouterr()
    assert f"deploy: CONFIG: {config}: unknown key 'streams[0].sauce' (did you mean 'source'?)" in output.err
    assert "making the release" not in output.out


def test_a_workstation_that_may_not_build_says_so_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build").write_text("a file in place of the folder")
    monkeypatch.setattr("deploy.commands.BUILD", tmp_path / "build")
    assert main(["install", "--device", "local", "--root", str(tmp_path / "root")]) == 2
    output = capsys.readouterr().err.strip().splitlines()
    assert len(output) == 1
    assert str(tmp_path / "build") in output[0]


@pytest.mark.parametrize(
    ("code", "output", "goes_on"),
    [
        (-9, "", True),
        (255, "", True),
        (1, "Traceback (most recent call last):\nKeyError: 'x'", False),
        (2, "no", False),
    ],
)
def test_that_it_goes_on_is_said_only_of_what_was_killed(code: int, output: str, goes_on: bool) -> None:
    assert ("it goes on" in _why(Target(Local(), "/nowhere"), code, output)) == goes_on
