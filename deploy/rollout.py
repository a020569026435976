"""`python -m deploy fleet COMMAND --fleet fleet.yaml`: what make calls where FLEET is given.

One box first, then some at once, and no new one after the first that fails: what was started then is finished, for a
box left in the middle is worse than one that is done. Every box is worked on by a `python -m deploy ...` of its own, so
it is treated as any other; what that says goes to a log for each box. Not a service: nothing stays when it ends. Run by
the Python that reads settings (`tools.make_tools`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.__main__ import guarded
from deploy.box.layout import last_words
from deploy.box.service import HEALTHY
from deploy.commands import BUILD
from deploy.devices import DeployError
from deploy.fleet import Box, FleetSettings, load_fleet, plan
from deploy.tools import PROJECT
from edge.errors import LaennecError

HEAD = ("box", "site/node", "release", "model", "settings", "service", "deaf")
DIGITS = 12  # of a hash
COMMANDS = ("deploy", "configure", "model", "credentials", "rollback", "status")


def row(name: str, node: str, status: Mapping[str, Any] | None, wanted_sha256: str = "") -> tuple[str, ...]:
    """One line of the table.

    Args:
        name: of the box.
        node: site and node.
        status: what the box says of itself (`status`); None: it did not answer.
        wanted_sha256: of the settings that the fleet's file gives it; empty: it gives none.
    """
    if status is None:
        return (name, node, "?", "?", "?", "no answer", "")
    if not status["running"]:
        return (name, node, "none", "", "", status["phase"], "")
    model, digest = status.get("model") or {}, status.get("settings_sha256", "")
    differs = wanted_sha256 and digest != wanted_sha256
    settings = f"{digest[:DIGITS]} (file: {wanted_sha256[:DIGITS]})" if differs else digest[:DIGITS]
    which = f"{model['id'][:DIGITS]} {model['kind']}" if model else "not told"
    deaf = "" if status.get("deaf_s") is None else f"{status['deaf_s']:.1f} s"
    return (name, node, str(status["running"]), which, settings, str(status["phase"]), deaf)


def draw(rows: Sequence[Sequence[str]]) -> str:
    """The table, its columns as wide as they must be."""
    lines = [HEAD, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(HEAD))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


@dataclass(frozen=True)
class Outcome:
    """What came of one box."""

    name: str
    is_good: bool
    took_s: float
    output: str
    """The last that was said of it, one line."""


@dataclass
class Rollout:
    """What came of a fleet."""

    done: list[Outcome] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)

    def note(self, outcome: Outcome) -> None:
        """Add what came of one box."""
        (self.done if outcome.is_good else self.failed).append(outcome)


def roll_out(
    names: Sequence[str], at_once: int, work: Callable[[str], Outcome], report: Callable[[Outcome], None]
) -> Rollout:
    """Work on every box, the first of them alone.

    Args:
        names: of the boxes, the canary first.
        at_once: how many are worked on at the same time, after the first.
        work: does it, for one box; called from several threads.
        report: is given what came of each box, one after the other.

    Returns:
        What came of them, each list in the order of `names`; `untouched` are those that were not begun.
    """
    rollout, left = Rollout(), list(names)
    with ThreadPoolExecutor(at_once) as pool:
        running: set[Future[Outcome]] = set()
        while running or (left and not rollout.failed):
            width = at_once if rollout.done else 1
            while left and not rollout.failed and len(running) < width:
                running.add(pool.submit(work, left.pop(0)))
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for each in ended:
                rollout.note(each.result())
                report(each.result())
    for outcomes in (rollout.done, rollout.failed):
        outcomes.sort(key=lambda outcome: names.index(outcome.name))
    rollout.untouched = left
    return rollout


def all_at_once(names: Sequence[str], at_once: int, work: Callable[[str], Outcome]) -> list[Outcome]:
    """Ask every box, whatever the others say; in the order of the names."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(work, names))


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
    parser = argparse.ArgumentParser(prog="python -m deploy fleet", description="Look after many boxes.")
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--fleet", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of boxes, with spaces between; default: all")
    options = parser.parse_args(argv)
    fleet = load_fleet(options.fleet)
    out = folder_of(options.fleet)
    boxes = {box.name: box for box in plan(fleet, options.fleet.parent, out, options.only.split())}
    if options.command == "status":
        return 0 if _print_statuses(fleet, boxes) else 1
    steps = {name: _steps(options.command, fleet, box) for name, box in boxes.items()}
    names = [name for name in boxes if steps[name]]
    if not names:
        raise DeployError(f"expected something to do for {options.command}, found nothing in {options.fleet}")
    rollout = roll_out(names, fleet.at_once, lambda name: _work(boxes[name], steps[name], options.command), _note)
    if options.command != "credentials":
        print()
        _print_statuses(fleet, boxes)
    return _close(rollout, options.command)


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
    code, output = 0, ""
    with open(log, "w") as file:
        for words in steps:
            argv = [sys.executable, "-m", "deploy", *words]
            file.flush()
            done = subprocess.run(argv, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=False)
            code = done.returncode
            if code:
                break
    took_s, lines = time.monotonic() - began_s, log.read_text(errors="replace").splitlines()
    refusals = [line for line in lines if line.startswith("deploy: ")] if code else []
    output = " | ".join(line.removeprefix("deploy: ") for line in refusals) or last_words("\n".join(lines), 1)
    return Outcome(box.name, code == 0, took_s, output)


def _note(outcome: Outcome) -> None:
    print(
        f"{outcome.name}: {'done' if outcome.is_good else 'FAILED'} in {outcome.took_s:.0f} s: {outcome.output}",
        flush=True,
    )


def _print_statuses(fleet: FleetSettings, boxes: dict[str, Box]) -> bool:
    """Ask every box what it runs, and print the table; whether all run."""
    answers = all_at_once(list(boxes), fleet.at_once, _asker(boxes))
    statuses = [json.loads(answer.output) if answer.is_good else None for answer in answers]
    rows = [
        row(box.name, box.node, each, box.settings_sha256) for box, each in zip(boxes.values(), statuses, strict=True)
    ]
    print(draw(rows))
    for answer in answers:
        if not answer.is_good:
            print(f"{answer.name}: {answer.output}")
    return all(each is not None and each["phase"] in HEALTHY for each in statuses)


def _asker(boxes: dict[str, Box]) -> Callable[[str], Outcome]:
    def query(name: str) -> Outcome:
        began_s = time.monotonic()
        argv = [sys.executable, "-m", "deploy", *boxes[name].words("status"), "--json"]
        done = subprocess.run(argv, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        has_answer = done.returncode in (0, 1) and done.stdout.startswith("{")
        output = done.stdout if has_answer else last_words(done.stderr, 1).removeprefix("deploy: ")
        return Outcome(name, has_answer, time.monotonic() - began_s, output)

    return query


def _close(rollout: Rollout, command: str) -> int:
    """Say what came of the fleet; the exit code. What was taken back would go back further if it were ordered again."""
    for what, names in (
        ("done", [each.name for each in rollout.done]),
        ("failed", [each.name for each in rollout.failed]),
        ("not touched", rollout.untouched),
    ):
        if names:
            print(f"{what}: {', '.join(names)}")
    if not rollout.failed:
        return 0
    left = [*(each.name for each in rollout.failed), *rollout.untouched]
    if command == "rollback" and rollout.done:
        print(f'to go on with the others alone: make rollback FLEET=... ONLY="{" ".join(left)}"')
    for each in rollout.failed:
        print(f"deploy: {each.name}: {each.output}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
