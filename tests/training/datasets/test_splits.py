"""No patient is on both sides of a split, but for the published exceptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from training.datasets import Recording, check_apart, check_split
from training.datasets.icbhi import read_split
from training.datasets.records import KNOWN_ON_BOTH_SIDES, patients_on_both_sides


def _recording(patient: str, split: str, dataset: str = "sprsound", is_negative: bool = False) -> Recording:
    return Recording(Path("a.wav"), patient, "Normal", (), is_negative, split=split, dataset=dataset)


def test_a_patient_in_two_splits_is_named() -> None:
    with pytest.raises(ConfigError, match="sprsound: patient 7 is in inter and train; expected each patient in one"):
        check_split([_recording("7", "train"), _recording("7", "inter"), _recording("8", "inter")])


def test_the_same_number_in_two_data_sets_is_two_patients() -> None:
    check_split([_recording("7", "train"), _recording("7", "test", "icbhi")])
    check_apart([_recording("7", "train")], [_recording("7", "test", "icbhi")])
    with pytest.raises(ConfigError):
        check_apart([_recording("7", "train", "icbhi")], [_recording("7", "test", "icbhi")])


def test_the_intra_patient_test_set_is_made_of_training_patients() -> None:
    check_split([_recording("7", "train"), _recording("7", "intra")])
    with pytest.raises(ConfigError):
        check_split([_recording("7", "train"), _recording("7", "inter")])


def test_negatives_have_no_published_split() -> None:
    check_split([_recording("7", "train", is_negative=True), _recording("7", "test", is_negative=True)])
    with pytest.raises(ConfigError):
        check_split([_recording("7", "train"), _recording("7", "test")])


def test_the_two_known_patients_are_excepted_in_the_official_split_and_nowhere_else() -> None:
    both = [_recording("icbhi-156", side, "icbhi") for side in ("train", "test")]
    check_split(both)
    with pytest.raises(ConfigError, match="sprsound: patient 156"):
        check_split([_recording("156", "train"), _recording("156", "test")])
    with pytest.raises(ConfigError, match="icbhi: patient 157"):
        check_split([*both, _recording("157", "train", "icbhi"), _recording("157", "test", "icbhi")])
    with pytest.raises(ConfigError, match="patient icbhi-156 of icbhi is in training and in validation"):
        check_apart(both[:1], both[1:])


def test_the_official_file_has_these_two_on_both_sides_and_no_other(real_data: Path) -> None:
    sides = read_split(real_data / "icbhi")
    recordings = [_recording(f"icbhi-{name.split('_')[0]}", side, "icbhi") for name, side in sides.items()]
    assert {found[:2] for found in patients_on_both_sides(recordings)} == KNOWN_ON_BOTH_SIDES


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=30))
def test_two_lists_are_apart_exactly_when_no_patient_is_in_both(people: list[tuple[int, bool]]) -> None:
    sides = [[_recording(str(who), "train") for who, left in people if left is side] for side in (True, False)]
    if {r.patient for r in sides[0]} & {r.patient for r in sides[1]}:
        with pytest.raises(ConfigError, match="split by patient"):
            check_apart(*sides)
    else:
        check_apart(*sides)
