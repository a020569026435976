"""Answers of the history on standard output: a table for a person, JSON lines or CSV for a program.

Not for files (`edge.tables`).
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from typing import Any, Literal

from edge.contract.fields import rfc3339
from edge.history.queries import Answer
from edge.tables.csv_table import cell_text

Form = Literal["table", "jsonl", "csv"]
DIGITS = 4


def show(answer: Answer, form: Form) -> None:
    """Print an answer."""
    rows = _rows(answer)
    if form == "jsonl":
        for row in rows:
            print(json.dumps(dict(zip(answer.columns, row, strict=True)), ensure_ascii=False))
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([cell_text(value) for value in row] for row in rows)
    else:
        _show_table([list(answer.columns), *([_words(value) for value in row] for row in rows)])


def _rows(answer: Answer) -> Iterator[list[Any]]:
    """Rows with times as RFC 3339 and numbers of few digits."""
    kinds = list(answer.columns.values())
    for row in answer.rows:
        yield [_plain(value, kind) for value, kind in zip(row, kinds, strict=True)]


def _plain(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "time":
        return rfc3339(value / 1000)
    return round(float(value), DIGITS) if kind == "number" else value


def _words(value: Any) -> str:
    """A cell for a person: what is not known is a question mark."""
    if value is None:
        return "?"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _show_table(lines: list[list[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
