"""ICBHI as it is published, from its folder to the official Scores of both tasks, by the commands of the README."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from tests.training.clips.ward import TINY
from training.__main__ import main as train
from training.evaluation.__main__ import main as judge

ON_BOTH_SIDES = 156  # in the official split, as patient 218
SIDES = {"train": (103, 105, 106, 107, 108, 109, ON_BOTH_SIDES), "test": (101, 102, 104, ON_BOTH_SIDES)}
CYCLES = ("0\t0", "1\t0", "0\t1", "1\t1")  # crackles, wheezes


def _write(database: Path, name: str, rate_hz: int) -> None:
    """Four cycles of a second: breath, clicks, a tone, both."""
    rng = np.random.default_rng(len(name))
    time_s = np.arange(4 * rate_hz) / rate_hz
    cycle = time_s.astype(int)
    sound = rng.normal(0, 0.003, len(time_s))
    sound[(cycle % 2 == 1) & (time_s % 0.1 < 0.004)] += 0.3
    sound += np.where(cycle >= 2, 0.1 * np.sin(2 * np.pi * 400 * time_s), 0)
    soundfile.write(database / f"{name}.wav", sound, rate_hz, subtype="PCM_24" if rate_hz == 44100 else "PCM_16")
    rows = [f"{i}.0\t{i + 1}.0\t{columns}" for i, columns in enumerate(CYCLES)]
    (database / f"{name}.txt").write_text("\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DATA with icbhi/ as its archive unpacks, its split and its diagnoses beside it."""
    root = tmp_path_factory.mktemp("data")
    database = root / "icbhi" / "ICBHI_final_database"
    database.mkdir(parents=True)
    lines = []
    for side, patients in SIDES.items():
        for patient in patients:
            for site, device, rate_hz in (("Al", "Meditron", 44100), ("Pr", "Litt3200", 4000)):
                index = "1b1" if side == "train" else "2b2"
                name = f"{patient}_{index}_{site}_sc_{device}"
                _write(database, name, rate_hz)
                lines.append(f"{name}\t{side}")
    (root / "icbhi" / "ICBHI_challenge_train_test.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY | {"loop": TINY["loop"] | {"epochs": 2}}))
    return path


@pytest.mark.parametrize("task", ["icbhi-4", pytest.param("icbhi-2", marks=pytest.mark.rest)])
def test_one_command_trains_on_the_official_60_and_one_judges_on_the_40(
    data: Path, recipe: Path, tmp_path: Path, task: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    assert train(["--data", str(data), "--recipe", str(recipe), "--task", task, "--out", str(run)]) == 0
    heard = json.loads((run / "heard.json").read_text())
    known = {f"icbhi-{patient}" for patient in SIDES["train"]}
    assert {*heard["patients"], *heard["validation_patients"]} == known
    assert judge(["--model", str(run), "--data", str(data), "--task", task, "--out", str(out)]) == 0
    (judged,) = json.loads((out / "results.json").read_text())["tasks"]
    rows = {row["split"]: row for row in judged["rows"]}
    assert rows.keys() == {"test", "validation", "train"}
    assert rows["test"]["patients"] == len(SIDES["test"])
    se, sp = rows["test"]["sensitivity"]["value"], rows["test"]["specificity"]["value"]
    assert rows["test"]["score"]["value"] == pytest.approx((se + sp) / 2)  # of ICBHI: no harmonic mean


def test_a_training_part_of_one_patient_is_refused_and_says_so(
    data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the few recordings are that anybody may pass on: one of their patients is of the 60 %."""
    few = tmp_path / "icbhi"
    few.mkdir()
    for path in (data / "icbhi" / "ICBHI_final_database").glob("10[13]_*"):
        (few / path.name).write_bytes(path.read_bytes())
    (few / "official_split.txt").write_text((data / "icbhi" / "ICBHI_challenge_train_test.txt").read_text())
    more = ["--task", "icbhi-4", "--out", str(tmp_path / "run"), "--set", "validation.folds=2"]
    assert train(["--data", str(tmp_path), "--recipe", str(recipe), *more]) == 2
    error = capsys.readouterr().err
    assert "patients of the training part: 1; expected two patients" in error
    assert error.count("training: ") == 1
    assert not (tmp_path / "run").exists()
