"""What `make evaluate` wrote, read back: `results.json`. Computes no score.

A model's rows on its training recordings measure nothing and are left out of the tables of the tasks (those of the
duration rule stay); the streaming metrics of such recordings keep what must be said of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Literal

from pydantic import Field, FiniteFloat

from training.results.records import LeftOut, Origin, Side, StreamRows, TaskRow, Value
from training.results.stored import File, UnreadableError, read

RESULTS = "results.json"
TRAIN = "train"
_OF_TRAINING = {
    "validation": "held-out patients of the training set",
    TRAIN: "the whole training set, on which the rule was fitted",
}


class _Value(File):
    value: FiniteFloat | None
    low: FiniteFloat | None = None
    high: FiniteFloat | None = None

    def record(self) -> Value:
        return Value(self.value, self.low, self.high)


class _Row(File):
    who: str
    split: str
    patients: int
    training_data: str
    adventitious: int
    normal: int
    sensitivity: _Value
    specificity: _Value
    score: _Value
    recall: dict[str, FiniteFloat | None] = Field(default_factory=dict)


class _Task(File):
    task: str
    rows: list[_Row]


class _Stream(File):
    dataset: str
    split: str
    recordings: int
    patients: int
    training_data: str
    metrics: dict[str, _Value]


class _Results(File):
    schema_: Literal["laennec.evaluation/1"] = Field(alias="schema")
    model: str
    path: str
    intervals: str
    tasks: list[_Task]
    streaming: list[_Stream]
    limit: int | None = None
    pending: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One results.json."""

    origin: Origin
    rows: tuple[TaskRow, ...]
    streaming: tuple[StreamRows, ...]
    intervals: str
    """How they were made."""


@dataclass(slots=True)
class Evaluated:
    """What lies under the folders that were named."""

    evaluations: list[Evaluation] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def read_evaluations(roots: Sequence[Path], weights: Mapping[Path, int]) -> Evaluated:
    """Every results.json below some folders, each once.

    Args:
        roots: folders.
        weights: of the models that are known by where they lie.
    """
    found, seen = Evaluated(), set()
    for root in roots:
        for path in sorted(root.rglob(RESULTS)):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            name = path.parent.relative_to(root).as_posix() if path.parent != root else root.name
            _read_into(found, path, name, weights)
    return found


def _read_into(found: Evaluated, path: Path, name: str, weights: Mapping[Path, int]) -> None:
    try:
        results = read(path, _Results)
    except UnreadableError as error:
        found.left_out.append(LeftOut(name, str(error)))
        return
    if results.limit or results.pending:
        why = f"a sample (--limit {results.limit})" if results.limit else f"not finished: {', '.join(results.pending)}"
        found.left_out.append(LeftOut(name, f"{why}; evaluate it whole"))
        return
    key = f"E{len(found.evaluations) + 1}"
    size = weights.get(Path(results.path).resolve())
    rows = tuple(
        _task_row(task.task, row, key, size if row.who == results.model else None)
        for task in results.tasks
        for row in task.rows
        if row.split != TRAIN or row.who != results.model
    )
    hidden = sorted(
        {t.task for t in results.tasks for row in t.rows if row.split == TRAIN and row.who == results.model}
    )
    if hidden:
        why = "rows of recordings that the model was trained on, or may have been, are not shown"
        found.left_out.append(LeftOut(f"{name}, tasks {', '.join(hidden)}", why))
    origin = Origin(key, name, _command(results), {"model": results.model}, path.parent)
    streaming = tuple(_stream_rows(results.model, one, key) for one in results.streaming)
    found.evaluations.append(Evaluation(origin, rows, streaming, results.intervals))


def _task_row(task: str, row: _Row, key: str, weights: int | None) -> TaskRow:
    where = f"{_where(row.split)} ({row.patients} patients)"
    se, sp, score = (value.record() for value in (row.sensitivity, row.specificity, row.score))
    clips = row.adventitious + row.normal
    notice = "" if row.split == TRAIN else row.training_data  # the rule was fitted there, and the place says so
    poor = Value(row.recall.get("Poor Quality"))
    return TaskRow(row.who, task, _side(row.split), where, se, sp, score, key, clips, weights, notice, poor)


def _stream_rows(who: str, one: _Stream, key: str) -> StreamRows:
    place = "training set" if one.split == TRAIN else _where(one.split)
    where = f"{one.dataset}, {place} ({one.recordings} recordings, {one.patients} patients)"
    metrics = {name: value.record() for name, value in one.metrics.items()}
    side: Side | Literal["train"] = "train" if one.split == TRAIN else _side(one.split)
    return StreamRows(who, side, where, metrics, key, one.training_data)


def _side(split: str) -> Side:
    return "validation" if split in _OF_TRAINING else "test"


def _where(split: str) -> str:
    return _OF_TRAINING.get(split) or ("official test set" if split == "test" else f"official test set, {split}")


def _command(results: _Results) -> str:
    """What writes such a file again."""
    task = results.tasks[0].task if len(results.tasks) == 1 and not results.streaming else "all"
    task = "streaming" if not results.tasks else task
    model = PurePath(results.path)
    shown = PurePath(*model.parts[-2:]) if model.is_absolute() else model
    return f"make evaluate MODEL={shown} DATA=folder TASK={task}"
