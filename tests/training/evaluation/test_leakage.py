"""Whoever is judged by what it was trained on is told so, loudly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.training.evaluation.made import recording
from training.datasets import Recording, fingerprint, hashed_names
from training.evaluation.split_scores import NOBODY_KNOWS, notice, provenance_of, splits_of, trained_on
from training.metrics.predictions import Provenance

TRAIN = [recording(p, "Normal", split="train") for p in "abc"]


@dataclass
class Sealed:
    """A model that knows the fingerprint of its training data only."""

    provenance: Provenance = field(default_factory=Provenance)


def _written(folder: Path) -> list[Recording]:
    found = []
    for one in TRAIN:
        path = folder / one.path.name
        path.write_bytes(one.patient.encode())
        found.append(replace(one, path=path))
    path = folder / "cough.wav"
    path.write_bytes(b"cough")
    return [*found, Recording(path, "cough-1", "cough", (), is_negative=True)]


def test_recordings_of_the_training_are_told_loudly() -> None:
    assert notice(trained_on(TRAIN[:2]), TRAIN) == "THESE RECORDINGS WERE IN THE TRAINING DATA (2 of 3)"


def test_other_recordings_of_known_patients_are_told() -> None:
    later = [replace(one, path=Path("later.wav"), split="intra") for one in TRAIN[:1]]
    assert notice(trained_on(TRAIN), later) == "other recordings of 1 of these 1 patients were in the training data"


def test_new_patients_need_no_word() -> None:
    assert notice(trained_on(TRAIN), [recording("z", "Normal")]) == ""


def test_a_model_that_does_not_say_is_not_believed() -> None:
    assert notice(provenance_of(object(), TRAIN), TRAIN) == NOBODY_KNOWS


def test_a_fingerprint_is_recognised_in_the_recordings_at_hand(tmp_path: Path) -> None:
    everything = _written(tmp_path)
    chest = everything[:3]
    for trained in (chest, everything, [*everything[3:], *chest]):
        model = Sealed(Provenance(fingerprint=fingerprint(trained)))
        found = provenance_of(model, everything)
        assert found.recordings == {r.path.stem for r in trained}
        assert "IN THE TRAINING DATA (3 of 3)" in notice(found, chest)


def test_marks_recognise_recordings_and_patients_in_any_company() -> None:
    model = Sealed(Provenance(hashed_names=frozenset(hashed_names(TRAIN[:2])), fingerprint="0"))
    stranger = recording("z", "Normal", split="inter")
    later = replace(TRAIN[0], path=Path("later.wav"), split="intra")
    known = provenance_of(model, [*TRAIN, stranger, later])
    assert notice(known, TRAIN) == "THESE RECORDINGS WERE IN THE TRAINING DATA (2 of 3)"
    assert notice(known, [later]) == "other recordings of 1 of these 1 patients were in the training data"
    assert notice(known, [stranger]) == ""


def test_marks_do_not_tell_names() -> None:
    assert not {one.path.stem for one in TRAIN} & set(hashed_names(TRAIN))


def test_another_fingerprint_is_not_recognised(tmp_path: Path) -> None:
    everything = _written(tmp_path)
    found = provenance_of(Sealed(Provenance(fingerprint=fingerprint(everything[:2]))), everything)
    assert notice(found, everything) == NOBODY_KNOWS


def test_rows_are_the_published_splits_and_total_is_both_tests() -> None:
    several = [recording("a", "Normal", split="train"), recording("b", "Normal"), recording("a", "DAS", split="intra")]
    rows = splits_of(several, Provenance())
    assert [(row.name, len(row.paths)) for row in rows] == [("total", 2), ("inter", 1), ("intra", 1), ("train", 1)]


def test_one_test_set_alone_is_no_total() -> None:
    assert [row.name for row in splits_of([recording("b", "Normal")], Provenance())] == ["inter"]


def test_patients_held_out_of_the_training_are_validation() -> None:
    rows = splits_of(TRAIN, trained_on(TRAIN[:2]))
    assert [(row.name, row.patients, row.notice) for row in rows] == [
        ("validation", 1, ""),
        ("train", 2, "THESE RECORDINGS WERE IN THE TRAINING DATA (2 of 2)"),
    ]


def test_a_test_recording_of_a_trained_patient_stays_in_its_row() -> None:
    tests = [recording("a", "Normal"), recording("a", "CAS", split="intra")]
    assert [row.name for row in splits_of(tests, trained_on(TRAIN))] == ["total", "inter", "intra"]
