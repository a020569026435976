"""`python -m training --data DATA --out runs/default`: from recordings to a checkpoint that can be exported."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from edge.errors import LaennecError
from training.recipe import Recipe
from training.run import Job, read_recordings, train


def main() -> int:
    """Train; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with sprsound/train and negatives")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/default"), help="folder of the run; an unfinished one is resumed"
    )
    parser.add_argument("--epochs", type=int, default=Recipe().epochs, help="fewer for a trial")
    arguments = parser.parse_args()
    recipe = replace(Recipe(), epochs=arguments.epochs)
    try:
        job = Job(recipe, read_recordings(arguments.data, recipe), arguments.out, arguments.out.parent / "cache")
        result = train(job)
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    metrics = result["validation"]
    assert isinstance(metrics, dict)
    for name, value in metrics.items():
        print(f"{name:45s} {value:8.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
