"""What was collected, as files for other programs: CSV, Parquet, FHIR. Each is written whole, and again when it grew.

Not for collecting (`edge.server.exports.journal`). A file stands beside the day's JSON lines that it is made of, and is
the same bytes for the same lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from edge.contract.events import EventMessage
from edge.contract.tables import COLUMNS, in_file
from edge.contract.trend import TrendMessage
from edge.errors import SourceError
from edge.files import written_whole
from edge.server.exports.fhir import Json, breath_observation, burden_observation, sound_observation
from edge.server.exports.journal import ReadCounts, read
from edge.server.exports.tables import write_csv, write_parquet

Format = Literal["csv", "parquet", "fhir", "fhir-breath"]
ENDINGS = {
    "csv": ".csv",
    "parquet": ".parquet",
    "fhir": ".Observation.ndjson",
    "fhir-breath": ".breath.Observation.ndjson",
}
OF_TABLES = {"fhir": ("events", "trends"), "fhir-breath": ("trends",)}
"""Of an alarm FHIR has no resource before R6, which is not final."""


def forms_of(kind: str, formats: Iterable[Format]) -> list[Format]:
    """Those of the formats that a table can be made into."""
    return [form for form in formats if kind in OF_TABLES.get(form, (kind,))]


def made_of(journal: Path, form: Format) -> Path:
    """The file that is made of a journal."""
    return journal.with_suffix(ENDINGS[form])


def is_current(made: Path, journal: Path) -> bool:
    """Whether a file is newer than what it is made of."""
    return made.exists() and made.stat().st_mtime_ns > journal.stat().st_mtime_ns


def make(journal: Path, kind: str, form: Format, system: str, met: ReadCounts | None = None) -> int:
    """Write one file.

    Args:
        journal: the JSON lines of one table and day.
        kind: the table.
        form: which format.
        system: base of the URIs of local codes in FHIR.
        met: counts copies and damaged lines.

    Returns:
        Rows or resources in it.

    Raises:
        ConfigError: the format needs what is not installed.
        SourceError: the journal cannot be read, or the disk not written.
    """
    path = made_of(journal, form)
    try:
        if form == "fhir":
            return _write_lines(path, _resources(journal, system, met))
        if form == "fhir-breath":
            trends = (each for each in read(journal, met) if isinstance(each, TrendMessage))
            made = (breath_observation(each, system) for each in trends)
            return _write_lines(path, (each for each in made if each is not None))
        rows = (in_file(kind, row) for record in read(journal, met) for row in record.rows())
        return (write_csv if form == "csv" else write_parquet)(path, COLUMNS[kind], rows)
    except OSError as error:
        raise SourceError(f"{path}: cannot be written ({error.strerror or error}); make room there") from None


def _resources(journal: Path, system: str, met: ReadCounts | None) -> Iterator[Json]:
    """One for each sound, and for each minute of a bed."""
    latest: dict[str, EventMessage] = {}
    for record in read(journal, met):
        if isinstance(record, TrendMessage):
            yield burden_observation(record, system)
        elif isinstance(record, EventMessage) and _is_newer(record, latest.get(record.id)):
            latest[record.id] = record
    yield from (sound_observation(each, system) for each in latest.values())


def _is_newer(record: EventMessage, known: EventMessage | None) -> bool:
    return known is None or record.rev > known.rev


def _write_lines(path: Path, resources: Iterable[Json]) -> int:
    count = 0
    with written_whole(path) as file:
        for each in resources:
            file.write(json.dumps(each, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n")
            count += 1
    return count
