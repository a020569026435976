"""`python -m training.results --runs runs --out training/RESULTS.md`: one page of all runs and evaluations."""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from edge.errors import ConfigError, LaennecError
from training.results.evaluations import read_evaluations
from training.results.latency import Timed, time_artefact
from training.results.page import Content, page
from training.results.published import load_published
from training.results.records import LeftOut
from training.results.runs import read_runs, weights_by_folder


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.results", description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", default=[Path("runs")], help="folders of runs")
    parser.add_argument("--evaluations", type=Path, nargs="*", default=[], help="more folders with a results.json")
    parser.add_argument("--artefacts", type=Path, nargs="*", default=[], help="artefacts to weigh and time")
    parser.add_argument("--out", type=Path, default=Path("training/RESULTS.md"), help="where the page goes")
    asked = parser.parse_args(arguments)
    try:
        content = gather(asked.runs, asked.evaluations, asked.artefacts)
        _write(asked.out, page(content))
    except LaennecError as error:
        print(f"results: {error}", file=sys.stderr)
        return 2
    for one in content.left_out:
        print(f"not in the tables: {one.name}: {one.why}")
    print(f"wrote {asked.out}: {len(content.runs)} runs, {len(content.evaluations)} evaluations")
    return 0


def gather(runs: Sequence[Path], evaluations: Sequence[Path], artefacts: Sequence[Path]) -> Content:
    """Read everything and time the artefacts.

    Args:
        runs: folders of runs; evaluations in them are found too.
        evaluations: more folders of evaluations.
        artefacts: beside those that lie in the runs.

    Raises:
        ConfigError: if a folder is not there, nothing finished is in them, or a named artefact is none.
    """
    for name, roots in (("RUNS", runs), ("EVALUATIONS", evaluations)):
        for root in roots:
            if not root.is_dir():
                raise ConfigError(f"{name}={root}: expected a folder; `make train` and `make evaluate` make them")
    found = read_runs(runs)
    evaluated = read_evaluations([*runs, *evaluations], weights_by_folder(found.runs))
    left_out = [*found.left_out, *evaluated.left_out]
    if not found.runs and not evaluated.evaluations:
        names = "; ".join(f"{one.name}: {one.why}" for one in left_out) or "neither a run nor a results.json"
        raise ConfigError(f"RUNS={' '.join(map(str, runs))}: nothing finished there ({names}); train or evaluate first")
    timed = [time_artefact(path) for path in artefacts]
    for run in found.runs:
        if run.artefact.is_file() and run.artefact not in artefacts:
            timed += _timed_or_listed(run.artefact, f"{run.origin.name}/{run.artefact.name}", left_out)
    return Content(
        date.today(), found.runs, evaluated.evaluations, load_published(), timed, found.ablations, left_out
    )  # fmt: skip


def _timed_or_listed(path: Path, name: str, left_out: list[LeftOut]) -> list[Timed]:
    try:
        return [time_artefact(path)]
    except ConfigError as error:
        left_out.append(LeftOut(name, f"not timed: {str(error).removeprefix(f'{path}: ')}"))
        return []


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_text(text)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); give another place") from None


if __name__ == "__main__":
    sys.exit(main())
