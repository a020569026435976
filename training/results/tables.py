"""The tables of the tasks in Markdown: ours beside what was published, test sets and held-out patients apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from training.results.published import CHALLENGE, Entry, Numbers, Published
from training.results.rows import TaskRow, Value

NOTHING = "-"
_SETS = {
    "unknown": "official test set, not said which",
    "test": "official test set",
    "train": "the whole training set, on which the rule was fitted",
}
_PARTS = ("Sp", "Se", "Score")


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


def score_table(
    rows: Sequence[TaskRow], entries: Sequence[Entry], tasks: Sequence[str], is_test: bool, in_parts: bool = False
) -> str:
    """A line for each model and set of recordings, ours first.

    Args:
        rows: of all tasks.
        entries: published ones for the same set.
        tasks: that have a column each.
        is_test: whether the official test sets are shown, or the patients that were held out.
        in_parts: Sp, Se and Score of the one task instead of a Score for each.
    """
    groups: dict[tuple[str, str, str], list[TaskRow]] = {}
    for row in _of(rows, tasks, is_test):
        groups.setdefault((row.who, row.measured_on, row.origin), []).append(row)
    lines = []
    for (who, where, origin), group in groups.items():
        by_task = {row.task: row for row in group}
        shown = [group[0].sp, group[0].se, group[0].score]
        values = shown if in_parts else [by_task[t].score if t in by_task else Value() for t in tasks]
        notices = dict.fromkeys(plain(row.notice) for row in group if row.notice)
        cells = [f"**{plain(who)}**", _weights(group[0].weights), plain(where), *(value.text() for value in values)]
        lines.append([*cells, "; ".join(["ours", *notices]), origin])
    for entry in entries:
        scores = [entry.scores.get(task) for task in tasks]
        if not in_parts:
            lines.append(_entry(entry, [_score(numbers) for numbers in scores]))
        elif scores[0] is not None:
            parts = [NOTHING if x is None else _digits(x) for x in (scores[0].sp, scores[0].se)]
            lines.append(_entry(entry, [*parts, _score(scores[0])]))
    return table(["method", "weights", "measured on", *(_PARTS if in_parts else tasks), "comparable", "from"], lines)


def detail_table(rows: Sequence[TaskRow], is_test: bool) -> str:
    """SE, SP and Score with intervals, ours and the duration rule's; empty when there are none."""
    heads = ["task", "method", "measured on", "clips", "SE", "SP", "Score", "Poor Quality found", "from"]
    lines = []
    for row in sorted(_of(rows, CHALLENGE, is_test), key=lambda row: row.task):
        clips = NOTHING if row.clips is None else str(row.clips)
        values = [value.text() for value in (row.se, row.sp, row.score, row.poor_found)]
        lines.append([row.task, f"**{plain(row.who)}**", plain(row.measured_on), clips, *values, row.origin])
    return table(heads, lines) if lines else ""


def averaged_table(rows: Sequence[TaskRow], published: Published, of: tuple[str, str], is_test: bool) -> str:
    """Sp, Se and Score of a task whose Score is their mean, `of` a benchmark and a task; empty when there are none."""
    benchmark, task = of
    entries = [e for e in published.of(benchmark) if is_test and task in e.scores]
    if not entries and not _of(rows, (task,), is_test):
        return ""
    return score_table(rows, entries, (task,), is_test, in_parts=True)


def _of(rows: Iterable[TaskRow], tasks: Sequence[str], is_test: bool) -> list[TaskRow]:
    """Rows of some tasks; equal ones of several runs (the duration rule) once."""
    found: dict[tuple[str, str, str, Value], TaskRow] = {}
    for row in rows:
        if row.task in tasks and row.is_test == is_test:
            again = row.origin if row.weights else ""
            found.setdefault((row.who + again, row.task, row.measured_on, row.score), row)
    return list(found.values())


def _entry(entry: Entry, values: Sequence[str]) -> list[str]:
    where = _SETS.get(entry.test_set) or f"official test set, {entry.test_set}"
    where = "test set of 2023" if entry.benchmark == "sprsound-2023" else where
    size = ", ".join(filter(None, (_weights(entry.parameters) if entry.parameters else "", plain(entry.size))))
    why = f"{entry.comparable}: {', '.join(entry.against)}" if entry.against else entry.comparable
    printed = "as printed, though its SE and SP do not make that Score" if entry.as_printed else ""
    said = "; ".join(filter(None, (why, plain(entry.note), printed)))
    return [plain(entry.work), size or "not said", where, *values, said, f"{plain(entry.source)} ({entry.seen})"]


def _score(numbers: Numbers | None) -> str:
    if numbers is None or numbers.score is None:
        return NOTHING if numbers is None or numbers.hs is None else f"HS {numbers.hs:.2f}"
    return _digits(numbers.score) + ("" if numbers.sd is None else f" ± {_digits(numbers.sd)}")


def _digits(value: float) -> str:
    """As many as were published, three at least."""
    return f"{value:.4f}".removesuffix("0")


def _weights(count: float | None) -> str:
    if count is None:
        return NOTHING
    return f"{count / 1e6:.3g} M" if count >= 1e5 else f"{count:,.0f}"
