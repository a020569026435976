"""One command from recordings to scores: real recordings on a disk, real processes, a run folder that is taken up."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml

from edge.errors import ConfigError
from tests.training.clips.ward import RATE_HZ, TINY, make_ward, ward_clips
from training.__main__ import main
from training.clips import load_run
from training.datasets import read_datasets
from training.evaluation.artefact import load_predictor
from training.evaluation.command import Options, evaluate
from training.loop.checkpoint import load
from training.metrics.predictions import ask
from training.options import merged
from training.tasks import TASKS, coarser_tasks, translated, translation


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ward(tmp_path_factory.mktemp("ward"))


def _file(folder: Path, **changes: Any) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(merged(TINY, changes)))
    return path


def _command(ward: Path, recipe: Path, out: Path, *more: str) -> list[str]:
    return ["--data", str(ward), "--recipe", str(recipe), "--out", str(out), *more]


@pytest.fixture(scope="module")
def run(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    assert main(_command(ward, _file(folder, loop={"epochs": 6}), folder / "a")) == 0
    return folder / "a"


def test_a_finished_run_tells_wheezes_from_breath_in_patients_it_never_heard(run: Path) -> None:
    result = json.loads((run / "result.json").read_text())
    assert result["task"] == "1-1"
    assert result["validation"]["model"]["score"] > 0.9
    assert "duration only" in result["validation"]
    heard = json.loads((run / "heard.json").read_text())
    assert not set(heard["patients"]) & set(heard["validation_patients"])
    assert len(heard["patients"]) + len(heard["validation_patients"]) == 12


def test_a_run_is_a_predictor_of_its_task(run: Path, ward: Path) -> None:
    predictor = load_predictor(run)
    clips = ward_clips(ward)
    predictions = ask(predictor, TASKS["1-1"], clips)
    assert (predictions.decided == predictions.truth).mean() > 0.9
    alone = load_run(run).predict(TASKS["1-1"], clips[3:5])
    np.testing.assert_allclose(alone, predictions.probabilities[3:5], atol=1e-4)
    heard = json.loads((run / "heard.json").read_text())
    assert predictor.provenance.patients == frozenset(heard["patients"])  # type: ignore[attr-defined]
    assert predictor.predict(TASKS["1-1"], []).shape == (0, 2)


def test_clips_of_every_length_get_a_distribution(run: Path, ward: Path) -> None:
    """Longer than the recipe's second, exactly as long, and a single sample; also one beyond the end of its sound."""
    first = ward_clips(ward)[0]
    ends_s = (1 / RATE_HZ, 0.05, 0.992, 1.0, 1.008, 2.0, 2.6)
    clips = [replace(first, start_s=0.0, end_s=end_s) for end_s in ends_s] + [replace(first, start_s=2.6, end_s=2.64)]
    said = ask(load_predictor(run), TASKS["1-1"], clips).probabilities
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-6)


def test_a_task_that_a_model_cannot_answer_is_refused_by_name(run: Path, ward: Path) -> None:
    with pytest.raises(ConfigError, match="trained for task 1-1, whose labels do not say those of 1-2"):
        load_run(run).predict(TASKS["1-2"], ward_clips(ward, "1-2"))


def test_the_same_command_again_goes_on_and_another_recipe_is_refused(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = _file(tmp_path, loop={"epochs": 1})
    assert main(_command(ward, recipe, tmp_path / "a")) == 0
    weights = load(tmp_path / "a" / "best.pt")["network"]
    assert main(_command(ward, recipe, tmp_path / "a")) == 0
    again = load(tmp_path / "a" / "best.pt")["network"]
    assert all(torch.equal(value, again[name]) for name, value in weights.items())
    capsys.readouterr()
    assert main(_command(ward, recipe, tmp_path / "a", "--set", "loop.learning_rate=0.5")) == 2
    assert "another recipe (loop.learning_rate was 0.01, now 0.5)" in capsys.readouterr().err
    assert main(_command(ward, recipe, tmp_path / "a", "--set", "features.mel.bands=12")) == 2
    assert "another feature spec mel (sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--task", "icbhi-4"], "no data set 'icbhi'"),
        (["--task", "1-2"], "task 1-2: no training clip of Rhonchi, Stridor, Coarse Crackle, Fine Crackle"),
        (["--set", "loop.batches=3"], "loop.batches: Extra inputs are not permitted (found 3)"),
        (["--set", "features.mel.bands=-1"], "features.mel: feature spec: bands = -1, allowed: 1 to 1024"),
        (["--set", "loop.batch"], "expected KEY=VALUE"),
        (["--set", "loop.monitor="], """no value; write --set 'loop.monitor=""' for an empty text"""),
        (["--set", "loop.batch=["], "--set loop.batch=[: is no YAML"),
        (["--set", "network.sizes.channels=abc"], "network.sizes: channels = 'abc', expected a list of whole numbers"),
        (["--set", "network.sizes.channels=[]"], "network.sizes: channels = [], expected a list of whole numbers"),
        (["--set", "network.sizes.heads=0"], "network.sizes: heads = 0, expected a whole number from 1"),
        (["--set", "network.sizes.heads=[2]"], "network.sizes: heads = [2], expected a whole number from 1"),
        (["--set", "network.sizes.embedding_size=-4"], "embedding_size = -4, expected a whole number from 1"),
        (["--set", "network.sizes.dropout=7"], "network.sizes: dropout = 7, expected a number from 0 to below 1"),
        (["--checkpoint", "none.pth"], "network: checkpoint: inception-2023 takes none"),
        (["--set", "features.mel.analysis={kind: dct}"], "features.mel: analysis.kind = 'dct', expected one of "),
        (["--set", "features.mel.offset=3"], "features.mel: offset = 3, expected a list of numbers"),
        (["--set", "method=[1]"], "method = [1], expected one of classify, masked"),
        (["--set", "size=3"], "size: Extra inputs are not permitted"),
        (["--size", "huge"], "size = 'huge', expected one of small"),
        (
            ["--checkpoint", "none.pth", "--set", "network={kind: ast, sizes: {size: 8, depth: 1, heads: 2}}"],
            "none.pth",
        ),
    ],
)
def test_an_operators_mistake_is_one_line_and_code_2(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(_command(ward, _file(tmp_path), tmp_path / "a", *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("training: ")
    assert message in error
    assert "Traceback" not in error


def test_a_label_without_an_example_is_told_before_a_run_is_begun(ward: Path, tmp_path: Path) -> None:
    assert main(_command(ward, _file(tmp_path), tmp_path / "runs" / "a", "--task", "1-2")) == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("size", "message"), [(3, "size = 3, expected a mapping"), ({"small": 3}, "size.small = 3, ex")]
)
def test_a_size_that_is_none_is_named(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: object, message: str
) -> None:
    assert main(_command(ward, _file(tmp_path, size=size), tmp_path / "a")) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("out", ["/dev/null", "/dev/null/a", "/proc/a"])
def test_a_folder_that_cannot_be_written_is_one_line(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str
) -> None:
    assert main(_command(ward, _file(tmp_path), Path(out))) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"training: {out}: ")
    assert error.count("\n") == 1


def test_an_unknown_recipe_names_those_there_are(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data", str(ward), "--recipe", "ngo2021", "--out", str(tmp_path)]) == 2
    assert "expected one of edge, hear, ngo2022, ngo2023, patchmix, qlung" in capsys.readouterr().err


def test_weights_of_other_features_are_refused(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / "run.json").read_text())
    content["specs"]["mel"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"trained with another feature spec mel \(sha256 000000000000, now"):
        load_run(tmp_path)


def test_labels_of_a_finer_task_answer_a_coarser_one() -> None:
    matrix = translation(TASKS["2-2"], TASKS["2-1"])
    assert matrix is not None
    np.testing.assert_array_equal(matrix.argmax(1), [0, 1, 1, 1, 2])
    finer = translation(TASKS["1-2"], TASKS["1-1"])
    assert finer is not None
    np.testing.assert_array_equal(finer.argmax(1), [0, 1, 1, 1, 1, 1, 1])
    assert translation(TASKS["icbhi-4"], TASKS["ood"]) is not None
    assert translation(TASKS["1-1"], TASKS["1-2"]) is None
    assert translation(TASKS["icbhi-4"], TASKS["1-2"]) is None
    assert translation(TASKS["1-1"], TASKS["2-1"]) is None


def test_a_run_says_what_its_answers_are_worth_in_a_coarser_task() -> None:
    assert {name: list(coarser_tasks(TASKS[name])) for name in ("2-2", "1-2", "1-1", "icbhi-4")} == {
        "2-2": ["2-1"],
        "1-2": ["1-1"],
        "1-1": [],
        "icbhi-4": [],
    }


def test_labels_of_sprsound_answer_those_of_icbhi_and_the_table_says_how() -> None:
    matrix = translation(TASKS["1-2"], TASKS["icbhi-4"])
    assert matrix is not None
    found = {own: TASKS["icbhi-4"].labels[row.argmax()] for own, row in zip(TASKS["1-2"].labels, matrix, strict=True)}
    assert found == {
        "Normal": "Normal",
        "Rhonchi": "Wheeze",
        "Wheeze": "Wheeze",
        "Stridor": "Wheeze",
        "Coarse Crackle": "Crackle",
        "Fine Crackle": "Crackle",
        "Wheeze+Crackle": "Both",
    }
    assert translated(TASKS["1-1"], TASKS["icbhi-2"]) == (
        "from the answers to 1-1: Normal = Normal; Abnormal = Adventitious"
    )
    assert translated(TASKS["icbhi-4"], TASKS["ood"]) == ""
    assert translation(TASKS["1-1"], TASKS["icbhi-4"]) is None


def test_a_run_of_sprsound_is_judged_on_cycles_of_icbhi(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "icbhi"
    folder.mkdir()
    for patient in (101, 102):
        name = f"{patient}_1b1_Al_sc_Meditron"
        soundfile.write(folder / f"{name}.wav", 0.1 * np.random.default_rng(patient).standard_normal(8000 * 4), 8000)
        (folder / f"{name}.txt").write_text(f"0.0\t2.0\t0\t0\n2.0\t3.9\t{patient - 101}\t1\n")
    (folder / "official_split.txt").write_text("101_1b1_Al_sc_Meditron\ttest\n102_1b1_Al_sc_Meditron\ttest\n")
    text = evaluate(Options(run, tmp_path, "all", tmp_path / "out"))
    assert "Task icbhi-2: Normal | Abnormal" in text
    assert "from the answers to 1-1: Normal = Normal; Abnormal = Adventitious" in text
    assert re.search(r"icbhi-4: tiny .*: trained for task 1-1, whose labels do not say those of icbhi-4; train a", text)


def test_the_ward_reads_as_published(ward: Path) -> None:
    assert len(read_datasets(ward)) == 24 + 12
