"""What `make evaluate` wrote, read back: `results.json`. Computes no score.

A model's rows on its training recordings measure nothing and are left out of the tables of the tasks (those of the
duration rule stay); the streaming metrics of such recordings keep what must be said of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from training.results.finished import HELD_OUT
from training.results.rows import Found, LeftOut, Source, StreamRows, TaskRow, Value
from training.results.stored import Stored, UnreadableError

RESULTS = "results.json"
SCHEMA = "laennec.evaluation/1"
_TRAIN = "train"
_OF_TRAINING = {"validation": HELD_OUT, _TRAIN: "the whole training set, on which the rule was fitted"}


def read_evaluations(roots: Sequence[Path], weights: Mapping[Path, int]) -> Found:
    """Every results.json below some folders, each once.

    Args:
        roots: folders.
        weights: of the models that are known by where they lie.
    """
    found, seen = Found(), set()
    for root in roots:
        for path in sorted(root.rglob(RESULTS)):
            if path.resolve() not in seen:
                seen.add(path.resolve())
                name = path.parent.relative_to(root).as_posix() if path.parent != root else root.name
                _read_into(found, path, name, weights)
    return found


def _read_into(found: Found, path: Path, name: str, weights: Mapping[Path, int]) -> None:
    try:
        results = Stored.read(path)
        if results.text("schema") != SCHEMA:
            raise results.refuse("schema", SCHEMA)
        limit, pending = results.count("limit") if results.maybe("limit") else 0, results.words("pending")
        if limit or pending:
            why = f"a sample (--limit {limit})" if limit else f"not finished: {', '.join(pending)}"
            raise UnreadableError(f"{why}; evaluate it whole")
        source, hidden = _source(results, path.parent, name, f"E{len(found.sources) + 1}", weights)
    except UnreadableError as error:
        found.left_out.append(LeftOut(name, str(error)))
        return
    found.sources.append(source)
    if hidden:
        why = "rows of recordings that the model was trained on, or may have been, are not shown"
        found.left_out.append(LeftOut(f"{name}, tasks {', '.join(hidden)}", why))


def _source(
    results: Stored, folder: Path, name: str, key: str, weights: Mapping[Path, int]
) -> tuple[Source, list[str]]:
    """What is shown, and the tasks of which rows are not."""
    model, size = results.text("model"), weights.get(Path(results.text("path")).resolve())
    rows, hidden = [], set()
    for task in results.parts("tasks"):
        for row in task.parts("rows"):
            is_model = row.text("who") == model
            if is_model and row.text("split") == _TRAIN:
                hidden.add(task.text("task"))
            else:
                rows.append(_task_row(task.text("task"), row, key, size if is_model else None))
    streaming = []
    for one in results.parts("streaming"):
        place = "training set" if one.text("split") == _TRAIN else _where(one.text("split"))
        number = f"{one.count('recordings')} recordings, {one.count('patients')} patients"
        measured = one.part("metrics")
        metrics = {metric: _value(measured.part(metric)) for metric in measured.names()}
        where = f"{one.text('dataset')}, {place} ({number})"
        streaming.append(StreamRows(model, where, metrics, key, one.text("training_data")))
    told = {"model": model, "intervals": results.text("intervals")}
    return Source(key, name, folder, _command(results), told, rows, streaming), sorted(hidden)


def _task_row(task: str, row: Stored, key: str, weights: int | None) -> TaskRow:
    split = row.text("split")
    where = f"{_where(split)} ({row.count('patients')} patients)"
    se, sp, score = (_value(row.part(part)) for part in ("sensitivity", "specificity", "score"))
    poor = Value(row.part("recall").maybe("Poor Quality"))
    notice = "" if split == _TRAIN else row.text("training_data")  # the rule was fitted there: the place says so
    clips = row.count("adventitious") + row.count("normal")
    return TaskRow(
        row.text("who"), task, where, key, se, sp, score, poor, split not in _OF_TRAINING, clips, weights, notice
    )


def _value(bounded: Stored) -> Value:
    return Value(*(bounded.maybe(part) for part in ("value", "low", "high")))


def _where(split: str) -> str:
    return _OF_TRAINING.get(split) or ("official test set" if split == "test" else f"official test set, {split}")


def _command(results: Stored) -> str:
    """What writes such a file again."""
    tasks = results.parts("tasks")
    task = tasks[0].text("task") if len(tasks) == 1 and not results.parts("streaming") else "all"
    model = PurePath(results.text("path"))
    shown = PurePath(*model.parts[-2:]) if model.is_absolute() else model
    return f"make evaluate MODEL={shown} DATA=folder TASK={task if tasks else 'streaming'}"
