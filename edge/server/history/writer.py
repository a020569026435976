"""Batches of rows into the database: each in one transaction, and a copy of what is there changes nothing.

Not for the wire (`edge.server.history.ingester`). What is counted and summed (hours, losses) is added for rows that are
new in the same transaction, so it stays right however often a batch comes. Rows are written in the order of their keys,
so that two ingesters never wait for each other in a circle.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, event, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from edge.errors import SourceError
from edge.server.history.database import bring_up_to_date, open_database, shown_url, transaction
from edge.server.history.sequences import Range, joined
from edge.server.history.tables import (
    ALARMS,
    BEDS,
    EVENTS,
    GAPS,
    GROUPS,
    HOURS,
    LOSSES,
    MINUTES,
    PAUSES,
    SEQUENCES,
    STARTS,
    AddressKey,
    Batch,
    Row,
    hour_of,
)

MAX_PLACES = 100_000  # beds and nodes; a node that invents beds does not fill the disk
COUNTED = {"events": EVENTS, "gaps": GAPS, "alarms": ALARMS, "pauses": PAUSES, "minutes": MINUTES}
SOUNDS = tuple(f"{group}_ms" for group in GROUPS)

logger = logging.getLogger(__name__)


class HistoryWriter:
    """The writing side of one database."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected before `write`.

        Raises:
            ConfigError: the URL is none that is known.
        """
        self._engine = open_database(url, writes=True)
        self.where = shown_url(self._engine)
        """The URL without its password."""
        self._is_up_to_date = False
        self._beds: dict[AddressKey, int] = {}
        event.listen(self._engine, "connect", lambda *_: self._beds.clear())  # it may be another server, or restored

    def prepare(self) -> None:
        """Bring the tables up to date.

        Raises:
            DatabaseAwayError: it does not answer.
            ConfigError: its tables are of a newer version.
        """
        if not self._is_up_to_date:
            bring_up_to_date(self._engine)
            self._is_up_to_date = True

    def write(self, batch: Batch) -> Counter[str]:
        """Write a batch, whole or not at all.

        Returns:
            New rows by table, and `copies` of what was there.

        Raises:
            DatabaseAwayError: the database does not answer now; the same batch may be written again.
            SourceError: there are more beds than fit.
        """
        self.prepare()
        try:
            return self._write_once(batch)
        except IntegrityError:
            if not self._beds:
                raise
            self._beds.clear()  # numbers that the database does not know any more
            return self._write_once(batch)

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def _write_once(self, batch: Batch) -> Counter[str]:
        with transaction(self._engine) as connection:
            beds = self._numbered(connection, batch.places())
            counts: Counter[str] = Counter()
            for name, table in COUNTED.items():
                rows = [_with_bed(row, beds) for row in getattr(batch, name)]
                new = _insert_new(connection, table, rows)
                counts[name], counts["copies"] = len(new), counts["copies"] + len(rows) - len(new)
                if table is MINUTES:
                    _add_to_hours(connection, rows, new)
            _record_numbers(connection, [(beds[place], start, seq) for place, start, seq in batch.numbers])
            starts = [(beds[place], start, before) for place, start, before in sorted(batch.starts)]
            names = ("bed_id", "seq_start", "seq_before")
            _insert_new(connection, STARTS, [dict(zip(names, each, strict=True)) for each in starts])
        self._beds.update(beds)  # a transaction that was undone has numbered nothing
        return counts

    def _numbered(self, connection: Connection, places: set[AddressKey]) -> dict[AddressKey, int]:
        """The numbers of beds; new ones are given one."""
        known = {place: self._beds[place] for place in places if place in self._beds}
        unknown = sorted(places - known.keys())
        if not unknown:
            return known
        if len(self._beds) + len(unknown) > MAX_PLACES:
            raise SourceError(f"more than {MAX_PLACES} beds and nodes")
        rows = [{"site": site, "node": node, "stream": stream} for site, node, stream in unknown]
        connection.execute(_insert(connection, BEDS).on_conflict_do_nothing(), rows)
        names = (BEDS.c.site, BEDS.c.node, BEDS.c.stream)
        for some in _pieces(unknown, 200):
            found = connection.execute(select(BEDS.c.id, *names).where(tuple_(*names).in_(some)))
            known |= {(row.site, row.node, row.stream): row.id for row in found}
        return known


def _insert(connection: Connection, table: Table) -> Any:
    """An INSERT that knows of conflicts, in the dialect of the database."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def _with_bed(row: Row, beds: dict[AddressKey, int]) -> Row:
    return {**{key: value for key, value in row.items() if key != "place"}, "bed_id": beds[row["place"]]}


def _insert_new(connection: Connection, table: Table, rows: Sequence[Row]) -> set[tuple[Any, ...]]:
    """Insert rows whose key is not there, the first of those with one key; the keys that are new."""
    keys = list(table.primary_key.columns)
    by_key: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        by_key.setdefault(tuple(row[key.name] for key in keys), row)
    if not by_key:
        return set()
    columns = {column.name for column in table.columns}
    new_rows = [{name: value for name, value in by_key[key].items() if name in columns} for key in sorted(by_key)]
    found = connection.execute(_insert(connection, table).on_conflict_do_nothing().returning(*keys), new_rows)
    return {tuple(row) for row in found}


def _add_to_hours(connection: Connection, rows: Sequence[Row], new: set[tuple[Any, ...]]) -> None:
    """Add minutes that are new to their hours, and what they did not measure to its causes."""
    hours: defaultdict[tuple[int, int], Counter[str]] = defaultdict(Counter)
    losses: Counter[tuple[int, int, str]] = Counter()
    keys, seen = [key.name for key in MINUTES.primary_key.columns], set()
    for row in rows:
        key = tuple(row[name] for name in keys)
        # Of rows with one key `_insert_new` wrote the first.
        if key not in new or key in seen:
            continue
        seen.add(key)
        place = row["bed_id"], hour_of(row["at_ms"])
        is_known = row[SOUNDS[0]] is not None
        hours[place].update({"minutes": 1, "measured_ms": row["measured_ms"]})
        hours[place].update({"judged_ms": row["measured_ms"] if is_known else 0})
        hours[place].update({name: row[name] or 0 for name in SOUNDS})
        losses.update({(*place, cause): lost_ms for cause, lost_ms in row["lost_ms"].items()})
    _add(connection, HOURS, [{"bed_id": bed, "hour_ms": ms, **sums} for (bed, ms), sums in sorted(hours.items())])
    columns = ("bed_id", "hour_ms", "cause")
    _add(connection, LOSSES, [dict(zip(columns, key, strict=True), lost_ms=ms) for key, ms in sorted(losses.items())])


def _add(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows; where one is there, add the numbers beside its key."""
    if not rows:
        return
    insertion = _insert(connection, table)
    keys = [key.name for key in table.primary_key.columns]
    sums = {
        column.name: column + insertion.excluded[column.name] for column in table.columns if column.name not in keys
    }
    connection.execute(insertion.on_conflict_do_update(index_elements=keys, set_=sums), rows)


def _record_numbers(connection: Connection, numbers: Sequence[tuple[int, int, int]]) -> None:
    """Keep which numbers of each node came. One ingester at a time looks at a node."""
    came: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for node, start, seq in numbers:
        came[node, start].add(seq)
    if not came:
        return
    nodes = sorted({node for node, _ in came})
    locked = select(BEDS.c.id).where(BEDS.c.id.in_(nodes)).order_by(BEDS.c.id)
    connection.execute(locked.with_for_update(key_share=True)).all()  # rows that name the node do not hold it up
    key = (SEQUENCES.c.bed_id, SEQUENCES.c.seq_start)
    before: defaultdict[tuple[int, int], list[Range]] = defaultdict(list)
    for some in _pieces(sorted(came), 200):
        for row in connection.execute(select(SEQUENCES).where(tuple_(*key).in_(some))):
            before[row.bed_id, row.seq_start].append(Range(row.first, row.last, row.since_ms))
    now_ms = round(time.time() * 1000)
    gone: list[tuple[int, int, int]] = []
    more: list[Row] = []
    for (node, start), seqs in came.items():
        old, new = set(before[node, start]), set(joined(before[node, start], seqs, now_ms))
        gone += [(node, start, each.first) for each in old - new]
        more += [
            {"bed_id": node, "seq_start": start, "first": each.first, "last": each.last, "since_ms": each.since_ms}
            for each in new - old
        ]
    # Deleted first: a range that has grown at its end has the key of the one that it stands for.
    for piece in _pieces(gone, 200):
        connection.execute(delete(SEQUENCES).where(tuple_(*key, SEQUENCES.c.first).in_(piece)))
    if more:
        connection.execute(insert(SEQUENCES), more)


def _pieces(rows: Sequence[Any], most: int) -> Iterable[Sequence[Any]]:
    """Rows in lists that fit into one statement."""
    return (rows[begin : begin + most] for begin in range(0, len(rows), most))
