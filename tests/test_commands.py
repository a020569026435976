"""Every command that a page shows is understood by its program, and is run by a test or named here with a reason."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer

from edge.commands.app import app
from edge.settings.node import load_config
from tests.pages import OURS, ROOT, commands, named, words, written_pages
from tests.system.test_commands import RUN

needs_torch = pytest.mark.skipif(sys.version_info < (3, 11), reason="training and export need Python 3.11")
RUN_BY = {  # where a command like this is run, with other names and places
    "make demo": ".ci/run",
    "make test": ".ci/run",
    "make deploy": "tests/system/deploy/test_deploy_local.py",
    "make configure": "tests/system/deploy/test_deploy_local.py",
    "make model": "tests/system/deploy/test_deploy_local.py",
    "make credentials": "tests/system/deploy/test_fleet.py",
    "make rollback": "tests/system/deploy/test_main.py",
    "make status": "tests/system/deploy/test_main.py",
    "make logs": "tests/system/deploy/test_deploy_local.py",
    "make undeploy": "tests/system/deploy/test_main.py",
    "make train": "tests/system/training/test_trial.py",
    "make export": "tests/export/test_exporting.py",
    "make evaluate": "tests/training/evaluation/test_command.py",
    "make results": "tests/training/results/test_page.py",
    "make data-check": "tests/training/datasets/test_check.py",
    "make data-download": "tests/training/datasets/test_fetch.py",
    "laennec run": "tests/system/edge/test_main.py",
    "laennec init": "tests/system/edge/test_init.py",
    "laennec link": "tests/system/edge/test_link_commands.py",
    "laennec resend": "tests/system/edge/test_resend.py",
    "laennec replay": "tests/system/edge/test_clips.py",
    "laennec score": "tests/system/edge/test_score.py",
    "laennec adapt": "tests/system/edge/test_adapt_command.py",
    "laennec detect --adaptation": "tests/system/edge/test_adapt_command.py",
    "laennec doctor --config": "tests/system/edge/test_doctor.py",
    "laennec board": "tests/system/edge/server/board/test_users_command.py",
    "laennec export collect": "tests/system/edge/test_export.py",
    "laennec export convert": "tests/system/edge/test_export.py",
    "laennec export labels": "tests/system/edge/server/board/test_bed_labels.py",
    "laennec ingest": "tests/system/edge/server/history/test_kills.py",
    "laennec history": "tests/edge/commands/test_history_command.py",
    "laennec model": "tests/edge/commands/test_model_command.py",
    "laennec devices": "tests/system/test_commands.py",
    "python -m export": "tests/export/test_exporting.py",
    "python -m export.sign": "tests/system/export/test_sign.py",
    "python -m training.adapt": "tests/training/test_adapt.py",
    "python -m training.fine_tune": "tests/training/test_fine_tune.py",
    "python -m training.clips.comparison": "tests/training/clips/test_comparison.py",
    "python -m training.clips.cost": "tests/training/clips/test_cost.py",
    "python -m training.detector.ablation": "tests/training/detector/test_ablation.py",
    "python -m training.evaluation.repeatability": "tests/training/evaluation/test_repeatability.py",
    "python -m training.evaluation.sound_quality": "tests/training/evaluation/test_sound_quality.py",
    "deploy/mosquitto/setup": "tests/system/deploy/test_mosquitto_setup.py",
}
NOT_RUN = {
    "apt": "changes the machine",
    "pip3": "changes the machine",
    "python -m pip": "changes the environment that runs the tests",
    "systemctl": "needs a machine of its own",
    "systemd-run": "needs a machine of its own",
    "bluetoothctl": "needs a radio",
    "mosquitto_sub": "another program, at a broker that is not there",
    "mosquitto_pub": "another program, at a broker that is not there",
    "curl": "another program, at a node that runs",
    "grep": "another program",
    **dict.fromkeys(("cp", "ls", "ln", "rm", "chown"), "a file of a box"),
}


def _name(command: str) -> str:
    """A command as the tables above name it: program and subcommand, the longest that is there."""
    found = words(command)
    names = [" ".join(found[:count]) for count in range(min(3, len(found)), 0, -1)]
    return next((name for name in names if name in RUN_BY or name in NOT_RUN), names[-1])


ALL = sorted({command for page in written_pages() for command in commands(page.read_text())})


def test_every_command_is_run_by_a_test_or_named_with_a_reason() -> None:
    assert len(ALL) > 80
    known = [command for command in ALL if command.partition("  #")[0].strip() in RUN]
    assert len(known) == len(RUN), "a page shows each that is run"
    assert [command for command in ALL if command not in known and _name(command) not in RUN_BY | NOT_RUN] == []


def test_what_runs_a_command_is_there_and_each_name_is_needed() -> None:
    assert [path for path in RUN_BY.values() if not (ROOT / path).is_file()] == []
    assert (RUN_BY | NOT_RUN).keys() - {_name(command) for command in ALL} == set()


class _UnderstoodError(Exception):
    """The options of a program were read; it shall do nothing."""


def _understand(module: str, arguments: Sequence[str]) -> None:
    """Let a module of ours read its options, and stop it there.

    Raises:
        SystemExit: if it refuses them.
    """
    path = ROOT / Path(*module.split("."))
    program = importlib.import_module(f"{module}.__main__" if path.is_dir() else module)
    assert "ArgumentParser" in Path(str(program.__file__)).read_text(), f"{module} would do its work"
    read = ArgumentParser.parse_args

    def stop(parser: ArgumentParser, *given: Any, **named: Any) -> None:
        read(parser, *given, **named)
        raise _UnderstoodError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_args", stop)
        patch.setattr(sys, "argv", [module, *arguments])
        with pytest.raises(_UnderstoodError):
            program.main()


def _made(arguments: Sequence[str]) -> list[list[str]]:
    """Commands of ours that a target of make would give, by a dry run."""
    environment = {"PATH": os.environ["PATH"]}  # nothing of a make that runs this test, such as its ARGS
    line = ["make", "--dry-run", "--no-print-directory", "VENV=.venv", *arguments]
    output = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert output.returncode == 0, (arguments, output.stderr)
    last = output.stdout.replace("\\\n", " ").splitlines()[-4:]
    lines = [shlex.split(each.partition(" || ")[0], comments=True) for each in last]
    return [line[line.index("-m") :] for line in lines if "-m" in line and line[line.index("-m") + 1] != "pip"]


def _unknown_variables(arguments: Sequence[str]) -> list[str]:
    text = (ROOT / "Makefile").read_text()
    given = [word.partition("=")[0] for word in arguments if "=" in word]
    return [name for name in given if not re.search(rf"\$\({name}[):]|call given,{name},|,{name}\)", text)]


def _laennec(arguments: Sequence[str], is_whole: bool = True) -> None:
    """Let the command read its options; one that is not whole may lack some.

    Raises:
        AssertionError: if there is no such command, or it lacks something.
        Exception: a usage error of the command line's library, for an option that there is not.
    """
    command: Any = typer.main.get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands") and not (command.invoke_without_command and (not rest or rest[0][0] == "-")):
        name, *rest = rest
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    with command.context_class(command, **command.context_settings) as context:
        values, left, _ = command.make_parser(context).parse_args(rest)
    assert left == [] or context.allow_extra_args
    lacking = [parameter.name for parameter in command.params if parameter.required and not values.get(parameter.name)]
    assert lacking == [] or not is_whole


def test_every_target_of_make_takes_what_a_page_gives_it() -> None:
    shown = [words(command)[1:] for command in ALL if words(command)[0] == "make"]
    assert shown
    assert [arguments for arguments in shown if _unknown_variables(arguments)] == []
    for arguments in shown:
        for line in _made(arguments):
            assert line[1].partition(".")[0] in {"training", "export", "deploy", "pytest", "edge", "tests"}, line


@needs_torch
def test_every_module_takes_the_options_that_a_page_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [words(command)[1:] for command in ALL if words(command)[0].startswith("python")]
    lines += [line for command in ALL if words(command)[0] == "make" for line in _made(words(command)[1:])]
    ours = [line for line in lines if line[1].partition(".")[0] in {"training", "export", "deploy", "tests"}]
    assert len(ours) > 20
    monkeypatch.chdir(tmp_path)
    for _, module, *arguments in ours:
        is_fleet = (module, *arguments[:1]) == ("deploy", "fleet")  # whose options another Python reads
        _understand("deploy.rollout" if is_fleet else module, arguments[1:] if is_fleet else arguments)


def test_every_command_of_laennec_takes_the_options_that_a_page_gives_it() -> None:
    shown = [words(command)[1:] for command in ALL if words(command)[0] == "laennec"]
    assert len(shown) > 30
    for arguments in shown:
        _laennec(arguments)


@pytest.mark.parametrize("command", ["laennec detect --jsno a.wav", "laennec detekt a.wav", "laennec adapt"])
def test_a_mistake_in_a_command_of_laennec_is_found(command: str) -> None:
    with pytest.raises(Exception, match=r"--jsno|no command detekt|recordings"):
        _laennec(words(command)[1:])


@needs_torch
def test_a_mistake_in_the_options_of_a_module_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _understand("training.adapt", ["--adaptation", "a", "--data", "folder", "--modle", "b"])
    assert "unrecognized arguments: --modle" in capsys.readouterr().err


def test_a_variable_that_make_ignores_is_found() -> None:
    assert _unknown_variables(["train", "DATA=folder", "RECEIPT=ngo2022"]) == ["RECEIPT"]


def test_commands_in_sentences_have_options_that_there_are() -> None:
    shown = sorted({command for page in written_pages() for command in named(page.read_text())})
    assert len(shown) > 20
    for program, *arguments in map(words, shown):
        if program == "laennec":
            _laennec(arguments, is_whole=False)
        elif program == "make":
            assert _unknown_variables(arguments) == [], arguments
        else:
            folder = ROOT / arguments[1].replace(".", "/")
            text = "".join(
                path.read_text() for path in [*folder.glob("*.py"), folder.with_suffix(".py")] if path.is_file()
            )
            assert [word for word in arguments if word.startswith("--") and f'"{word}"' not in text] == [], arguments


def test_every_example_of_settings_is_one(tmp_path: Path) -> None:
    blocks = [block for page in written_pages() for block in re.findall(r"(?ms)^```yaml\n(.*?)^```$", page.read_text())]
    assert len(blocks) >= 2
    for block in blocks:
        (tmp_path / "ward.yaml").write_text(block)
        assert load_config(tmp_path / "ward.yaml").streams


def test_programs_that_are_not_ours_are_excepted_by_name() -> None:
    others = {words(command)[0] for command in ALL} - {*OURS, "deploy/mosquitto/setup"}
    assert {name for name in NOT_RUN if " " not in name} == others
