"""What a table is here: rows with named, typed columns; and which file formats there are.

Not for what stands in it (`edge.neighbours.rows`). A column is nullable, for what is not known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]
ColumnType = Literal["text", "time", "integer", "number", "truth"]
"""`time` is a string, RFC 3339 in UTC with milliseconds; `number` a float of 64 bits."""
Columns = Mapping[str, ColumnType]

ROWS_AT_ONCE = 8192  # of a long table, in memory
