"""ICBHI 2017 is read as published: metadata from names, the official split, any rate and depth."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from training.datasets import read_icbhi
from training.datasets.icbhi import read_cycle, read_split, scan_icbhi

NAME = "101_1b1_Al_sc_Meditron"
CYCLES = "0.5\t0.9\t1\t1\n0.1\t0.5\t0\t0\n"


def write(folder: Path, name: str = NAME, cycles: str = CYCLES, side: str = "train") -> Path:
    """One second of sound, its cycles and its line in the official split; returns the sound."""
    database = folder / "ICBHI_final_database"
    database.mkdir(parents=True, exist_ok=True)
    soundfile.write(database / f"{name}.wav", np.zeros(44100), 44100, subtype="PCM_24")
    (database / f"{name}.txt").write_text(cycles)
    with (folder / "ICBHI_challenge_train_test.txt").open("a") as split:
        split.write(f"{name}\t{side}\n")
    return database / f"{name}.wav"


def test_metadata_come_from_the_name_and_the_record_label_from_the_cycles(tmp_path: Path) -> None:
    write(tmp_path, side="test")
    (recording,) = read_icbhi(tmp_path)
    assert (recording.patient, recording.site, recording.device) == ("icbhi-101", "Al", "Meditron")
    assert (recording.split, recording.dataset, recording.record_label) == ("test", "icbhi", "CAS & DAS")
    assert (recording.duration_s, recording.rate_hz) == (1.0, 44100)


def test_the_two_columns_say_what_is_heard_in_a_cycle() -> None:
    assert [read_cycle(0, ["0", "1", *columns]).labels for columns in ("00", "10", "01", "11")] == [
        (),
        ("crackle",),
        ("wheeze",),
        ("wheeze", "crackle"),
    ]


def test_cycles_are_in_order_of_time_and_keep_their_line(tmp_path: Path) -> None:
    write(tmp_path)
    (recording,) = read_icbhi(tmp_path)
    assert [(c.start_s, c.name, c.labels, c.number) for c in recording.events] == [
        (0.1, "Normal", (), 1),
        (0.5, "Both", ("wheeze", "crackle"), 0),
    ]


def test_a_device_that_an_earlier_release_named_wrongly_still_finds_its_split(tmp_path: Path) -> None:
    path = write(tmp_path)
    for other in (path, path.with_suffix(".txt")):
        other.rename(other.with_name(other.name.replace("Meditron", "LittC2SE")))
    assert [(r.split, r.device) for r in read_icbhi(tmp_path)] == [("train", "LittC2SE")]


@pytest.mark.parametrize(
    ("name", "line"), [("ICBHI_Challenge_diagnosis.txt", "101\tURTI\n"), ("patient_diagnosis.csv", "101,URTI\n")]
)
def test_the_diagnosis_is_told_where_it_is_published(tmp_path: Path, name: str, line: str) -> None:
    write(tmp_path)
    assert read_icbhi(tmp_path)[0].diagnosis == ""
    (tmp_path / name).write_text(line)
    assert read_icbhi(tmp_path)[0].diagnosis == "URTI"


def test_files_beside_the_split_are_found_as_well_as_in_a_folder_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.rename(tmp_path / path.name)
    path.with_suffix(".txt").rename(tmp_path / f"{NAME}.txt")
    assert len(read_icbhi(tmp_path)) == 1


@pytest.mark.parametrize(
    ("cycles", "message"),
    [
        ("0.1 0.5 0\n", "line 1 has 3 columns, expected start, end, crackles, wheezes"),
        ("0.1 0.5 0 0\n0.5 0.9 2 0\n", "line 2: crackles, wheezes = 2, 0, expected 0 or 1 each"),
        ("0.1 x 0 0\n", "line 1: start, end = 0.1, x, expected seconds"),
        ("0.1 1.2 0 0\n", r"event 0 = 0.100 to 1.200 s is beyond the end of its recording \(1.000 s\)"),
        ("\n", "has no cycle"),
    ],
)
def test_a_bad_annotation_is_named_with_line_and_column(tmp_path: Path, cycles: str, message: str) -> None:
    write(tmp_path, cycles=cycles)
    with pytest.raises(ConfigError, match=f"{NAME}.*{message}"):
        read_icbhi(tmp_path)


def test_without_the_official_split_nothing_is_guessed(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "ICBHI_challenge_train_test.txt").unlink()
    with pytest.raises(ConfigError, match=r"expected the official split, ICBHI_challenge_train_test\.txt"):
        read_icbhi(tmp_path)


@pytest.mark.parametrize("name", ["ICBHI_challenge_train_test.txt", "patient_diagnosis.txt"])
def test_a_file_for_all_recordings_that_is_not_text_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\xe4")
    with pytest.raises(ConfigError, match=rf"{name}: not readable .*expected text in UTF-8"):
        read_icbhi(tmp_path)


def test_cycles_that_are_not_text_are_named(tmp_path: Path) -> None:
    write(tmp_path).with_suffix(".txt").write_bytes(b"\xff\xe4")
    with pytest.raises(ConfigError, match=rf"{NAME}\.txt: not readable"):
        read_icbhi(tmp_path)


def test_a_bad_line_of_the_split_is_named(tmp_path: Path) -> None:
    write(tmp_path, side="validation")
    with pytest.raises(ConfigError, match=r"ICBHI_challenge_train_test\.txt, line 1: .*expected a recording's name"):
        read_split(tmp_path)


def test_what_the_split_names_and_is_not_there_is_missing_and_what_it_does_not_name_is_damaged(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, "102_1b1_Ar_sc_Meditron").unlink()
    write(tmp_path, "103_2b2_Ar_mc_LittC2SE").with_suffix(".txt").unlink()
    extra = write(tmp_path / "other", "104_1b1_Al_sc_Litt3200").rename(tmp_path / "104_1b1_Al_sc_Litt3200.wav")
    (tmp_path / "other/ICBHI_final_database/104_1b1_Al_sc_Litt3200.txt").rename(extra.with_suffix(".txt"))
    (tmp_path / "other/ICBHI_challenge_train_test.txt").unlink()
    found = scan_icbhi(tmp_path)
    assert [r.path.stem for r in found.recordings] == [NAME]
    assert [(f.kind, f.message) for f in found.findings] == [
        ("missing", "sound (.wav) is not there"),
        ("missing", "annotation (.txt) is not there"),
        ("damaged", "is not named in the official split"),
    ]


def test_the_five_real_recordings_are_read_and_the_other_915_listed(real_data: Path) -> None:
    found = scan_icbhi(real_data / "icbhi")
    assert [(r.split, r.rate_hz, len(r.events)) for r in found.recordings] == [
        ("test", 44100, 12),
        ("train", 44100, 6),
        ("test", 4000, 14),
        ("test", 4000, 7),
        ("test", 44100, 5),
    ]
    assert len(found.of_kind("missing")) == 915
    assert found.of_kind("damaged") == ()


def test_the_official_split_gives_the_published_counts_of_cycles(real_data: Path) -> None:
    split = read_split(real_data / "icbhi")
    with (real_data / "icbhi" / "cycles.csv").open() as table:
        rows = list(csv.DictReader(table))
    names = [
        (
            split[row["recording"]],
            read_cycle(0, [row["start_s"], row["end_s"], row["crackles"], row["wheezes"]]).name,
        )
        for row in rows
    ]
    assert Counter(names) == {
        **{("train", "Normal"): 2063, ("train", "Crackle"): 1215, ("train", "Wheeze"): 501, ("train", "Both"): 363},
        **{("test", "Normal"): 1579, ("test", "Crackle"): 649, ("test", "Wheeze"): 385, ("test", "Both"): 143},
    }
