"""`make evaluate` from files to files: what is written can be read back, and scores can be recomputed from it."""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from edge.errors import ConfigError
from tests.training.evaluation.made import ALWAYS_NORMAL, PERFECT, Told
from training.datasets import read_datasets
from training.evaluation.__main__ import main
from training.evaluation.command import Options, evaluate, evaluate_predictor
from training.evaluation.split_scores import NOBODY_KNOWS
from training.metrics.official import DurationRule
from training.metrics.predictions import Predictor, Provenance
from training.synthetic.scene import scene

RATE_HZ = 8000
NAMES = {"wheeze": "Wheeze", "rhonchus": "Rhonchi", "fine_crackle": "Fine Crackle", "coarse_crackle": "Coarse Crackle"}
RECORDS = ("Normal", "CAS", "DAS", "CAS & DAS", "Poor Quality")


def _write(folder: Path, patient: int, label: str, short: bool) -> None:
    """A recording of SPRSound with two events: a normal one, and a short or long one that is a wheeze if sick."""
    stem = f"{patient}_3.0_0_p1_{patient}"
    rng = np.random.default_rng(patient)
    soundfile.write(folder / f"{stem}.wav", 0.1 * rng.standard_normal(4 * RATE_HZ), RATE_HZ)
    kind = "Normal" if label in ("Normal", "Poor Quality") else "Wheeze"
    events = [(0, 1500, "Normal"), (2000, 2600 if short else 3800, kind)] if label != "Poor Quality" else []
    fields = [{"start": str(a), "end": str(b), "type": name} for a, b, name in events]
    (folder / f"{stem}.json").write_text(json.dumps({"record_annotation": label, "event_annotation": fields}))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SPRSound as published: training and both test sets, ten patients each."""
    root = tmp_path_factory.mktemp("published")
    places = {"train": "sprsound/train", "inter": "sprsound/test/inter", "intra": "sprsound/test/intra"}
    for start, place in zip((100, 200, 300), places.values(), strict=True):
        (root / place).mkdir(parents=True)
        for i in range(10):
            _write(root / place, start + i, RECORDS[i % 5], short=i % 2 == 0)
    return root


@pytest.fixture(scope="module")
def always_normal(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written of a model that calls every recording normal, on task 2-2."""
    out = tmp_path_factory.mktemp("always normal")
    _run(ALWAYS_NORMAL, published, "2-2", out)
    return out


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are put together and not drawn, which takes a second for each task; `test_plots` looks at them."""
    monkeypatch.setattr(Figure, "savefig", lambda _self, to, **_how: to.touch() if isinstance(to, Path) else None)


def _run(predictor: Predictor, source: Path, task: str, out: Path) -> tuple[str, dict[str, object]]:
    text = evaluate_predictor(predictor, read_datasets(source), Options(Path("model"), source, task, out))
    return text, json.loads((out / "results.json").read_text())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("undrawn")
def test_a_score_can_be_recomputed_from_the_file_of_predictions(published: Path, tmp_path: Path) -> None:
    _, results = _run(DurationRule(), published, "1-1", tmp_path)
    rows = [r for r in _rows(tmp_path / "predictions-1-1.csv") if r["split"] == "inter"]
    sick = [r for r in rows if r["label"] == "Adventitious"]
    well = [r for r in rows if r["label"] == "Normal"]
    se = sum(r["decided"] == r["label"] for r in sick) / len(sick)
    sp = sum(r["decided"] == r["label"] for r in well) / len(well)
    expected = ((se + sp) / 2 + 2 * se * sp / (se + sp)) / 2
    inter = next(r for r in results["tasks"][0]["rows"] if r["split"] == "inter")  # type: ignore[index]
    assert inter["score"]["value"] == pytest.approx(expected)
    assert inter["score"]["low"] <= expected <= inter["score"]["high"]
    assert 0 < expected < 1
    for row in rows:
        lasts = float(row["end_s"]) - float(row["start_s"])
        assert (row["decided"] == "Adventitious") == (lasts < 1.06)
        assert float(row["p Normal"]) + float(row["p Adventitious"]) == pytest.approx(1, abs=1e-5)
    assert Counter(r["split"] for r in _rows(tmp_path / "predictions-1-1.csv")) == {
        "inter": 16,
        "intra": 16,
        "train": 16,
    }


@pytest.mark.usefixtures("undrawn")
def test_who_is_always_right_gets_the_whole_total_and_makes_no_mistake(published: Path, tmp_path: Path) -> None:
    text, results = _run(PERFECT, published, "all", tmp_path)
    assert results["challenge_total"] == pytest.approx(dict.fromkeys(("total", "inter", "intra", "train"), 1.0))
    assert set(results["not_judged"]) == {"icbhi-2", "icbhi-4", "streaming"}  # type: ignore[call-overload]
    page = (tmp_path / "mistakes.html").read_text()
    assert page.count("None.") == 5
    assert "<img" not in page
    assert NOBODY_KNOWS in text


def test_every_task_has_its_files(always_normal: Path) -> None:
    assert {path.name for path in always_normal.iterdir()} == {
        "table.txt",
        "results.json",
        "predictions-2-2.csv",
        "confusion-2-2.png",
        "curves-2-2.png",
        "reliability-2-2.png",
        "mistakes.html",
    }


def test_the_page_of_mistakes_needs_nothing_else(always_normal: Path) -> None:
    page = (always_normal / "mistakes.html").read_text()
    assert page.count("<figure>") == 12  # of 20 test recordings, 12 are neither normal nor poor
    assert "annotated <b>CAS &amp; DAS</b>, called <b>Normal</b>" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 12
    assert all(source.startswith("data:image/png;base64,") for source in sources)


def test_numbers_without_examples_are_null_and_not_nan(tmp_path: Path) -> None:
    (tmp_path / "sprsound" / "train").mkdir(parents=True)
    for i in range(3):
        _write(tmp_path / "sprsound" / "train", 100 + i, "Normal", short=False)
    text, results = _run(PERFECT, tmp_path, "1-1", tmp_path / "out")
    row = results["tasks"][0]["rows"][0]  # type: ignore[index]
    assert row["score"] == {"value": None}
    assert row["no_score"] == "no adventitious clips"
    assert "no score: no adventitious clips" in text
    assert not [v for v in row.values() if isinstance(v, float) and math.isnan(v)]


def test_a_task_that_the_recordings_cannot_answer_is_an_error(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TASK=icbhi-4: .* holds no recordings of icbhi"):
        _run(PERFECT, published, "icbhi-4", tmp_path)


def test_a_model_of_clips_hears_no_streams(published: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TASK=streaming: perfect scores clips"):
        _run(PERFECT, published, "streaming", tmp_path)


@pytest.mark.usefixtures("undrawn")
def test_what_an_unknown_model_says_of_its_training_is_told_once(published: Path, tmp_path: Path) -> None:
    class Sealed(Told):
        provenance = Provenance(fingerprint="0" * 64, stated="children of one hospital")

    text, results = _run(Sealed({}), published, "1-1", tmp_path)
    assert text.count("Trained on, as the model says: children of one hospital") == 1
    assert text.count("children of one hospital") == 1
    assert text.count(NOBODY_KNOWS) == 4  # rows
    assert results["trained_on"] == "children of one hospital"


@pytest.mark.parametrize("name", ["table.txt", "confusion-1-1.png"])
def test_a_full_disk_is_one_line(published: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(ConfigError, match=r"OUT=.*: cannot be written \(No space left on device\); make room"):
        _run(PERFECT, published, "1-1", tmp_path)


@pytest.mark.parametrize("out", ["/proc", "/dev/null", "/dev/null/out"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_model_is_loaded(published: Path, out: str) -> None:
    with pytest.raises(ConfigError, match=rf"OUT={out}: cannot be written"):
        evaluate(Options(Path("missing.onnx"), published, "1-1", Path(out)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "3-1"], "TASK=3-1: expected one of 1-1, 1-2"),
        (["--task", "1-1", "--model", "missing.onnx"], "missing.onnx"),
    ],
)
def test_an_operators_mistake_is_one_line_and_code_2(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code = main(["--data", str(published), "--out", str(tmp_path / "out"), *arguments])
    output = capsys.readouterr().err
    assert code == 2
    assert message in output
    assert output.count("\n") == 1


@pytest.mark.usefixtures("undrawn")
def test_the_default_model_is_judged_on_streams(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "sprsound" / "train", tmp_path / "out"
    folder.mkdir(parents=True)
    for seed in (7, 8, 9):
        samples, sounds = scene(seed, 8.0, RATE_HZ)
        stem = f"{seed}_3.0_0_p1_{seed}"
        soundfile.write(folder / f"{stem}.wav", samples, RATE_HZ)
        fields = [
            {
                "start": str(round(1000 * s.onset_s)),
                "end": str(min(8000, round(1000 * s.end_s))),
                "type": NAMES[s.label],
            }
            for s in sounds
            if s.label in NAMES
        ]
        label = "CAS" if fields else "Normal"
        (folder / f"{stem}.json").write_text(json.dumps({"record_annotation": label, "event_annotation": fields}))
    assert main(["--data", str(tmp_path), "--task", "streaming", "--out", str(out)]) == 0
    assert "Streaming, sprsound validation: 3 recordings of 3 patients" in capsys.readouterr().out
    results = json.loads((out / "results.json").read_text())
    metrics = results["streaming"][0]["metrics"]
    events, recordings = _rows(out / "events.csv"), _rows(out / "recordings.csv")
    assert len(recordings) == 3
    sick = [r for r in recordings if r["label"] != "Normal"]
    assert metrics["record sensitivity"]["value"] == pytest.approx(sum(int(r["events"]) > 0 for r in sick) / len(sick))
    assert len(events) == sum(int(r["events"]) for r in recordings)
    assert {p.name for p in out.glob("*.png")} == {
        f"{kind}-streaming-sprsound-validation.png"
        for kind in ("curves", "reliability", "confusion", "delays", "burden")
    }


@pytest.mark.usefixtures("undrawn")
def test_real_recordings_are_judged_and_the_duration_rule_is_beside(real_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sprsound" / "train"
    folder.mkdir(parents=True)
    for path in sorted((real_data / "sprsound" / "train").glob("*.flac"))[::250]:
        for one in (path, path.with_suffix(".json")):
            (folder / one.name).symlink_to(one)
    text = evaluate(Options(Path("edge/models/default.onnx"), tmp_path, "streaming", tmp_path / "out"))
    assert "frame AP breath" in text
    text, results = _run(DurationRule(), tmp_path, "1-1", tmp_path / "out1")
    assert "duration < 1.06 s" in text
    rows = results["tasks"][0]["rows"]  # type: ignore[index]
    assert rows[0]["score"]["value"] == rows[1]["score"]["value"]  # the rule judged, and the rule beside it
