"""A table as CSV (RFC 4180, UTF-8, with a head line), written whole or not at all.

Not for numbers that must survive exactly in a spreadsheet: use Parquet there. A text that a spreadsheet would run as a
formula gets an apostrophe in front: what a person may write over MQTT must not become a program on somebody's desk.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from edge.contract.tables import Cell, Columns, Row
from edge.durable import written_whole

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # beginnings of what spreadsheets compute


def write_csv(path: Path, columns: Columns, rows: Iterable[Row]) -> int:
    """Write a table; None is an empty cell, true and false are words.

    Returns:
        How many rows it has.

    Raises:
        OSError: the disk cannot be written; the file is as it was.
    """
    count = 0
    with written_whole(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([cell_text(row[name]) for name in columns])
            count += 1
        text.detach()
    return count


def cell_text(value: Cell) -> str:
    """One cell; a text that a spreadsheet would run gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return str(value)
