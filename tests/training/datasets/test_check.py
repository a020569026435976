"""What lies under a folder is counted, compared with what was published, and judged."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.training.datasets import test_icbhi, test_sprsound
from training.datasets import read_datasets
from training.datasets.__main__ import main
from training.datasets.check import FEW, Checked, check, lines
from training.datasets.discovery import DatasetFolder, find_datasets
from training.datasets.reference import PUBLISHED

EVENTS = [{"start": 0, "end": 100, "type": kind} for kind in ("Wheeze", "Wheeze", "Normal")]


def _counts(checked: Checked, split: str) -> dict[str, float]:
    (table,) = [table for table in checked.tables if table.split == split]
    return {row.name: row.count for row in table.rows}


def _own(folder: Path, lines: str) -> DatasetFolder:
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        soundfile.write(folder / name, np.zeros(4000), 4000)
    (folder / "annotations.csv").write_text(f"file,start_s,end_s,label,patient,split\n{lines}")
    return DatasetFolder("folder", folder)


def test_recordings_patients_hours_and_classes_are_counted(tmp_path: Path) -> None:
    for name in ("10_3.0_0_p1_1", "10_3.0_0_p1_2", "20_3.0_0_p1_3"):
        test_sprsound.write(tmp_path, name, {"record_annotation": "CAS", "event_annotation": EVENTS})
    checked = check(DatasetFolder("sprsound", tmp_path))
    counts = _counts(checked, "train")
    assert (counts["recordings"], counts["patients"], counts["CAS"]) == (3, 2, 3)
    assert (counts["events: Wheeze"], counts["events: Stridor"]) == (6, 0)
    (row,) = [row for row in checked.tables[0].rows if row.name == "events: Wheeze"]
    assert (row.patients, round(row.largest, 2), row.verdict) == (2, 0.67, "differs by -446")


def test_a_set_that_differs_from_what_was_published_is_not_fine(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path, "10_3.0_0_p1_1")
    checked = check(DatasetFolder("sprsound", tmp_path))
    assert not checked.is_fine
    assert checked.absent[0] == "inter (355 recordings)"
    assert "numbers not as published" in lines(checked)[-1]


def test_a_set_without_published_numbers_is_fine_when_nothing_is_wrong(tmp_path: Path) -> None:
    checked = check(_own(tmp_path / "ward", "a.wav,0,1,Wheeze,p1,\nb.wav,0,1,Normal,p2,test\n"))
    assert checked.is_fine
    assert lines(checked)[-1].endswith("ward: fine")
    assert [finding.message for finding in checked.findings] == [
        "no example to train on: rhonchus, stridor, fine_crackle, coarse_crackle"
    ]


def test_a_patient_on_both_sides_is_damage_but_for_the_two_of_icbhi(tmp_path: Path) -> None:
    own = check(_own(tmp_path / "ward", "a.wav,0,1,Wheeze,p1,train\nb.wav,0,1,Normal,p1,test\n"))
    assert [f.message for f in own.findings if f.kind == "damaged"] == [
        "patient ward-p1 is in test and train, expected in one split"
    ]
    for side, name in (("train", "156_2b3_Al_mc_AKGC417L"), ("test", "156_5b3_Al_mc_AKGC417L")):
        test_icbhi.write(tmp_path / "icbhi", name, side=side)
    official = check(DatasetFolder("icbhi", tmp_path / "icbhi"))
    assert [f.kind for f in official.findings] == ["note"]
    assert "as in the official split" in official.findings[0].message


def test_a_set_that_cannot_be_read_at_all_is_damage_and_the_others_are_still_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test_icbhi.write(tmp_path / "icbhi")
    (tmp_path / "icbhi" / "ICBHI_challenge_train_test.txt").unlink()
    _own(tmp_path / "ward", "a.wav,,,Normal,p1,\nb.wav,,,Normal,p2,\n")
    assert main(["check", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert "icbhi: NOT FINE, 1 damaged" in shown
    assert "ward: fine" in shown


def test_a_set_that_is_there_in_part_ends_with_a_line_that_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = test_icbhi.write(tmp_path / "icbhi")
    with (tmp_path / "icbhi" / "ICBHI_challenge_train_test.txt").open("a") as split:
        split.writelines(f"{patient}_1b1_Al_sc_Meditron\ttest\n" for patient in range(150, 160))
    assert main(["check", str(tmp_path)]) == 1
    (last,) = capsys.readouterr().err.splitlines()
    assert last.startswith("data-check: icbhi is NOT FINE, 10 missing, ")
    assert "go on with what is there" in last
    assert [r.path for r in read_datasets(tmp_path)] == [sound]  # as it says


def test_a_fine_set_ends_without_such_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _own(tmp_path / "ward", "a.wav,,,Normal,p1,\nb.wav,,,Normal,p2,\n")
    assert main(["check", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_a_sound_that_breaks_off_is_found_when_it_is_decoded_and_not_before(tmp_path: Path) -> None:
    dataset = _own(tmp_path / "ward", "a.flac,,,Normal,p1,\nb.wav,,,Normal,p2,\n")
    soundfile.write(dataset.folder / "a.flac", np.random.default_rng(0).normal(0, 0.1, 40000), 4000)
    whole = (dataset.folder / "a.flac").read_bytes()
    (dataset.folder / "a.flac").write_bytes(whole[: len(whole) // 2])
    (dataset.folder / "a.wav").unlink()
    assert check(dataset).is_fine
    (finding,) = [f for f in check(dataset, decode=True).findings if f.kind == "damaged"]
    assert finding.path.name == "a.flac"
    assert "fetch it again" in finding.message


def test_few_findings_are_listed_unless_all_are_asked_for(tmp_path: Path) -> None:
    for number in range(FEW + 3):
        test_sprsound.write(tmp_path, f"10_3.0_0_p1_{number}")
        (tmp_path / f"10_3.0_0_p1_{number}.wav").unlink()
    checked = check(DatasetFolder("sprsound", tmp_path))
    assert "    and 3 more; --all lists them" in lines(checked)
    assert len([line for line in lines(checked, everything=True) if "without sound" in line]) == FEW + 3


def test_a_folder_that_is_not_there_is_the_operators_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "/nowhere"]) == 2
    assert capsys.readouterr().err.startswith("laennec: DATA=/nowhere: expected a folder with recordings")


def test_a_name_that_is_not_text_is_printed_as_its_bytes(tmp_path: Path) -> None:
    _own(tmp_path / "ward", "a.wav,,,Normal,p1,train\nb.wav,,,Normal,p2,train\n")
    (tmp_path / "ward" / "b.wav").rename(os.fsdecode(os.fsencode(tmp_path / "ward") + b"/\xff.wav"))
    command = [sys.executable, "-m", "training.datasets", "check", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"}, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"data-check: ward is NOT FINE, 2 missing. ")
    assert done.stderr.count(b"\n") == 1
    assert b"\\udcff.wav: sound without a line in annotations.csv" in done.stdout


def test_one_line_for_each_patient_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _own(tmp_path / "ward", "a.wav,0,1,Wheeze,p1,\nb.wav,0,1,Normal,p2,\n")
    assert main(["check", str(tmp_path), "--patients"]) == 0
    assert "    ward-p1                 train                  1      0.0  1 Wheeze" in capsys.readouterr().out


def test_the_list_names_every_set_and_a_set_by_hand_is_the_operators_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "hf_lung" in capsys.readouterr().out
    assert main(["download", "hf_lung", "--to", "/nowhere"]) == 2
    assert "licence" in capsys.readouterr().out


def test_the_published_totals_are_those_of_the_publications() -> None:
    sprsound = [PUBLISHED["sprsound", split] for split in ("train", "inter", "intra")]
    assert sum(split.recordings for split in sprsound) == 2683
    assert sum(sum(split.events.values()) for split in sprsound) == 9089
    assert all(sum(split.records.values()) == split.recordings for split in sprsound)
    assert sum(split.patients or 0 for split in sprsound[:2]) == 292
    icbhi = [PUBLISHED["icbhi", split] for split in ("train", "test")]
    assert sum(split.recordings for split in icbhi) == 920
    totals = {name: sum(split.events[name] for split in icbhi) for name in icbhi[0].events}
    assert totals == {"Normal": 3642, "Crackle": 1864, "Wheeze": 886, "Both": 506}


def test_the_real_training_set_is_as_published(real_data: Path) -> None:
    (dataset,) = [dataset for dataset in find_datasets(real_data) if dataset.kind == "sprsound"]
    checked = check(dataset)
    assert checked.is_fine
    assert {row.verdict for row in checked.tables[0].rows} == {"ok"}
    less = replace(checked.tables[0].rows[0], count=1948)
    assert less.verdict == "differs by -1"
