"""Published scores, and those that others measured of our weights: `published.yaml`. Not for those that come from runs.

That every entry has a source, follows from its own SE and SP and says why it is not comparable, the tests see to.

The tables of the tasks in Markdown: ours, what was measured outside, what was published, each line saying which.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from training.results.rows import TaskRow, Value

PATH = Path(__file__).with_name("published.yaml")
CHALLENGE = ("1-1", "1-2", "2-1", "2-2")
OUTSIDE = "outside"
Share = float | None


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Numbers(_Part):
    """What one work says of one task; all but the error rate are between 0 and 1."""

    se: Share = Field(None, ge=0, le=1)
    sp: Share = Field(None, ge=0, le=1)
    hs: Share = Field(None, ge=0, le=1)
    """Harmonic score, where it is given instead of Score."""
    score: Share = Field(None, ge=0, le=1)
    sd: Share = Field(None, ge=0, le=1)
    """Standard deviation of the score over seeds."""
    event_f1: Share = Field(None, ge=0, le=1)
    error_rate: float | None = Field(None, ge=0)


class Entry(_Part):
    """One work on one test set."""

    work: str = Field(min_length=2)
    source: str = Field(min_length=8)
    """arXiv number, address, or where else it was found."""
    seen: Literal["abstract", "code", "figure", "table", "readme", "derived", "memory", "outside"]
    """`outside`: not published; weights of ours, judged by others on recordings that nobody here has."""
    size: str = ""
    """What is known of the network, in words."""
    parameters: float | None = Field(None, gt=0)
    """Weights."""
    benchmark: Literal["sprsound-2022", "sprsound-2023", "sprsound-2024", "icbhi", "ood"]
    test_set: Literal["inter", "intra", "total", "unknown", "train", "test"]
    """`train`: the training set of SPRSound 2022, for rules that are fitted on it."""
    scores: dict[str, Numbers] = Field(default_factory=dict)
    note: str = ""
    as_printed: bool = False
    """True when a score does not follow from its own SE and SP in the source."""
    comparable: Literal["yes", "partly", "no"]
    against: tuple[str, ...] = ()
    """Keys of `Published.reasons`."""


class Published(_Part):
    """All published numbers, by benchmark."""

    reasons: dict[str, str]
    gaps: dict[str, str]
    """Of each recipe of a paper: what lies between its scores here and the published ones."""
    entries: tuple[Entry, ...] = Field(min_length=1)

    def of(self, benchmark: str) -> list[Entry]:
        """Entries of one benchmark, in their order."""
        return [entry for entry in self.entries if entry.benchmark == benchmark]


def load_published() -> Published:
    """Read the project's own file."""
    return Published.model_validate(yaml.safe_load(PATH.read_text()))


NOTHING = "-"
_SETS = {
    "unknown": "official test set, not said which",
    "test": "official test set",
    "train": "the whole training set, on which the rule was fitted",
}
_HEADS = ("method", "weights", "measured on", "SE", "SP", "Score", "comparable", "from")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """One table; cells are Markdown already.

    Raises:
        ValueError: if a row has another number of cells.
    """
    if any(len(row) != len(heads) for row in rows):
        raise ValueError(f"expected {len(heads)} cells in every row")
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def plain(text: str) -> str:
    """Text of others, so that it means nothing in Markdown and stays in its cell."""
    return re.sub(r"([\\`*{}\[\]<>|]|\b_|_\b)", r"\\\1", " ".join(text.split()))


def task_table(task: str, rows: Sequence[TaskRow], entries: Sequence[Entry]) -> str:
    """All that is known of one task, a line for each model and set of recordings; empty when there is nothing.

    Args:
        task: as `training.tasks` names it.
        rows: ours, of all tasks; official test sets stand before held-out patients.
        entries: what was measured outside, then what was published.
    """
    lines = [_ours(row) for row in sorted(_of(rows, task), key=lambda row: not row.is_test)]
    told = sorted((e for e in entries if task in e.scores), key=lambda entry: entry.seen != OUTSIDE)
    lines += [_entry(entry, entry.scores[task]) for entry in told]
    return table(_HEADS, lines) if lines else ""


def unscored(entries: Sequence[Entry]) -> str:
    """What is claimed without a score of a task, a line each."""
    return "\n".join(
        f"- {plain(e.work)} ({plain(e.source)}): {plain(e.note)}; {', '.join(e.against)}."
        for e in entries
        if not e.scores
    )


def _of(rows: Iterable[TaskRow], task: str) -> list[TaskRow]:
    """Rows of a task; equal ones of several runs (the duration rule) once."""
    found: dict[tuple[str, str, Value], TaskRow] = {}
    for row in rows:
        if row.task == task:
            again = row.origin if row.weights else ""
            found.setdefault((row.who + again, row.measured_on, row.score), row)
    return list(found.values())


def _ours(row: TaskRow) -> list[str]:
    values = (row.se.text(), row.sp.text(), row.score.text())
    clips = "" if row.clips is None else f"{row.clips} clips"
    poor = "" if row.poor_found.value is None else f"{row.poor_found.text()} of Poor Quality found"
    said = "; ".join(filter(None, ("ours", plain(row.notice), clips, poor)))
    return [f"**{plain(row.who)}**", _weights(row.weights), plain(row.measured_on), *values, said, row.origin]


def _entry(entry: Entry, numbers: Numbers) -> list[str]:
    where = _SETS.get(entry.test_set) or f"official test set, {entry.test_set}"
    where = "test set of 2023" if entry.benchmark == "sprsound-2023" else where
    size = ", ".join(filter(None, (_weights(entry.parameters) if entry.parameters else "", plain(entry.size))))
    why = f"{entry.comparable}: {', '.join(entry.against)}" if entry.against else entry.comparable
    printed = "as printed, though its SE and SP do not make that Score" if entry.as_printed else ""
    said = "; ".join(filter(None, (why, plain(entry.note), printed)))
    parts = [NOTHING if x is None else _digits(x) for x in (numbers.se, numbers.sp)]
    who, where = plain(entry.work), where if entry.seen != OUTSIDE else f"measured outside: {where}"
    who = f"*{who}*" if entry.seen == OUTSIDE else who
    source = plain(entry.source) if entry.seen == OUTSIDE else f"{plain(entry.source)} ({entry.seen})"
    return [who, size or "not said", where, *parts, _score(numbers), said, source]


def _score(numbers: Numbers) -> str:
    if numbers.score is None:
        return NOTHING if numbers.hs is None else f"HS {numbers.hs:.2f}"
    return _digits(numbers.score) + ("" if numbers.sd is None else f" ± {_digits(numbers.sd)}")


def _digits(value: float) -> str:
    """As many as were published, three at least."""
    return f"{value:.4f}".removesuffix("0")


def _weights(count: float | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,.0f}"
