"""Mutation testing: each module of `mutants.yaml` is changed in one place at a time, and its closest tests must notice.

Not part of `make test` or of CI: it takes minutes for a module. Mutants are made and run by mutmut, in a copy of the
working tree under build/mutants, so nothing here is ever changed. mutmut changes the bodies of functions; it leaves
properties, other decorated functions and module constants alone. A mutant that no test can notice, because the program
does the same, stands in `mutants.yaml` with the reason; it counts neither way. Others that survive are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "mutants"
LIST = Path(__file__).with_suffix(".yaml")
GOAL = 0.9  # of the mutants that change something
PACKAGES = ("edge", "firmware_bridge", "training", "export", "deploy", "tests")
SURVIVED = {"survived", "no tests"}
SHOW = """
import sys
from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
for name in sys.argv[1:]:
    print(get_diff_for_mutant(name, path=find_mutant(name).path), end="\\0")
"""  # as `mutmut show`, which would begin anew for each of them


@dataclass(frozen=True)
class Survivor:
    """One mutant that no test noticed."""

    was: str
    """The lines that were changed, without indentation."""
    now: str
    """What they became."""
    why: str
    """Why it changes nothing; empty if that is not known."""


@dataclass(frozen=True)
class Result:
    """What became of the mutants of one module."""

    module: str
    killed: int
    timeouts: int
    """Of the killed, those whose tests ran many times as long as they should."""
    survivors: tuple[Survivor, ...]
    unused: tuple[Survivor, ...]
    """Entries of `equal` that no survivor was like: killed by now, or the code has changed."""

    @property
    def missed(self) -> list[Survivor]:
        """Survivors that are not known to be equal to the program."""
        return [s for s in self.survivors if not s.why]

    @property
    def share(self) -> float:
        """Killed of those that change something, 0 to 1."""
        return self.killed / max(1, self.killed + len(self.missed))

    def __str__(self) -> str:
        """One line, and two for each survivor."""
        equal = len(self.survivors) - len(self.missed)
        late = f" ({self.timeouts} by timeout)" if self.timeouts else ""
        counts = f"{self.killed} killed{late}, {len(self.missed)} missed, {equal} equal"
        head = f"{self.module}: {100 * self.share:.0f} %: {counts}"
        kinds = [(s, f"equal: {s.why}" if s.why else "missed") for s in self.survivors]
        kinds += [(s, f"stands in {LIST.name}, but did not survive") for s in self.unused]
        return "\n".join([head, *(f"    {kind}\n      - {s.was}\n      + {s.now}" for s, kind in kinds)])


def measure(module: str, entry: dict[str, Any], jobs: int) -> Result:
    """Run the mutants of one module against its tests.

    Args:
        module: its path from the root.
        entry: of `mutants.yaml`: `tests`, and perhaps `options` of pytest, `equal`, and `any_case`.
        jobs: tests at a time.
    """
    folder = WORK / module.removesuffix(".py").replace("/", ".")
    _copy_tree(folder)
    package = module.split("/")[0]
    settings = {
        "source_paths": [package],
        "only_mutate": [module],
        "also_copy": [other for other in PACKAGES if other != package],
        "pytest_add_cli_args_test_selection": entry["tests"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "--hypothesis-seed=0", *entry.get("options", [])],
        "timeout_multiplier": 4.0,
        "timeout_constant": 3.0,
        "track_dependencies": False,
        "use_git_change_detection": False,
    }
    with (folder / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    mutmut = [sys.executable, "-m", "mutmut"]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with (folder / "run.log").open("wb") as log:
        run = [*mutmut, "run", "--max-children", str(jobs)]
        subprocess.run(run, cwd=folder, env=os.environ | threads, stdout=log, stderr=subprocess.STDOUT, check=False)
    states = _output([*mutmut, "results", "--all", "true"], folder).splitlines()
    found = dict(line.strip().split(": ", 1) for line in states if ": " in line)
    if not found or "not checked" in found.values():
        raise SystemExit(f"{module}: mutmut did not finish; see {folder / 'run.log'}")
    names = [name for name, state in found.items() if state in SURVIVED]
    diffs = _output([sys.executable, "-c", SHOW, *names], folder).split("\0")
    changes = [_change(diff) for diff in diffs[: len(names)]]
    timeouts = list(found.values()).count("timeout")
    return Result(module, len(found) - len(changes), timeouts, *_explained(changes, entry))


def _explained(
    changes: list[tuple[str, str]], entry: dict[str, Any]
) -> tuple[tuple[Survivor, ...], tuple[Survivor, ...]]:
    """Survivors with their reasons, and what was not needed of `equal`; each of its lines explains one mutant."""
    unused = [Survivor(**one) for one in entry.get("equal", [])]
    survivors = []
    for was, now in changes:
        known = next((one for one in unused if (one.was, one.now) == (was, now)), None)
        if known:
            unused.remove(known)
        elif "any_case" in entry and was.lower() == now.lower():
            known = Survivor(was, now, entry["any_case"])
        survivors.append(known or Survivor(was, now, ""))
    return tuple(survivors), tuple(unused)


def _copy_tree(folder: Path) -> None:
    """What git knows of the working tree, and what it does not ignore."""
    shutil.rmtree(folder, ignore_errors=True)
    listed = _output(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def _change(diff: str) -> tuple[str, str]:
    """What was, and what is now, of one unified diff."""
    lines = [line for line in diff.splitlines() if not line.startswith(("+++", "---"))]
    was, now = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return was.split("  # ")[0], now.split("  # ")[0]


def _output(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Measure the modules whose path holds one of the words, all without any; 1 if one is below the goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("words", nargs="*", help="part of a module's path, such as tracker")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    modules: dict[str, dict[str, Any]] = yaml.safe_load(LIST.read_text())
    chosen = [m for m in modules if not given.words or any(word in m for word in given.words)]
    if not chosen:
        parser.error(f"no module has {' or '.join(given.words)} in its path; {LIST.name} names {', '.join(modules)}")
    WORK.mkdir(parents=True, exist_ok=True)
    below = []
    for module in chosen:
        result = measure(module, modules[module], given.jobs)
        print(result, flush=True)
        (WORK / f"{module.removesuffix('.py').replace('/', '.')}.txt").write_text(f"{result}\n")
        below += [module] if result.share < GOAL else []
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
