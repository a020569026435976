"""`python -m training.results --runs runs --out training/RESULTS.md`: one page of all runs and evaluations."""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from edge.errors import ConfigError, LaennecError
from training.results.finished import read_runs, weights_by_folder
from training.results.judged import read_evaluations
from training.results.latency import time_artefact
from training.results.page import Content, page
from training.results.rows import LeftOut
from training.results.tables import load_published


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
    print(f"wrote {asked.out}: {len(content.trained.sources)} runs, {len(content.judged.sources)} evaluations")
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
    trained = read_runs(runs)
    judged = read_evaluations([*runs, *evaluations], weights_by_folder(trained.sources))
    if not trained.sources and not judged.sources:
        lacking = [f"{one.name}: {one.why}" for one in (*trained.left_out, *judged.left_out)]
        names = "; ".join(lacking) or "neither a run nor a results.json"
        raise ConfigError(f"RUNS={' '.join(map(str, runs))}: nothing finished there ({names}); train or evaluate first")
    timed = [time_artefact(path) for path in artefacts]
    for run in trained.sources:
        path = run.folder / "model.onnx"
        if path.is_file() and path not in artefacts:
            try:
                timed.append(time_artefact(path))
            except ConfigError as error:
                why = f"not timed: {str(error).removeprefix(f'{path}: ')}"
                judged.left_out.append(LeftOut(f"{run.name}/{path.name}", why))
    return Content(date.today(), trained, judged, load_published(), timed)


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
