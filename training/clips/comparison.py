"""`python -m training.clips.comparison --recipe qlung --data DATA --out runs/papers/qlung`: a recipe without its parts.

The recipe, and the recipe without each part that its paper credits (`parts` of its file), are trained with the same
seeds on the same patients. The last epoch is kept, so the patients that validate choose nothing, and the Scores are
those of patients that nobody looked at; the table has the recipe with its interval over patients, and of each variant
the difference, paired by seed and patient. Every run is one that `python -m training` goes on with and `make evaluate`
judges; what is finished is not trained again. Each variant by itself, its size and time are in `comparison.json`.
Not for the edge's own recipe (`training.detector.ablation`).
"""

from __future__ import annotations

import training.python_version  # noqa: F401  # isort: skip

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from edge.errors import ConfigError, LaennecError
from training.clips.cost import answer_of
from training.clips.schema import parse_recipe
from training.clips.train import train_method
from training.loop.checkpoint import whole_file
from training.loop.precision import RECORD, share
from training.loop.processes import train_all
from training.loop.run_folder import RESULT
from training.metrics.comparison import WHOLE, mean_of, written
from training.metrics.estimates import Metric
from training.metrics.patient_scores import RULE, SHOWN, metrics_of, with_coarser
from training.options import merged, with_changes
from training.papers.recipes import SMALL, recipe_parts, recipe_path, sized_recipe
from training.tasks import TASKS
from training.terminal import count

COMPARISON = "comparison.json"
Results = Sequence[Mapping[str, Any]]
"""`result.json` of a variant, one for each seed."""
LAST_EPOCH: dict[str, Any] = {"loop.monitor": "", "loop.patience": 0}
Call = tuple[Mapping[str, Any], Path, Path]  # of a run: its recipe, the data, its folder
ONE_STRENGTH: dict[str, Any] = {"probe.strengths": [0.1]}  # of a probe: nothing is chosen on who validates


@dataclass(frozen=True, slots=True)
class Query:
    """One comparison."""

    recipe: str
    """Name, or path, of a recipe with `parts`."""
    data: Path
    """Folder of data sets."""
    out: Path
    """Folder of the runs and of the table."""
    task: str = ""
    """Of a classifier; empty: the recipe's own."""
    parts: Sequence[str] = ()
    """Variants, by name; empty: all."""
    seeds: int = 1
    processes: int = 2
    """Runs side by side, one thread each."""
    epochs: int | None = None
    """None: as the recipe says; a variant that says its own keeps them."""
    limit: int = 0
    """Clips at most, for a trial; 0: all."""


def variants(asked: Query) -> dict[str, dict[str, Any]]:
    """Keys of the whole recipe, first, and of it without each part, by name.

    Raises:
        ConfigError: for a part that the recipe does not name, or a recipe that names none.
    """
    known = recipe_parts(asked.recipe)
    if unknown := [name for name in asked.parts if name not in known]:
        raise ConfigError(f"--part {unknown[0]}: expected one of {', '.join(known) or 'none'}")
    if not known:
        raise ConfigError(f"{recipe_path(asked.recipe)}: names no parts; add what changes without each under `parts`")
    tree = sized_recipe(asked.recipe, SMALL)
    changes = LAST_EPOCH | {"limit": asked.limit} | (ONE_STRENGTH if tree.get("method") == "masked" else {})
    changes |= {"task": asked.task} if asked.task else {}
    changes |= {"loop.epochs": asked.epochs} if asked.epochs else {}
    whole = with_changes(tree, changes)
    return {WHOLE: whole} | {name: merged(whole, known[name]) for name in asked.parts or known}


def compare(asked: Query) -> dict[str, dict[str, dict[str, Metric]]]:
    """Train what is missing and read all of it.

    Returns:
        SE, SP and Score, the mean over the seeds, by task, variant and name.

    Raises:
        ConfigError: for an operator's mistakes.
    """
    trees = variants(asked)
    for name, tree in trees.items():
        parse_recipe(tree, f"{recipe_path(asked.recipe)}, {name}")  # all mistakes before an hour of training
    calls = [
        (tree | {"seed": seed}, asked.data, _folder(asked.out, name, seed))
        for seed in range(asked.seeds)
        for name, tree in trees.items()
    ]
    if not (_is_finished(calls[0]) or (calls[0][2] / RECORD).exists()):
        train_all(1, [(_train, *calls[0])])  # alone: it says in which precision all compute
    train_all(asked.processes, [(_train, *call) for call in calls if not _is_finished(call)])
    of = {name: [_folder(asked.out, name, seed) for seed in range(asked.seeds)] for name in trees}
    compared = [Variant(name, tree, read_results(of[name])) for name, tree in trees.items()]
    with whole_file(asked.out / COMPARISON) as draft:
        draft.write_text(json.dumps(as_fields(compared), indent=1))
    found: dict[str, dict[str, dict[str, Metric]]] = {}
    for variant in compared:
        for task, metrics in variant.metrics().items():
            found.setdefault(f"patients that validate, task {task}", {})[variant.name] = metrics
    return found


def _folder(out: Path, name: str, seed: int) -> Path:
    return out / f"{name.replace(' ', '-')}-{seed}"


def _is_finished(call: Call) -> bool:
    return (call[2] / RESULT).exists()


def _train(tree: Mapping[str, Any], data: Path, out: Path) -> str:
    """One run, in a process of its own."""
    torch.set_num_threads(1)

    def report(line: str) -> None:
        print(f"{out.name}: {line}", flush=True)

    out.mkdir(parents=True, exist_ok=True)
    share(_folder(out.parent, WHOLE, 0), out)
    train_method(parse_recipe(tree, str(out)), data, out, report)
    return out.name


@dataclass(frozen=True, slots=True)
class Variant:
    """One recipe, trained with every seed."""

    name: str
    tree: Mapping[str, Any]
    """Its recipe."""
    results: Results

    def metrics(self) -> dict[str, dict[str, Metric]]:
        """SE, SP and Score by task and name: means over the seeds."""
        tables = [_by_patient(result) for result in self.results]
        return {
            task: _means([metrics_of(TASKS[task], table[task]) for table in tables])
            for task in (tables[0] if tables else ())
        }

    def rows(self) -> list[dict[str, Any]]:
        """A row for each task: Scores with intervals, weights, multiply-adds of an answer, seconds of a training."""
        answer = answer_of(parse_recipe(self.tree, self.name))
        taken = [result["seconds"] for result in self.results if "seconds" in result]
        said = {"variant": self.name, "seeds": len(self.results), **asdict(answer)}
        said["seconds"] = sum(taken) / len(taken) if taken else None
        return [{"task": task, **said, **_estimates(found)} for task, found in self.metrics().items()]


def read_results(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """What finished runs say.

    Raises:
        ConfigError: if one was finished before answers were kept by patient.
    """
    found = []
    for folder in folders:
        result = json.loads((folder / RESULT).read_text())
        if not all(_by_patient(result).values()):
            raise ConfigError(f"{folder / RESULT}: has no answers by patient; remove the folder and train again")
        found.append(result)
    return found


def as_fields(variants: Sequence[Variant]) -> dict[str, Any]:
    """Everything about some variants of one recipe, the whole one first, and the duration rule on the same patients."""
    whole = variants[0]
    rows = [row for variant in variants for row in variant.rows()]
    rule = whole.results[0]["validation"].get(RULE)
    if rule is not None:
        own = TASKS[whole.results[0]["task"]]
        for task, table in with_coarser(own, rule["by_patient"]).items():
            rows.append({"task": task, "variant": RULE, **_estimates(metrics_of(TASKS[task], table))})
    return {"recipe": whole.tree["name"], "epochs": whole.tree["loop"]["epochs"], "rows": rows}


def _by_patient(result: Mapping[str, Any]) -> dict[str, Any]:
    """Confusion matrices by task and patient; empty for a task without them."""
    if "task" in result:
        return with_coarser(TASKS[result["task"]], result["validation"]["model"].get("by_patient", {}))
    return {task: row.get("by_patient", {}) for task, row in result["validation"].items()}


def _means(each: Sequence[Mapping[str, Metric]]) -> dict[str, Metric]:
    return {part: mean_of([metrics[part] for metrics in each]) for part in SHOWN}


def _estimates(metrics: Mapping[str, Metric]) -> dict[str, list[float | None]]:
    """Value, low and high by name."""
    found = {part: metric.estimate() for part, metric in metrics.items()}
    return {
        part: [one.value, *((one.bounds.low, one.bounds.high) if one.bounds else ())] for part, one in found.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit code 2 for the operator's mistakes."""
    parser = argparse.ArgumentParser(prog="python -m training.clips.comparison", description=__doc__)
    parser.add_argument("--recipe", required=True, help="ngo2022, ngo2023, patchmix, qlung, hear, or a .yaml file")
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets, see training/DATA.md")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and of the table")
    parser.add_argument("--task", default="", help="of a classifier; the recipe has a default")
    parser.add_argument(
        "--part", dest="parts", action="append", default=[], help="a variant of the recipe's `parts`; all"
    )
    parser.add_argument("--seeds", type=count, default=1, help="how many")
    parser.add_argument("--processes", type=count, default=2, help="runs side by side")
    parser.add_argument("--epochs", type=count, help="fewer for a trial")
    parser.add_argument("--limit", type=count, default=0, help="clips at most, for a trial")
    try:
        asked = Query(**vars(parser.parse_args(arguments)))
        print(written(compare(asked), asked.out, SHOWN))
    except LaennecError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
