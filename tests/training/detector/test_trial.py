"""A trial of the edge recipe: all that a training does, on few recordings, and told apart from a whole one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from edge.errors import ConfigError
from training.__main__ import main
from training.datasets import Recording, patient_folds
from training.datasets.records import RECORD_LABELS
from training.detector.cross_validation import Job, settle
from training.detector.hyperparameters import Recipe, changed
from training.detector.training_data import FOLDS, LEAST_PATIENTS, TrainingData, few, read_recordings, trial_changes
from training.loop import precision
from training.loop.precision import RECORD, measured

RATE_HZ = 8000
KINDS = {"Normal": "Normal", "CAS": "Wheeze", "DAS": "Fine Crackle", "CAS & DAS": "Wheeze+Crackle"}
SMALL = {"network.stem": [2, 4, 4], "network.hidden": 8, "network.dilations": [1, 2]}
SMALL |= {"network.ahead": [2, 1], "loop.batch": 4, "synthetic": 0}


def _write(folder: Path, patient: int, label: str) -> None:
    """Three seconds with two breaths, adventitious as the label says; a recording of poor quality has none."""
    rng = np.random.default_rng(patient)
    time_s = np.arange(3 * RATE_HZ) / RATE_HZ
    wheeze = 0.1 * np.sin(2 * np.pi * 400 * time_s) * ((time_s > 0.2) & (time_s < 1.2)) * ("CAS" in label)
    stem = f"{40000000 + patient}_3.0_0_p1_{patient}"
    soundfile.write(folder / f"{stem}.wav", wheeze + rng.normal(0, 0.005, len(time_s)), RATE_HZ)
    times = [] if label == "Poor Quality" else [(200, 1200, KINDS[label]), (1500, 2600, "Normal")]
    events = [{"start": str(start), "end": str(end), "type": kind} for start, end, kind in times]
    (folder / f"{stem}.json").write_text(json.dumps({"record_annotation": label, "event_annotation": events}))


def _data(root: Path, each: int, labels: tuple[str, ...] = RECORD_LABELS) -> Path:
    folder = root / "sprsound" / "train"
    folder.mkdir(parents=True)
    for patient in range(each * len(labels)):
        _write(folder, patient, labels[patient % len(labels)])
    return root


def _arguments(data: Path, out: Path, *more: str) -> list[str]:
    changes = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    return ["--data", str(data), "--out", str(out), *changes, *more]


def _ward(count: int) -> list[Recording]:
    """Every tenth is of a rare label."""
    labels = ["Normal" if i % 10 else RECORD_LABELS[i // 10 % 5] for i in range(count)]
    return [Recording(Path(f"{i}.wav"), f"p{i // 2}", label, ()) for i, label in enumerate(labels)]


@pytest.fixture
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_few_recordings_have_patients_of_every_label_in_both_folds() -> None:
    ward = _ward(400)
    stored = few(ward, 40, seed=0)
    assert len(stored) == 40
    assert [r for r in ward if r in stored] == list(stored)  # in their order
    folds = patient_folds(list(stored), FOLDS, 0)
    for label in RECORD_LABELS:
        mine = {r.patient for r in stored if r.record_label == label}
        assert len(mine) >= LEAST_PATIENTS
        assert {folds[patient] for patient in mine} == set(range(FOLDS))
    assert few(ward, 40, seed=0) == stored
    assert few(ward, 40, seed=1) != stored


def test_as_many_as_there_are_is_all_and_too_few_is_what_is_needed() -> None:
    ward = _ward(400)
    assert few(ward, 400, seed=0) == tuple(ward)
    assert len(few(ward, 1, seed=0)) == LEAST_PATIENTS * len(RECORD_LABELS)


def test_other_sounds_keep_their_share_and_synthetic_patients_stay() -> None:
    coughs = [Recording(Path(f"c{i}.wav"), f"c{i}", "cough", (), is_negative=True) for i in range(100)]
    made = [Recording(Path(f"{i}"), f"s{i}", "Normal", (), is_synthetic=True) for i in range(9)]
    stored = few([*_ward(400), *coughs, *made], 40, seed=0)
    assert (sum(r.is_negative for r in stored), sum(r.is_synthetic for r in stored)) == (10, 9)


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_that_is_no_count_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path), "--limit", limit])
    assert ended.value.code == 2
    assert f"--limit: '{limit}', expected a whole number from 1" in capsys.readouterr().err


def test_what_a_user_sets_beside_the_limit_counts() -> None:
    recipe = changed(Recipe(), trial_changes(100) | {"steps": 9}, "here")
    assert (recipe.folds, recipe.teachers, recipe.steps, recipe.synthetic) == (2, 0, 9, 17)


@pytest.mark.parametrize(
    ("labels", "each", "message"),
    [
        (
            ("Normal", "CAS", "DAS", "Poor Quality"),
            3,
            "without the patients of fold 1 of 5, no recording of .* has CAS &",
        ),
        (RECORD_LABELS, 1, "no recording of 0 has Normal, CAS, .*; expected each from two patients or more"),
        (("Normal",), 6, "has CAS, DAS, CAS & DAS, Poor Quality, an event with continuous sound, an event with disc"),
    ],
)
def test_a_label_that_will_be_lacking_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: tuple[str, ...], each: int, message: str
) -> None:
    data = _data(tmp_path / "data", each, labels)
    recipe = changed(Recipe(), SMALL, "here")
    training_data = TrainingData(read_recordings(data, recipe), tmp_path / "cache")
    with pytest.raises(ConfigError, match=message):
        training_data.check_labels(recipe)
    assert main(_arguments(data, tmp_path / "runs" / "a")) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("_threads")
def test_all_networks_of_several_runs_compute_in_one_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured once, on a real network and batch; the clock says that bf16 is the slower one."""
    now_s = iter(range(0, 10_000))
    monkeypatch.setattr(precision, "LEAST_STEPS", 1)
    monkeypatch.setattr(precision, "measured", partial(measured, clock=lambda: float(next(now_s) ** 2)))
    recipe = changed(Recipe(), SMALL, "here")
    training_data = TrainingData(read_recordings(_data(tmp_path / "data", 4), recipe), tmp_path / "cache")
    jobs = [Job(replace(recipe, seed=seed), training_data, tmp_path / f"run-{seed}") for seed in (0, 1)]
    for job in jobs:
        job.folder.mkdir()
    settle(jobs, 0, 0)
    assert (
        "precision: fp32 1 s of processor time a step, bf16 5 s of processor time a step; taking fp32"
        in capsys.readouterr().out
    )
    records = [(job.folder / RECORD).read_text() for job in jobs]
    assert records[0] == records[1]
    settle(jobs, 0, 0)
    assert capsys.readouterr().out == ""
