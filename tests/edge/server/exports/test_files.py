"""From what was collected to files: copies and torn lines leave no trace, and the same lines give the same bytes."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from edge.contract import Record, parse_record
from edge.contract.tables import COLUMNS
from edge.errors import SourceError
from edge.server.exports.fhir import LOCAL
from edge.server.exports.files import Format, forms_of, is_current, made_of, make
from edge.server.exports.journal import Journal, ReadCounts, journals, line_of, read
from tests.edge.server.exports.messages import BED, breathing, event, pause, transition


def message(topic: str, body: dict[str, Any]) -> tuple[Record, bytes]:
    record, whole = parse_record("laennec/v1", topic, json.dumps(body).encode())
    return record, line_of(record, whole)


ONSET = message(f"{BED}/event", event("onset", 1, None))
END = message(f"{BED}/event", event("end", 2, 1.5))
TREND = message(f"{BED}/trend", breathing())
PAUSE = message(f"{BED}/pause", pause("onset"))
RAISED = message(f"{BED}/alarm/continuous/transition", transition("On", "raised", 1))


def path_of(folder: Path, kind: str) -> Path:
    return folder / f"{kind}-2027-01-15.jsonl"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_table_has_a_file_for_the_day_on_which_it_happened(tmp_path: Path) -> None:
    Journal(tmp_path / "new" / "folder").append([ONSET, TREND, RAISED])
    found = [(kind, day) for kind, day, _ in journals(tmp_path / "new" / "folder")]
    assert found == [("alarms", "2027-01-15"), ("events", "2027-01-15"), ("trends", "2027-01-15")]


def test_a_line_is_the_message_as_it_was_with_site_and_node(tmp_path: Path) -> None:
    Journal(tmp_path).append([TREND])
    line = json.loads(path_of(tmp_path, "trends").read_text())
    assert line == {"site": "ward-b", "node": "edge-7", **breathing()}


def test_copies_are_read_once_and_counted(tmp_path: Path) -> None:
    for _ in range(2):
        Journal(tmp_path).append([ONSET, END])
    met = ReadCounts()
    assert [each.key for each in read(path_of(tmp_path, "events"), met)] == [ONSET[0].key, END[0].key]
    assert (met.copies, met.damaged) == (2, 0)


def test_a_line_that_a_death_cut_off_is_removed_by_the_next_start(tmp_path: Path) -> None:
    Journal(tmp_path).append([ONSET])
    path = path_of(tmp_path, "events")
    whole = path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole + whole[:cut])
        assert len(list(read(path))) == 1, "a reader beside it"
        Journal(tmp_path).append([END])
        assert [each.key for each in read(path)] == [ONSET[0].key, END[0].key]


def test_a_file_of_nothing_but_a_cut_line_begins_anew(tmp_path: Path) -> None:
    path_of(tmp_path, "events").write_bytes(b'{"schema"')
    Journal(tmp_path).append([ONSET])
    assert len(list(read(path_of(tmp_path, "events")))) == 1


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path) -> None:
    Journal(tmp_path).append([ONSET])
    path = path_of(tmp_path, "events")
    path.write_bytes(b"\x00\xff\n[]\n" + path.read_bytes())
    met = ReadCounts()
    assert len(list(read(path, met))) == 1
    assert met.damaged == 2


def test_a_folder_with_nothing_in_it_is_a_mistake_that_says_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        journals(tmp_path)
    assert re.search("expected what  laennec export collect", str(caught.value))


def test_a_disk_that_takes_nothing_is_told_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    path_of(tmp_path, "events").mkdir()
    with pytest.raises(SourceError) as caught:
        journal.append([ONSET])
    assert re.search(r"cannot be written .* the broker keeps what comes", str(caught.value))


FORMATS: list[Format] = ["csv", "parquet", "fhir", "fhir-breath"]
TABLES = [(kind, form) for kind in COLUMNS for form in forms_of(kind, FORMATS)]


def test_alarms_are_made_into_tables_and_not_into_fhir() -> None:
    assert [form for kind, form in TABLES if kind == "alarms"] == ["csv", "parquet"]
    assert [form for kind, form in TABLES if kind == "events"] == ["csv", "parquet", "fhir"]
    assert [form for kind, form in TABLES if kind == "trends"] == ["csv", "parquet", "fhir", "fhir-breath"]


@pytest.mark.parametrize(("kind", "form"), TABLES)
def test_the_same_lines_give_the_same_bytes_and_copies_leave_no_trace(kind: str, form: Format, tmp_path: Path) -> None:
    Journal(tmp_path).append([ONSET, END, TREND, RAISED, PAUSE])
    journal = path_of(tmp_path, kind)
    make(journal, kind, form, LOCAL)
    first = made_of(journal, form).read_bytes()
    Journal(tmp_path).append([ONSET, END, TREND, RAISED, PAUSE])
    make(journal, kind, form, LOCAL)
    assert made_of(journal, form).read_bytes() == first
    assert first


def test_a_table_has_a_row_for_each_message(tmp_path: Path) -> None:
    Journal(tmp_path).append([ONSET, END])
    assert make(path_of(tmp_path, "events"), "events", "csv", LOCAL) == 2
    found = rows(tmp_path / "events-2027-01-15.csv")
    assert [(row["type"], row["end"]) for row in found] == [("onset", ""), ("end", "2027-01-15T08:00:01.500Z")]


def test_fhir_has_one_resource_for_a_sound_by_its_highest_rev(tmp_path: Path) -> None:
    Journal(tmp_path).append([END, ONSET])
    assert make(path_of(tmp_path, "events"), "events", "fhir", "https://fhir.ward.example") == 1
    found = json.loads((tmp_path / "events-2027-01-15.Observation.ndjson").read_text())
    assert found["effectivePeriod"]["end"] == "2027-01-15T08:00:01.500Z"
    assert found["identifier"][0]["system"] == "https://fhir.ward.example/id/event"


def test_a_file_is_current_until_more_was_collected(tmp_path: Path) -> None:
    Journal(tmp_path).append([ONSET])
    journal = path_of(tmp_path, "events")
    made = made_of(journal, "csv")
    assert not is_current(made, journal)
    make(journal, "events", "csv", LOCAL)
    os.utime(journal, ns=(0, made.stat().st_mtime_ns - 1))
    assert is_current(made, journal)
    Journal(tmp_path).append([END])
    os.utime(journal, ns=(0, made.stat().st_mtime_ns))
    assert not is_current(made, journal)
