"""A user's own recordings: a folder with sounds and one table, `annotations.csv`. Knows no published set.

    file,start_s,end_s,label,patient,split        patient and split may be left out
    ward3/a.wav,1.25,2.10,Wheeze,p07,train        one line for each event
    ward3/b.wav,,,Normal,p08,test                 no times: the label of the whole recording, here without an event

Labels are those of SPRSound (`Fine Crackle`, `Wheeze+Crackle`), of ICBHI (`Crackle`, `Both`) and of the model
(`fine_crackle`, `rhonchus`), in any case; for a whole recording `Normal`, `CAS`, `DAS`, `CAS & DAS` or `Poor Quality`,
and what the events say when it has none. `Unknown` without times: nothing is said of the recording as a whole, and its
time outside of the events is unknown, also where these are all `Normal` (`laennec export labels` writes it).
"""

from __future__ import annotations

import csv
import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError
from training.datasets.files import Finding, Found, accept, check_events, read_header, sound_paths
from training.datasets.records import (
    CLASSES,
    RECORD_LABELS,
    SPRSOUND_LABELS,
    Annotation,
    Recording,
    record_label,
)

TABLE = "annotations.csv"
REQUIRED = ("file", "start_s", "end_s", "label")
OPTIONAL = ("patient", "split")
SPLITS = ("train", "test")
EVENT_LABELS: dict[str, tuple[str, tuple[str, ...]]] = {
    **{name: (name.replace("_", " ").title(), (name,)) for name in (*CLASSES[:-1], "crackle")},
    "rhonchus": ("Rhonchi", ("rhonchus",)),
    "both": ("Both", ("wheeze", "crackle")),
    "breath": ("Normal", ()),
    **{name.lower(): (name, labels) for name, labels in SPRSOUND_LABELS.items()},
}
"""Published name and sounds of an event by its label in lower case."""
UNKNOWN = "unknown"
_RECORD_LABELS = {name.lower(): name for name in RECORD_LABELS}


@dataclass(slots=True)
class _Draft:
    """What the lines of one file have said so far."""

    line: int
    patient: str
    split: str
    label: str = ""
    is_unknown: bool = False
    """Whether nothing is said of the recording as a whole."""
    events: list[tuple[int, Annotation]] = field(default_factory=list)
    """Each with its line."""
    wrong: str = ""
    """First thing that is wrong with its lines."""


def read_folder(folder: Path) -> list[Recording]:
    """Every recording of a user's folder, sorted by name.

    Raises:
        ConfigError: if the table is missing or not readable, or too many lines are bad; names file, line and field.
    """
    return accept(scan_folder(folder))


def scan_folder(folder: Path) -> Found:
    """Every recording of a user's folder, and what is wrong with it.

    Raises:
        ConfigError: if the table is missing or has not the columns `REQUIRED`.
    """
    table = folder / TABLE
    findings: list[Finding] = []
    recordings = []
    columns, drafts = _read_table(table)
    if "patient" not in columns:
        findings.append(Finding("note", table, "no column patient: every recording counts as a patient of its own"))
    for name, draft in sorted(drafts.items()):
        path = folder / name
        try:
            recordings.append(_recording(path, draft, folder.name))
        except FileNotFoundError:
            findings.append(Finding("missing", table, f"line {draft.line}: file = {name}, but there is no such sound"))
        except ValueError as error:
            findings.append(Finding("damaged", table, str(error)))
    for path in sound_paths(folder):
        if path.relative_to(folder).as_posix() not in drafts:
            findings.append(Finding("missing", path, f"sound without a line in {TABLE}"))
    return Found(folder.name, folder, tuple(recordings), tuple(findings))


def _read_table(table: Path) -> tuple[list[str], dict[str, _Draft]]:
    try:
        text = table.read_text(encoding="utf-8-sig")  # spreadsheets write a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{table}: not readable ({error}); expected a table in UTF-8") from error
    head = text.partition("\n")[0]
    rows = csv.DictReader(text.splitlines(), delimiter=";" if ";" in head and "," not in head else ",")
    columns = [name.strip() for name in rows.fieldnames or []]
    rows.fieldnames = columns
    lacking = [name for name in REQUIRED if name not in columns]
    unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
    if lacking or unknown:
        wrong = f"no column {lacking[0]}" if lacking else f"unknown column {unknown[0]!r}"
        raise ConfigError(f"{table}, line 1: {wrong}; expected {','.join(REQUIRED)} and perhaps {','.join(OPTIONAL)}")
    drafts: dict[str, _Draft] = {}
    for row in _rows(rows, table):
        fields = {name: (row[name] or "").strip() for name in columns}
        name = _plain(fields["file"])
        draft = drafts.setdefault(
            name, _Draft(rows.line_num, fields.get("patient") or name, fields.get("split") or "train")
        )
        try:
            if None in row:
                raise ValueError("more fields than columns; a name with a comma needs quotes")
            _read_row(draft, fields, rows.line_num)
        except ValueError as error:
            draft.wrong = draft.wrong or f"line {rows.line_num}: {error}"
    return columns, drafts


def _rows(rows: csv.DictReader[str], table: Path) -> Iterator[dict[str, str]]:
    try:
        yield from rows
    except csv.Error as error:
        raise ConfigError(
            f"{table}, line {rows.line_num + 1}: not readable ({error}); is a quote not closed?"
        ) from error


def _plain(name: str) -> str:
    """One spelling of a path, so that one sound cannot be two recordings."""
    return posixpath.normpath(name.replace("\\", "/")) if name else ""


def _read_row(draft: _Draft, fields: dict[str, str], line: int) -> None:
    if not fields["file"]:
        raise ValueError("file is empty, expected the name of a sound")
    for name in OPTIONAL:
        before = getattr(draft, name)
        if fields.get(name) and fields[name] != before:
            raise ValueError(f"{name} = {fields[name]}, but {before} in line {draft.line} of the same file")
    if draft.split not in SPLITS:
        raise ValueError(f"split = {draft.split!r}, expected {' or '.join(SPLITS)}")
    label = fields["label"].lower()
    if not fields["start_s"] and not fields["end_s"] and label == UNKNOWN:
        draft.is_unknown = True
        return
    if not fields["start_s"] and not fields["end_s"]:
        if label not in _RECORD_LABELS:
            raise ValueError(f"label = {fields['label']!r} without times, expected one of {', '.join(RECORD_LABELS)}")
        draft.label = _RECORD_LABELS[label]
        return
    if label not in EVENT_LABELS:
        raise ValueError(f"label = {fields['label']!r}, expected one of {', '.join(EVENT_LABELS)}")
    name, labels = EVENT_LABELS[label]
    start_s, end_s = _seconds(fields, "start_s"), _seconds(fields, "end_s")
    draft.events.append((line, Annotation(start_s, end_s, labels, name, len(draft.events))))


def _seconds(fields: dict[str, str], key: str) -> float:
    try:
        return float(fields[key])
    except ValueError as error:
        raise ValueError(f"{key} = {fields[key]!r}, expected seconds") from error


def _recording(path: Path, draft: _Draft, dataset: str) -> Recording:
    if draft.wrong:
        raise ValueError(draft.wrong)
    if not os.path.isfile(path):  # also of a name that no file can have
        raise FileNotFoundError
    line = draft.line
    try:
        duration_s, rate_hz = read_header(path)
        for line, event in draft.events:  # noqa: B007 (the line of the event that is wrong)
            check_events((event,), duration_s)
    except ValueError as error:
        raise ValueError(f"line {line}: {path.name}: {error}") from error
    events = tuple(event for _, event in draft.events)
    return Recording(
        path,
        f"{dataset}-{draft.patient}",
        draft.label or ("" if draft.is_unknown else record_label(events)),
        tuple(sorted(events, key=lambda event: event.start_s)),
        split=draft.split,
        dataset=dataset,
        duration_s=duration_s,
        rate_hz=rate_hz,
    )
