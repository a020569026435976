"""HF_Lung_V1 is read as its makers document it: phases and sounds beside each other, days instead of patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from training.datasets import check_split, read_datasets, read_hf_lung
from training.datasets.check import check
from training.datasets.discovery import find_datasets
from training.datasets.hf_lung import read_label, scan_hf_lung

NAME = "steth_20190815_10_00_37"
LABELS = "I 00:00:01.250 00:00:02.500\nWheeze 00:00:01.500 00:00:02.000\nE 00:00:02.600 00:00:04.000\n"


def write(folder: Path, name: str = NAME, labels: str = LABELS) -> Path:
    """Fifteen seconds of silence with labels; returns the sound."""
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", np.zeros(60000), 4000)
    (folder / f"{name}_label.txt").write_text(labels)
    return folder / f"{name}.wav"


def test_phases_and_sounds_stand_beside_each_other(tmp_path: Path) -> None:
    write(tmp_path / "train")
    (recording,) = read_hf_lung(tmp_path)
    assert [(e.name, e.start_s, e.end_s, e.labels) for e in recording.events] == [
        ("I", 1.25, 2.5, ()),
        ("Wheeze", 1.5, 2.0, ("wheeze",)),
        ("E", 2.6, 4.0, ()),
    ]
    assert (recording.covers, recording.record_label, recording.split) == ("sound", "CAS", "train")
    assert (recording.duration_s, recording.rate_hz, recording.device) == (15.0, 4000, "steth")


def test_each_label_has_its_sound_and_a_discontinuous_one_no_kind() -> None:
    lines = [f"{label} 00:00:01.0 00:01:02.5" for label in ("I", "E", "D", "Wheeze", "Stridor", "Rhonchi")]
    found = [read_label(0, line) for line in lines]
    assert [label.labels for label in found] == [(), (), ("crackle",), ("wheeze",), ("stridor",), ("rhonchus",)]
    assert {(label.start_s, label.end_s) for label in found} == {(1.0, 62.5)}


def test_recordings_of_one_day_count_as_of_one_patient_and_a_day_may_be_in_both_splits(tmp_path: Path) -> None:
    write(tmp_path / "train", "trunc_2019-08-15-09-36-47-L1_3")
    write(tmp_path / "train", "trunc_2019-08-16-09-36-47-L1_3")
    write(tmp_path / "test")
    found = read_hf_lung(tmp_path)
    assert [(r.patient, r.split) for r in found] == [
        ("hf_lung-2019-08-15", "test"),
        ("hf_lung-2019-08-15", "train"),
        ("hf_lung-2019-08-16", "train"),
    ]
    check_split(found)  # nobody knows whether the day's patients are the same


def test_a_recording_without_labels_is_one_of_which_nothing_is_known(tmp_path: Path) -> None:
    write(tmp_path, labels="")
    (recording,) = read_hf_lung(tmp_path)
    assert (recording.record_label, recording.events) == ("", ())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("I 00:00:01.0\n", "line 1 has 2 columns, expected label, start, end"),
        ("\nX 00:00:01.0 00:00:02.0\n", "line 2: label = 'X', expected one of I, E, D, Wheeze, Stridor, Rhonchi"),
        ("I 1.0 00:00:02.0\n", r"line 1: start, end = 1.0, 00:00:02.0, expected hh:mm:ss.fff"),
        ("I 00:00:14.0 00:00:16.0\n", r"beyond the end of its recording \(15.000 s\)"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, labels: str, message: str) -> None:
    write(tmp_path, labels=labels)
    with pytest.raises(ConfigError, match=f"{NAME}_label.txt: .*{message}"):
        read_hf_lung(tmp_path)


def test_a_copy_in_the_training_folder_is_left_out_and_a_half_is_missing(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / split)
    write(tmp_path / "train", f"{NAME}2").unlink()
    (write(tmp_path / "train", f"{NAME}3").parent / f"{NAME}3_label.txt").unlink()
    found = scan_hf_lung(tmp_path)
    assert [r.split for r in found.recordings] == ["test"]
    assert [(f.kind, f.path.name) for f in found.findings] == [
        ("duplicate", f"{NAME}_label.txt"),
        ("missing", f"{NAME}2_label.txt"),
        ("missing", f"{NAME}3.wav"),
    ]


def test_it_is_found_by_what_lies_in_it_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "lungs" / "train")
    (dataset,) = find_datasets(tmp_path)
    assert [r.dataset for r in read_datasets(tmp_path)] == ["hf_lung"]
    counted = {row.name: row.count for row in check(dataset).tables[0].rows}
    assert (counted["recordings"], counted["labels: I"], counted["labels: Wheeze"]) == (1, 1, 1)
