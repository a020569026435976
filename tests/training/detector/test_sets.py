"""Everything that lies under DATA is learnt from, patients apart; a recipe can name less."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge.errors import ConfigError
from tests.training.datasets import test_hf_lung, test_icbhi, test_sprsound
from training.datasets import Recording
from training.detector.hyperparameters import Recipe, changed
from training.detector.sets import composition, holds_recordings, main_sets, no_set_first, training_recordings
from training.detector.training_data import TrainingData, read_recordings


def _everything(root: Path) -> Path:
    """One recording of each set; ICBHI has another in its test set."""
    test_sprsound.write(root / "SPRSound" / "BioCAS2022" / "train2022_json", "10_3.0_0_p1_1")
    test_icbhi.write(root / "icbhi")
    test_icbhi.write(root / "icbhi", "102_1b1_Ar_sc_Meditron", side="test")
    test_hf_lung.write(root / "lungs" / "train")
    (root / "negatives" / "cough").mkdir(parents=True)
    soundfile.write(root / "negatives" / "cough" / "a.wav", np.zeros(80), 8000)
    (root / "ward3").mkdir()
    soundfile.write(root / "ward3" / "a.wav", np.zeros(8000), 4000)
    (root / "ward3" / "annotations.csv").write_text("file,start_s,end_s,label,patient\na.wav,0,1,Wheeze,101\n")
    return root


def test_every_set_is_learnt_from_sprsound_first_and_its_patients_are_its_own(tmp_path: Path) -> None:
    found = training_recordings(_everything(tmp_path))
    assert [(r.dataset, r.patient) for r in found] == [
        ("sprsound", "10"),
        ("hf_lung", "hf_lung-2019-08-15"),
        ("icbhi", "icbhi-101"),
        ("ward3", "ward3-101"),
        ("negatives", "cough-a"),
    ]
    assert composition(found).startswith("sprsound: 1 recordings of 1, hf_lung: 1 recordings of 1, ")


def test_a_recipe_names_the_sets_and_other_sounds_join_always(tmp_path: Path) -> None:
    recipe = changed(Recipe(), {"data": ["icbhi", "sprsound"], "synthetic": 1}, "here")
    found = read_recordings(_everything(tmp_path), recipe)
    assert [r.dataset for r in found if not r.is_synthetic] == ["sprsound", "icbhi", "negatives"]
    with pytest.raises(
        ConfigError, match=r"data = ward4, not under DATA=.*; there are hf_lung, icbhi, sprsound, ward3"
    ):
        training_recordings(tmp_path, ["sprsound", "ward4"])


def test_all_years_are_one_set_and_a_child_that_is_in_a_test_set_is_not_learnt_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    repository = tmp_path / "sprsound"
    for year, names in ((2022, ("10_3.0_0_p1_1", "11_3.0_0_p1_2")), (2024, ("10_5.0_0_p1_3", "12_1.0_0_p1_4"))):
        for name in names:
            test_sprsound.write(repository / f"BioCAS{year}" / f"train{year}_json", name)
    test_sprsound.write(repository / "BioCAS2025" / "test2025_json", "11_6.0_0_p1_5")
    test_sprsound.write(repository / "BioCAS2022" / "test2022_json" / "intra_test_json", "10_3.0_0_p1_6")
    with caplog.at_level(logging.WARNING):
        found = training_recordings(tmp_path)
    assert [(r.patient, r.path.stem.rpartition("_")[2]) for r in found] == [("10", "1"), ("10", "3"), ("12", "4")]
    assert "dataset=sprsound patients=1 recordings=1; left out of the training" in caplog.text


def test_a_folder_without_chest_recordings_to_train_on_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "negatives").mkdir()
    assert not holds_recordings(tmp_path)
    with pytest.raises(ConfigError, match="expected SPRSound or other chest recordings to train on, found none"):
        training_recordings(tmp_path)
    assert holds_recordings(_everything(tmp_path / "all"))


def test_choices_are_made_on_sprsound_and_without_it_on_recordings_annotated_by_phase(tmp_path: Path) -> None:
    found = training_recordings(_everything(tmp_path))
    assert main_sets(found) == {"sprsound"}
    assert main_sets(r for r in found if r.dataset != "sprsound") == {"ward3"}
    assert main_sets(r for r in found if r.dataset == "icbhi") == frozenset()


def test_no_set_is_drawn_more_often_than_the_main_one_and_a_smaller_one_as_often_as_it_is() -> None:
    names = ["sprsound", "sprsound", "icbhi", "hf_lung", "hf_lung"]
    recordings = [Recording(Path("a.wav"), "p", "CAS", (), dataset=name) for name in names]
    weights = no_set_first(recordings, np.array([1.0, 2.0, 1.5, 4.0, 8.0]))
    np.testing.assert_allclose(weights, [1.0, 2.0, 1.5, 1.0, 2.0])


def test_the_patients_of_every_set_are_dealt_out_evenly_and_those_of_sprsound_as_without_the_others() -> None:
    sprsound = [Recording(Path(f"s{i}.wav"), f"{i}", "Normal", (), dataset="sprsound") for i in range(25)]
    icbhi = [replace(r, patient=f"icbhi-{r.patient}", dataset="icbhi") for r in sprsound[:10]]
    folds = TrainingData((*sprsound, *icbhi), Path("cache")).fold_of(Recipe())
    assert Counter(folds[r.patient] for r in icbhi) == dict.fromkeys(range(5), 2)
    assert {r.patient: folds[r.patient] for r in sprsound} == TrainingData(tuple(sprsound), Path()).fold_of(Recipe())


def test_the_real_folder_gives_all_of_sprsound_and_what_icbhi_has_for_training(real_data: Path) -> None:
    found = training_recordings(real_data)
    assert Counter(r.dataset for r in found if r.is_real_chest) == {"sprsound": 1949, "icbhi": 1}
    assert {r.split for r in found} == {"train"}
