"""Finished trainings under a folder: what they were, and what they say of patients that they were not trained on.

The edge recipe leaves recipe.json, a run folder for each network and result.json; the published methods run.json and
result.json. What is unfinished or cannot be read is left out and named. Loads no weights.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from pydantic import TypeAdapter

from edge.errors import ConfigError
from training.detector.hyperparameters import Recipe
from training.metrics.patient_scores import row_from, with_coarser
from training.results.rows import Ablation, Budget, ComparedRow, Found, LeftOut, Source, StreamRows, TaskRow, Value
from training.results.stored import Stored, UnreadableError
from training.tasks import TASKS

HELD_OUT = "held-out patients of the training set"
_POOR = "Poor Quality"
_MARKS = ("recipe.json", "run.json", "result.json")  # any of them makes a folder a run
_ABLATION, _COMPARISON = "ablation.md", "comparison.json"
_MODULES = {"__main__.py": "training", "comparison.py": "training.clips.comparison"}  # as they note themselves
_HELD_OUT = "Held out: "
_SHOWN = ("|", _HELD_OUT)  # lines of a table, and its title


def read_runs(roots: Sequence[Path]) -> Found:
    """Every run below some folders, in the order of their names; a folder that is named twice is read once."""
    found, seen = Found(), set()
    for root in roots:
        for folder in _folders(root):
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                _read_into(found, folder, folder.name if folder == root else folder.relative_to(root).as_posix())
        for path in sorted(p for p in root.rglob(_ABLATION) if p.is_file() and p.resolve() not in seen):
            seen.add(path.resolve())
            found.ablations.append(_ablation(path))
        for path in sorted(p for p in root.rglob(_COMPARISON) if p.is_file() and p.resolve() not in seen):
            seen.add(path.resolve())
            try:
                found.compared += compared_rows(Stored.read(path))
            except UnreadableError as error:
                found.left_out.append(LeftOut(path.parent.name, str(error)))
    return found


def _ablation(path: Path) -> Ablation:
    """Tables, each below who was held out."""
    lines = path.read_text(errors="replace").splitlines()
    kept = [f"\n{line}\n" if line.startswith(_HELD_OUT) else line for line in lines if line.startswith(_SHOWN)]
    return Ablation(path.parent.name, "\n".join(kept).strip(), (path.parent / _COMPARISON).is_file())


def compared_rows(stored: Stored) -> list[ComparedRow]:
    """What `training.clips.comparison` left: each variant of a recipe by itself.

    Raises:
        UnreadableError: naming what is odd.
    """
    recipe, epochs = stored.text("recipe"), stored.count("epochs")
    return [
        ComparedRow(
            recipe,
            row.text("variant"),
            row.text("task"),
            epochs,
            row.count("seeds", 0),
            se=Value(*row.maybe_numbers("sensitivity")),
            sp=Value(*row.maybe_numbers("specificity")),
            score=Value(*row.maybe_numbers("score")),
            weights=row.maybe("weights"),
            multiply_adds=row.maybe("multiply_adds"),
            seconds=row.maybe("seconds"),
        )
        for row in stored.parts("rows")
    ]


def _folders(root: Path) -> Iterator[Path]:
    """Folders of runs; what lies in a run belongs to it."""
    if any((root / name).is_file() for name in _MARKS):
        yield root
        return
    for child in sorted(root.iterdir()):
        if child.is_dir() and not child.is_symlink():
            yield from _folders(child)


def _read_into(found: Found, folder: Path, name: str) -> None:
    try:
        is_edge = (folder / "recipe.json").is_file()
        if not is_edge:
            recipe = set(Stored.read(folder / "run.json").part("recipe").names())
            if "teachers" in recipe and "name" not in recipe:
                return  # one network of the edge recipe, of an ablation, which has a table of its own
        if not (folder / "result.json").is_file():
            raise UnreadableError("not finished: no result.json; the same command goes on with it")
        source = (_edge if is_edge else _clips)(folder, name, f"R{len(found.sources) + 1}")
        if (folder.parent / _COMPARISON).is_file():  # whose tables have its numbers, with those of other seeds
            compared = PurePath(name).parent.as_posix()
            source = replace(source, rows=(), weights=None, compared=compared)
        found.sources.append(source)
    except UnreadableError as error:
        found.left_out.append(LeftOut(name, str(error)))


def _edge(folder: Path, name: str, key: str) -> Source:
    result, recipe = Stored.read(folder / "result.json"), Stored.read(folder / "recipe.json")
    noted = next((p for p in (folder / "final" / "run.json", folder / "fold-0" / "run.json") if p.is_file()), None)
    run = Stored.read(noted) if noted else Stored("run.json", {"recipe": {}})
    run.part("recipe")  # there, or the file is none of a run
    weights, found, folds = result.count("parameters"), result.part("validation").numbers(), recipe.count("folds")
    where = f"patients of the training set, by {folds}-fold cross-validation ({result.count('patients')} patients)"
    who = f"{name} (edge)"
    bounds = result.part("intervals") if "intervals" in result.names() else Stored("", {})
    values = {metric: Value(x, *_bounds(bounds, metric)) for metric, x in found.items()}
    rows = [
        TaskRow(who, task, where, key, *_four(f"task {task} ", values), weights=weights)
        for task in sorted({metric.split()[1] for metric in found if metric.startswith("task ")})
    ]
    metrics = {metric: value for metric, value in values.items() if not metric.startswith("task ")}
    for kind in ("event F1", "segment F1"):
        both = [found[metric] for metric in (f"{kind} continuous", f"{kind} discontinuous") if metric in found]
        if len(both) == 2:
            metrics[f"{kind}, mean of both"] = Value(sum(both) / 2)
    networks = folds + len(recipe.words("shifts")) + recipe.count("finals", 1)
    told = {"recipe": "edge", "seed": str(recipe.count("seed"))}
    told |= {"epochs": f"{recipe.part('loop').count('epochs')} for each of {networks} networks"}
    told |= {"weights": f"{weights:,}", "commit": _commit(run), "date": result.text("date")}
    budgets = [
        Budget(
            point.number("budget_per_hour"),
            point.number("sensitivity"),
            point.number("event_f1"),
            point.number("segment_f1"),
            point.part("false_alarms").numbers(),
        )
        for point in result.parts("budgets")
    ]
    streaming = [StreamRows(who, where, metrics, key)] if metrics else []
    command = _command(run) if run.words("command") else _command_of(folder / "recipe.json")
    return Source(key, name, folder, command, told, rows, streaming, weights, budgets)


def _clips(folder: Path, name: str, key: str) -> Source:
    run, result = Stored.read(folder / "run.json"), Stored.read(folder / "result.json")
    recipe, scores = run.part("recipe"), result.part("validation")
    loop, method = recipe.part("loop"), recipe.text("name")
    who, epochs, weights = f"{name} ({method})", str(loop.count("epochs")), None
    if recipe.text("method", "") == "masked":
        notice = "the strength of the probe was chosen on these patients"
        rows = [
            TaskRow(who, task, HELD_OUT, key, *_values(task, scores.part(task)), notice=notice)
            for task in scores.names()
        ]
    else:
        weights, task, clips = result.count("parameters"), result.text("task"), result.count("validation_clips")
        where = f"{HELD_OUT} ({result.count('validation_patients')} patients)"
        epochs = f"{result.count('epochs')}, the {_ordinal(result.count('epoch'))} kept"
        notice = "the kept epoch was chosen on these patients" if loop.text("monitor", "") else ""
        own = {"model": (who, weights, notice)}  # beside it the duration rule
        rows = [
            TaskRow(said, answered, where, key, *_values(answered, row), False, clips, size, notice)
            for part in scores.names()
            for said, size, mind in [own.get(part, (part, None, ""))]
            for answered, row, notice in _answers(task, scores.part(part), mind, result if part == "model" else None)
        ]
    told = {"recipe": method, "seed": str(recipe.count("seed")), "epochs": epochs}
    told |= {"weights": f"{weights:,}" if weights else "not noted", "commit": _commit(run)}
    return Source(key, name, folder, _command(run), told | {"date": run.text("begun", "")[:10]}, rows, weights=weights)


def _answers(task: str, row: Stored, notice: str, result: Stored | None) -> Iterator[tuple[str, Stored, str]]:
    """A task with its row, and those whose answers follow from its, as 2-1 from 2-2, each with what must be said."""
    yield task, row, notice
    own = TASKS.get(task)
    each = row.counts_by_name("by_patient", len(own.labels)) if own else {}
    coarser = {name: row_from(TASKS[name], m) for name, m in (with_coarser(own, each) if own and each else {}).items()}
    told = result.part("coarser") if result and "coarser" in result.names() else None
    for name in coarser.keys() - {task}:
        is_told = told is not None and name in told.names()  # runs of before have decisions alone
        how = f"its answers to {task}, {'probabilities added up' if is_told else 'without their kind'}"
        found = told.part(name) if told and is_told else Stored("result.json", coarser[name])
        yield name, found, "; ".join(filter(None, (how, notice)))


def _bounds(bounds: Stored, metric: str) -> Sequence[float | None]:
    return bounds.maybe_numbers(metric)[:2] if metric in bounds.names() else ()


def _four(task: str, found: Mapping[str, Value]) -> tuple[Value, Value, Value, Value]:
    """SE, SP, Score and recall of Poor Quality of one task, as the edge recipe names them."""
    se, sp, score, poor = (found.get(task + part, Value()) for part in ("SE", "SP", "Score", f"recall of {_POOR}"))
    return se, sp, score, poor


def _values(task: str, row: Stored) -> tuple[Value, Value, Value, Value]:
    """SE, SP, Score, and the recall of Poor Quality where the task has that label."""
    recall = dict(zip(TASKS[task].labels if task in TASKS else (), row.maybe_numbers("recall"), strict=False))
    bounds = row.part("bounds") if "bounds" in row.names() else None  # runs of before have none
    se, sp, score = (
        Value(row.maybe(part), *(bounds.maybe_numbers(part)[:2] if bounds else ()))
        for part in ("sensitivity", "specificity", "score")
    )
    return se, sp, score, Value(recall.get(_POOR))


def _ordinal(number: int) -> str:
    last = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{last}"


def _commit(run: Stored) -> str:
    git = run.text("git", "")
    short = git[:12] if git not in ("", "unknown") else "not noted"
    return f"{short}, with changes" if run.is_true("git_dirty") else short


def _command(run: Stored) -> str:
    """The command as it was given, to be pasted into a shell, without the folders of the machine."""
    first, *rest = run.words("command") or [""]
    if not first:
        return "not noted"
    if first not in _MODULES:
        return f"{PurePath(first).name}, a script"
    return " ".join(["python -m", _MODULES[first], shlex.join(_without_folder(word) for word in rest)]).strip()


def _command_of(recipe: Path) -> str:
    """The command that trains by a recipe of the edge, for a run that noted none, as the released one."""
    try:
        own = Recipe.from_json(recipe.read_text())
    except ConfigError:  # of a version that knew other keys
        return "not noted"
    plain, changes = dict(_leaves(Recipe())), list[str]()
    for key, value in _leaves(own):
        if plain.get(key) != value:
            option = {"seed": "--seed", "loop.epochs": "--epochs"}.get(key)
            changes += [option, str(value)] if option else ["--set", f"{key}={json.dumps(value)}"]
    return f"python -m training --data data {shlex.join(changes)}".strip()


def _leaves(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """Dotted keys of a recipe and their values."""
    trees: list[tuple[str, Mapping[str, Any]]] = [("", TypeAdapter(Recipe).dump_python(recipe, mode="json"))]
    for parents, tree in trees:
        for key, value in tree.items():
            if isinstance(value, Mapping):
                trees.append((f"{parents}{key}.", value))
            else:
                yield f"{parents}{key}", value


def _without_folder(word: str) -> str:
    option, equals, value = word.rpartition("=")
    return f"{option}{equals}{PurePath(value).name}" if PurePath(value).is_absolute() else word


def weights_by_folder(runs: Sequence[Source]) -> Mapping[Path, int]:
    """Weights of the model that lies at each folder, and at each artefact in it."""
    known = [(run.folder.resolve(), run.weights) for run in runs if run.weights]
    return {path: weights for folder, weights in known for path in (folder, folder / "model.onnx")}
