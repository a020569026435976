"""Tables as CSV (RFC 4180, UTF-8, with a head line) and as Parquet, written whole or not at all.

Not for the device: pyarrow is an extra of 48 MB (`pip install pyarrow`). Rows are taken in pieces, so a table may be
larger than memory; the same rows make the same bytes with the same pyarrow. Numbers that must survive exactly in a
spreadsheet belong into Parquet. In CSV a text that a spreadsheet would run as a formula gets an apostrophe in front:
what a person may write over MQTT must not become a program on somebody's desk.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from edge.contract.tables import ROWS_AT_ONCE, Cell, Columns, Row
from edge.files import written_whole

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


try:
    import pyarrow as arrow
    from pyarrow import compute, parquet
except ImportError:  # pragma: no cover - an extra
    arrow = None


def check_installed() -> None:
    """Refuse early what could only fail late.

    Raises:
        ImportError: pyarrow is not there.
    """
    import pyarrow  # noqa: F401


def write_parquet(path: Path, columns: Columns, rows: Iterable[Row]) -> int:
    """Write a table; None is null, times are timestamps in UTC with milliseconds.

    Returns:
        How many rows it has.

    Raises:
        ImportError: pyarrow is not there.
        OSError: the disk cannot be written; the file is as it was.
    """
    check_installed()
    count, schema = 0, arrow.schema([(name, _arrow_type(kind)) for name, kind in columns.items()])
    with written_whole(path) as file, parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for piece in _pieces(rows):
            writer.write_table(_table(columns, piece))
            count += len(piece)
    return count


def _pieces(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while piece := list(islice(left, ROWS_AT_ONCE)):
        yield piece


def _table(columns: Columns, rows: list[Row]) -> Any:
    return arrow.table({name: _array([row[name] for row in rows], kind) for name, kind in columns.items()})


def _array(cells: list[Any], kind: str) -> Any:
    if kind != "time":
        return arrow.array(cells, _arrow_type(kind))
    texts = arrow.array(None if each is None else each.replace("Z", "") for each in cells)
    return compute.cast(texts.cast(arrow.string()), arrow.timestamp("ms")).cast(_arrow_type(kind))


def _arrow_type(kind: str) -> Any:
    return {
        "text": arrow.string(),
        "time": arrow.timestamp("ms", tz="UTC"),
        "integer": arrow.int64(),
        "number": arrow.float64(),
        "truth": arrow.bool_(),
    }[kind]
