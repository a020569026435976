"""`python -m deploy.fleet.command COMMAND --fleet fleet.yaml`: what make calls where FLEET is given.

Every box is worked on by a `python -m deploy ...` of its own, so a box of a fleet is treated as any other; what that
says goes to a log for each box. Not for one box (`deploy.__main__`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.__main__ import guarded
from deploy.box.child import last_words
from deploy.errors import DeployError
from deploy.fleet.plan import Box, plan
from deploy.fleet.rollout import Outcome, Rollout, all_at_once, roll_out
from deploy.fleet.settings import FleetSettings, load_fleet
from deploy.fleet.table import WELL, draw, row
from deploy.install import BUILD
from deploy.wheelhouse import PROJECT
from edge.errors import LaennecError

COMMANDS = ("deploy", "configure", "model", "credentials", "rollback", "status")


def main(argv: list[str] | None = None) -> int:
    """Run one command on a fleet.

    Returns:
        The exit code: 0, 1 (`status`: not all run), 2 (refused, or a box failed) or 130 (interrupted).
    """

    def work() -> int:
        try:
            return _run(argv)
        except DeployError:
            raise
        except LaennecError as error:
            raise DeployError(str(error)) from None

    return guarded(work)


def _run(argv: list[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.fleet", description="Look after many boxes.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--fleet", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of boxes, with spaces between; default: all")
    options = parser.parse_args(argv)
    fleet = load_fleet(options.fleet)
    out = folder_of(options.fleet)
    boxes = {box.name: box for box in plan(fleet, options.fleet.parent, out, options.only.split())}
    if options.command == "status":
        return 0 if _tell(fleet, boxes) else 1
    steps = {name: _steps(options.command, fleet, box) for name, box in boxes.items()}
    names = [name for name in boxes if steps[name]]
    if not names:
        raise DeployError(f"expected something to do for {options.command}, found nothing in {options.fleet}")
    told = roll_out(names, fleet.at_once, lambda name: _work(boxes[name], steps[name], options.command), _note)
    if options.command != "credentials":
        print()
        _tell(fleet, boxes)
    return _close(told, options.command)


def folder_of(path: Path) -> Path:
    """Where the filled settings and the logs of a fleet lie: files of one name elsewhere are other fleets."""
    place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:8]
    return BUILD / "fleet" / f"{path.stem}-{place}"


def _steps(command: str, fleet: FleetSettings, box: Box) -> list[list[str]]:
    """What is to be done on one box: words of `python -m deploy`; none: nothing is said of it."""
    common = [] if fleet.healthy_s is None else ["--healthy-s", str(fleet.healthy_s)]
    common += [] if fleet.keep is None else ["--keep", str(fleet.keep)]
    config = ["--config", str(box.config)] if box.config else []
    if command == "deploy":
        return [[*box.words("install"), *common, *config, *_of_release(fleet, box)], *_change(box, common)]
    if command == "configure":
        return [[*box.words("configure"), *common, *config]] if config else []
    if command == "model":
        return _change(box, common)
    if command == "credentials":
        carried = [word for file in box.files for word in ("--file", file)]
        return [[*box.words("credentials"), *carried]] if carried else []
    return [[*box.words("rollback"), *common]]


def _of_release(fleet: FleetSettings, box: Box) -> list[str]:
    """What a release is made of, besides the settings of the node."""
    found = []
    for option, path in (
        ("--board", box.board),
        ("--model", box.artefact),
        ("--sign", fleet.sign),
        ("--wheelhouse", box.settings.wheelhouse),
    ):
        found += [option, str(path)] if path else []
    return found


def _change(box: Box, common: Sequence[str]) -> list[list[str]]:
    return [[*box.words("model"), *common, "--model", box.model]] if box.model else []


def _work(box: Box, steps: Sequence[Sequence[str]], command: str) -> Outcome:
    """Do all that is to be done on one box, one after the other."""
    began_s, log = time.monotonic(), box.folder / f"{command}.log"
    print(f"{box.name}: {command} begins", flush=True)
    code, said = 0, ""
    with open(log, "w") as file:
        for words in steps:
            argv = [sys.executable, "-m", "deploy", *words]
            file.flush()
            done = subprocess.run(argv, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
            code = done.returncode
            if code:
                break
    took_s, lines = time.monotonic() - began_s, log.read_text(errors="replace").splitlines()
    told = [line for line in lines if line.startswith("deploy: ")] if code else []
    said = " | ".join(line.removeprefix("deploy: ") for line in told) or last_words("\n".join(lines), 1)
    return Outcome(box.name, code == 0, took_s, said)


def _note(outcome: Outcome) -> None:
    print(
        f"{outcome.name}: {'done' if outcome.is_good else 'FAILED'} in {outcome.took_s:.0f} s: {outcome.said}",
        flush=True,
    )


def _tell(fleet: FleetSettings, boxes: dict[str, Box]) -> bool:
    """Ask every box what it runs, and print the table; whether all run."""
    answers = all_at_once(list(boxes), fleet.at_once, _asker(boxes))
    told = [json.loads(answer.said) if answer.is_good else None for answer in answers]
    rows = [row(box.name, box.node, each, box.settings_sha256) for box, each in zip(boxes.values(), told, strict=True)]
    print(draw(rows))
    for answer in answers:
        if not answer.is_good:
            print(f"{answer.name}: {answer.said}")
    return all(each is not None and each["phase"] in WELL for each in told)


def _asker(boxes: dict[str, Box]) -> Callable[[str], Outcome]:
    def ask(name: str) -> Outcome:
        began_s = time.monotonic()
        argv = [sys.executable, "-m", "deploy", *boxes[name].words("status"), "--json"]
        done = subprocess.run(argv, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        is_told = done.returncode in (0, 1) and done.stdout.startswith("{")
        said = done.stdout if is_told else last_words(done.stderr, 1).removeprefix("deploy: ")
        return Outcome(name, is_told, time.monotonic() - began_s, said)

    return ask


def _close(told: Rollout, command: str) -> int:
    """Say what came of the fleet; the exit code. What was taken back would go back further if it were told again."""
    for what, names in (
        ("done", [each.name for each in told.done]),
        ("failed", [each.name for each in told.failed]),
        ("not touched", told.untouched),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
    if not told.failed:
        return 0
    left = [*(each.name for each in told.failed), *told.untouched]
    if command == "rollback" and told.done:
        print(f'to go on with the others alone: make rollback FLEET=... ONLY="{" ".join(left)}"')
    for each in told.failed:
        print(f"deploy: {each.name}: {each.said}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
