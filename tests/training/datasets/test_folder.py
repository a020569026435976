"""A user's own folder: one table, errors that name line and field."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.datasets import read_folder
from training.datasets.folder import EVENT_LABELS, TABLE, scan_folder

HEAD = "file,start_s,end_s,label,patient,split\n"


@pytest.fixture
def ward(tmp_path: Path) -> Path:
    """A folder with two sounds of one second."""
    for name in ("a.wav", "night/b.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, np.zeros(4000), 4000)
    return tmp_path


def _write(ward: Path, lines: str, head: str = HEAD) -> Path:
    (ward / TABLE).write_text(head + lines)
    return ward


def test_one_line_for_each_event_and_one_without_times_for_a_whole_recording(ward: Path) -> None:
    _write(ward, "a.wav,0.5,0.9,fine crackle,p1,test\na.wav,0.1,0.4,Wheeze,p1,test\nnight/b.wav,,,Poor Quality,p2,\n")
    first, second = read_folder(ward)
    assert [(e.name, e.labels, e.number) for e in first.events] == [
        ("Wheeze", ("wheeze",), 1),
        ("Fine Crackle", ("fine_crackle",), 0),
    ]
    assert (first.patient, first.split, first.record_label, first.dataset) == (
        *(f"{ward.name}-p1", "test"),
        *("CAS & DAS", ward.name),
    )
    assert (second.patient, second.split) == (f"{ward.name}-p2", "train")
    assert (second.record_label, second.events) == ("Poor Quality", ())


def test_a_table_from_a_spreadsheet_is_read(ward: Path) -> None:
    (ward / TABLE).write_bytes("\ufefffile;start_s;end_s;label\r\nnight\\b.wav;0.1;0.4;Stridor\r\n".encode())
    (recording,) = scan_folder(ward).recordings
    assert (recording.path, recording.events[0].labels) == (ward / "night/b.wav", ("stridor",))


def test_without_a_column_patient_every_recording_is_a_patient_and_it_is_said(ward: Path) -> None:
    _write(ward, "a.wav,,,Normal\nnight/b.wav,,,Normal\n", "file,start_s,end_s,label\n")
    found = scan_folder(ward)
    assert len({r.patient for r in found.recordings}) == 2
    assert [f.kind for f in found.findings] == ["note"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.wav,0.1,0.4,Squawk,p1,train\n", "line 2: label = 'Squawk', expected one of wheeze, "),
        ("a.wav,,,Wheeze,p1,train\n", "line 2: label = 'Wheeze' without times, expected one of Normal, "),
        ("a.wav,,,Normal,p1,train\na.wav,0:1,0.4,Wheeze,p1,train\n", "line 3: start_s = '0:1', expected seconds"),
        ("a.wav,0.1,,Wheeze,p1,train\n", "line 2: end_s = '', expected seconds"),
        ("a.wav,0.1,1.2,Wheeze,p1,train\n", r"line 2: a.wav: event 0 = 0.100 to 1.200 s is beyond the end of"),
        ("a.wav,0,1,Wheeze,p1,\na.wav,0.1,1.2,Wheeze,p1,\n", r"line 3: a\.wav: event 1 = 0\.100 to 1\.200 s is beyond"),
        ("a.wav,0.4,0.1,Wheeze,p1,train\n", "line 2: a.wav: event 0 = 0.400 to 0.100 s, expected 0 <= start < end"),
        ("a.wav,0.1,0.4,Wheeze,p1,validation\n", "line 2: split = 'validation', expected train or test"),
        ("a.wav,0.1,0.4,Wheeze,p1,\na.wav,0.5,0.6,Wheeze,p2,\n", "line 3: patient = p2, but p1 in line 2 of the same"),
        ("a.wav,0.1,0.4,Wheeze,p1,train,more\n", "line 2: more fields than columns"),
        ("a.wav,0.1,0.4,Squawk,p1,\na.wav,x,0.4,Wheeze,p1,\n", "line 2: label = 'Squawk'"),
        (",0.1,0.4,Wheeze,p1,train\n", "line 2: file is empty"),
        ("c.wav,0.1,0.4,Wheeze,p1,train\n", r"found none; .*line 2: file = c.wav, but there is no such sound"),
        (f"{'c' * 300}.wav,0.1,0.4,Wheeze,p1,train\n", r"line 2: file = c+\.wav, but there is no such sound"),
        (f"a.wav,0.1,0.4,Wheeze,{'p' * 200_000},train\n", r"line 2: not readable .*is a quote not closed\?"),
        ("a.wav,,,Normal,p1,train\n./a.wav,,,Normal,p2,train\n", "line 3: patient = p2, but p1 in line 2 of the same"),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_field(ward: Path, lines: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_folder(_write(ward, lines))
    assert TABLE in str(caught.value)


@pytest.mark.parametrize(
    ("head", "message"),
    [("file,start_s,label\n", "line 1: no column end_s"), ("file,start_s,end_s,label,bed\n", "unknown column 'bed'")],
)
def test_a_table_with_other_columns_is_refused(ward: Path, head: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_folder(_write(ward, "", head))
    assert re.search(message, str(caught.value))


def test_a_table_that_is_not_text_is_refused(ward: Path) -> None:
    (ward / TABLE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        read_folder(ward)
    assert re.search(rf"{TABLE}: not readable .*expected a table in UTF-8", str(caught.value))


def test_a_sound_that_no_line_names_is_listed(ward: Path) -> None:
    found = scan_folder(_write(ward, "a.wav,,,Normal,p1,train\n"))
    assert [(f.kind, f.path.name) for f in found.findings] == [("missing", "b.wav")]


@given(label=st.sampled_from(sorted(EVENT_LABELS)), upper=st.booleans())
def test_every_label_is_known_in_any_case(tmp_path_factory: pytest.TempPathFactory, label: str, upper: bool) -> None:
    ward = tmp_path_factory.mktemp("ward")
    soundfile.write(ward / "a.wav", np.zeros(4000), 4000)
    (recording,) = read_folder(_write(ward, f"a.wav,0,1,{label.upper() if upper else label},p,\n"))
    assert recording.events[0].labels == EVENT_LABELS[label][1]


def test_a_line_unknown_says_nothing_of_the_rest_and_events_stay(ward: Path) -> None:
    _write(ward, "a.wav,,,Unknown,p1,\na.wav,0.1,0.4,Normal,p1,\nnight/b.wav,0.1,0.4,Normal,p2,\n")
    unknown, silent = read_folder(ward)
    assert (unknown.record_label, [event.name for event in unknown.events]) == ("", ["Normal"])
    assert silent.record_label == "Normal"
