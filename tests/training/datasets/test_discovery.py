"""Whichever data sets lie under a folder are found by what is in them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from tests.training.datasets import test_icbhi, test_sprsound
from training.datasets import read_datasets, scan_datasets
from training.datasets.discovery import find_datasets


def _negative(root: Path) -> None:
    (root / "negatives" / "cough").mkdir(parents=True)
    soundfile.write(root / "negatives" / "cough" / "a.wav", np.zeros(80), 8000)


def _own(folder: Path) -> None:
    folder.mkdir()
    soundfile.write(folder / "a.wav", np.zeros(4000), 4000)
    (folder / "annotations.csv").write_text("file,start_s,end_s,label,patient\na.wav,0,1,Wheeze,p1\n")


def test_every_set_is_found_by_what_lies_in_it(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "SPRSound-main" / "BioCAS2022" / "train2022_json", "10_3.0_0_p1_1")
    test_icbhi.write(tmp_path / "lungs")
    _negative(tmp_path)
    _own(tmp_path / "ward3")
    (tmp_path / "notes").mkdir()
    assert Counter(r.dataset for r in read_datasets(tmp_path)) == dict.fromkeys(
        ("sprsound", "icbhi", "negatives", "ward3"), 1
    )


def test_the_folder_may_itself_be_a_set_with_others_beside_its_parts(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "train2022_json", "10_3.0_0_p1_1", sounds=tmp_path / "train2022_wav")
    _negative(tmp_path)
    assert Counter(r.dataset for r in read_datasets(tmp_path)) == {"sprsound": 1, "negatives": 1}


@pytest.mark.parametrize("layout", ["", "train", "sprsound", "sprsound/train"])
def test_flat_recordings_are_found_where_they_lie(tmp_path: Path, layout: str) -> None:
    test_sprsound.write(tmp_path / layout, "10_3.0_0_p1_1")
    assert [r.dataset for r in read_datasets(tmp_path)] == ["sprsound"]


def test_only_the_named_sets_are_read(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "sprsound", "10_3.0_0_p1_1")
    _own(tmp_path / "ward3")
    assert [r.dataset for r in read_datasets(tmp_path, ["ward3"])] == ["ward3"]
    with pytest.raises(ConfigError, match="no data set 'icbhi'; there are sprsound, ward3"):
        read_datasets(tmp_path, ["icbhi"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_passed_over(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "sprsound", "10_3.0_0_p1_1")
    (tmp_path / "lost+found").mkdir(mode=0)
    assert [r.dataset for r in read_datasets(tmp_path)] == ["sprsound"]


def test_the_folder_of_icbhi_is_one_set_with_the_folder_that_it_was_published_in(tmp_path: Path) -> None:
    (tmp_path / "ICBHI_final_database").mkdir()
    (tmp_path / "official_split.txt").write_text("101_1b1_Al_sc_Meditron\ttest\n")
    assert [(found.kind, found.folder) for found in find_datasets(tmp_path)] == [("icbhi", tmp_path)]


def test_a_set_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "old", "10_3.0_0_p1_1")
    test_sprsound.write(tmp_path / "new", "10_3.0_0_p1_1")
    with pytest.raises(ConfigError, match=r"sprsound is there twice, .*new and .*old; keep one"):
        find_datasets(tmp_path)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_a_set_is_an_error_that_says_what_was_expected(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"see training/DATA\.md"):
        find_datasets(tmp_path / name)


def test_a_patient_on_both_sides_is_refused(tmp_path: Path) -> None:
    test_sprsound.write(tmp_path / "train_json", "10_3.0_0_p1_1", sounds=tmp_path / "train_wav")
    test_sprsound.write(tmp_path / "test_json/inter_test_json", "10_3.0_0_p1_2", sounds=tmp_path / "test_wav")
    with pytest.raises(ConfigError, match="sprsound: patient 10 is in inter and train"):
        read_datasets(tmp_path)


def test_the_real_folder_is_read_and_scanning_does_not_judge(real_data: Path) -> None:
    counts = Counter((r.dataset, r.split) for r in read_datasets(real_data))
    assert counts["sprsound", "train"] == 1949
    assert counts["icbhi", "test"] + counts["icbhi", "train"] == 5
    assert [found.dataset for found in scan_datasets(real_data)] == ["icbhi", "negatives", "sprsound"]
    assert all("original_wav" not in r.path.parts for r in read_datasets(real_data, ["sprsound"]))
