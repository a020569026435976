"""`python -m training --data DATA --out runs/default`: one training by a recipe, from recordings to a run folder.

Without `--recipe` (or with `--recipe edge`) it trains the detector of the edge, which can be exported afterwards; the
others are the published methods (training/papers).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from edge.errors import ConfigError, LaennecError
from training.options import EDGE
from training.papers.recipes import read_recipe
from training.terminal import count, print_any_name


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; exit code 2 for the operator's mistakes."""
    print_any_name()
    options = _parser().parse_args(arguments)
    try:
        return _train_edge(options) if read_recipe(options.recipe).get("method") == EDGE else _train_clips(options)
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that may not be written, a disk that fails
        if error.filename is None:
            raise
        print(f"training: {error.filename}: {error.strerror}; give another --out or --data", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("training: stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, see training/DATA.md")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/default"), help="folder of the run; an unfinished one is resumed"
    )
    parser.add_argument("--recipe", default=EDGE, help="edge, ngo2022, ngo2023, patchmix, qlung, hear, or a .yaml file")
    parser.add_argument("--epochs", type=count, help="fewer for a trial")
    parser.add_argument("--limit", type=count, help="recordings (edge) or clips at most, for a trial of minutes")
    parser.add_argument("--seed", type=int, help="of weights, batches and augmentation")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any key of the recipe")
    clips = parser.add_argument_group("recipes of the papers")
    clips.add_argument("--task", help="1-1, 1-2, 2-1, 2-2, icbhi-2 or icbhi-4; the recipe has a default")
    clips.add_argument("--size", default="small", help="small trains on two cores; paper as published")
    clips.add_argument("--checkpoint", type=Path, help="public weights that you have fetched (patchmix, qlung)")
    return parser


def _train_edge(options: argparse.Namespace) -> int:
    from training.datasets import fingerprint
    from training.detector.cross_validation import Job, train
    from training.detector.hyperparameters import load_edge_recipe
    from training.detector.sets import composition
    from training.detector.training_data import TrainingData, few, read_recordings, trial_changes

    for name in ("task", "checkpoint"):
        if getattr(options, name):
            raise ConfigError(f"--{name}: not for the recipe edge; give another --recipe")
    changes = _changes(options)
    limit = changes.pop("limit", None)
    recipe = load_edge_recipe(options.recipe, changes if limit is None else trial_changes(limit) | changes)
    recordings = read_recordings(options.data, recipe)
    _say(f"training on {composition(recordings)} patients")
    if limit is not None:
        recordings = few(recordings, limit, recipe.seed)
        networks, steps = recipe.folds + recipe.finals, recipe.loop.epochs * recipe.steps
        _say(
            f"a trial: {sum(r.is_real_chest for r in recordings)} chest recordings, {networks} networks of {steps} "
            "steps; what comes out says nothing about the recipe"
        )
    training_data = TrainingData(recordings, options.out.parent / "cache")
    result = train(Job(recipe, training_data, options.out, fingerprint(list(recordings))))
    print(*_numbers(result), sep="\n")
    return 0


def _numbers(result: Mapping[str, Any]) -> Iterator[str]:
    """The validation as lines: that of the main set, then those beside it."""
    for name, of_set in (("", result), *result.get("sets", {}).items()):
        if name:
            yield f"\nheld-out patients of {name}:"
        yield from (f"{metric:45s} {value:8.3f}" for metric, value in of_set.get("validation", {}).items())


def _train_clips(options: argparse.Namespace) -> int:
    from training.clips.schema import load_recipe
    from training.clips.train import train_method

    recipe = load_recipe(options.recipe, options.size, _changes(options))
    train_method(recipe, options.data, options.out, _say)
    return 0


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    """Keys of the recipe that the command line changes."""
    named = {"task": options.task, "seed": options.seed, "limit": options.limit, "loop.epochs": options.epochs}
    changes = {key: value for key, value in named.items() if value is not None}
    for change in options.set:
        key, is_given, value = change.partition("=")
        if not is_given:
            raise ConfigError(f"--set {change}: expected KEY=VALUE, as in loop.batch=16")
        if not value.strip():
            raise ConfigError(f"--set {change}: no value; write --set '{key}=\"\"' for an empty text, quotes and all")
        try:
            changes[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {change}: is no YAML ({' '.join(str(error).split())})") from None
    if options.checkpoint:  # last: another network.kind forgets what belonged to the first
        changes["network.checkpoint"] = str(options.checkpoint)
    return changes


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
