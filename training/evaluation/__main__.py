"""`python -m training.evaluation`: a model scored on the official tasks and on streams, with tables and pictures."""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from pathlib import Path

from edge.errors import LaennecError
from training.evaluation.command import ALL, CHOICES, Options, evaluate
from training.terminal import count, print_any_name

DEFAULT_MODEL = Path(__file__).parents[2] / "edge" / "models" / "default.onnx"


def main(arguments: list[str] | None = None) -> int:
    """Judge; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluation", description=__doc__)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, help="an artefact (.onnx) or a run's folder")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings, see training/DATA.md")
    parser.add_argument("--task", default=ALL, metavar="TASK", help=f"one of {', '.join(CHOICES)}")
    parser.add_argument("--out", type=Path, default=None, help="folder for tables and pictures")
    parser.add_argument(
        "--limit", type=count, help="recordings at most of each split and kind, for a look; not for a score to report"
    )
    found = parser.parse_args(arguments)
    print_any_name()
    out = found.out or Path("runs") / "evaluation" / f"{_name_of(found.model)}-{found.task}"
    try:
        evaluate(Options(found.model, found.data, found.task, out, found.limit), _print)
    except LaennecError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"evaluate: stopped; what was judged until then is in {out}", file=sys.stderr)
        return 130
    print(f"\nTables, CSV, pictures and mistakes.html: {out}")
    return 0


def _name_of(model: Path) -> str:
    """Of the folder of its tables; seeds of different recipes have the same name in different folders."""
    path = model.resolve()
    return f"{path.parent.name}-{path.name}" if path.is_dir() else path.stem


def _print(text: str) -> None:
    print(text, end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
