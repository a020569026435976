"""The recipe `hear`, small: pre-training, probes and the detector."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from edge.errors import ConfigError
from tests.training.clips.ward import make_ward, ward_clips
from training.__main__ import main
from training.clips import load_run
from training.clips.cut import all_pieces, pieces
from training.clips.front_end import ClipFrames
from training.clips.probe import embeddings_of, fit_probe
from training.clips.schema import Probe
from training.datasets import Recording
from training.frames import FrameStore
from training.loop.checkpoint import load
from training.metrics.predictions import ask
from training.papers.hear import MaskedEncoder, MaskedSpec
from training.tasks import TASKS, Clip

SIZES = {"size": 16, "depth": 1, "heads": 2, "decoder_size": 16, "decoder_depth": 1, "decoder_heads": 2}
TINY = (
    f"sizes={json.dumps(SIZES)}",
    "loop.epochs=2",
    "loop.batch=16",
    "loop.precision=fp32",
    "probe.tasks=['1-1']",
    "validation.folds=3",
    "detector.epochs=1",
    "detector.batch=8",
)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ward(tmp_path_factory.mktemp("ward"), 6)


def _train(ward: Path, out: Path, *more: str) -> int:
    changes = [word for change in (*TINY, *more) for word in ("--set", change)]
    return main(["--data", str(ward), "--recipe", "hear", "--out", str(out), *changes])


@pytest.fixture(scope="module")
def run(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "hear"
    assert _train(ward, out) == 0
    return out


def test_a_run_has_an_encoder_probes_and_a_detector(run: Path) -> None:
    assert {"best.pt", "probes.pt", "result.json", "heard.json", "detector"} <= {path.name for path in run.iterdir()}
    result = json.loads((run / "result.json").read_text())
    assert result["validation"]["1-1"]["score"] is not None
    losses = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["validation"].keys() for line in losses if "validation" in line] == [{"loss"}] * 2
    assert load(run / "detector" / "best.pt")["validation"].keys() >= {"auc Cough", "auc Speech", "auc Breathe"}


def test_a_batch_in_parts_has_the_masks_and_the_losses_of_the_whole(run: Path, ward: Path, tmp_path: Path) -> None:
    assert _train(ward, tmp_path / "parts", "micro_batches=4", "detector=null") == 0
    curves = []
    for path in (run, tmp_path / "parts"):
        lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
        curves.append([line["total"] for line in lines if "total" in line])
    assert len(curves[0]) >= 2
    np.testing.assert_allclose(curves[1], curves[0], rtol=1e-4)


def test_a_run_answers_the_tasks_of_its_probes_without_what_only_its_training_needs(
    run: Path, ward: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "hear"
    shutil.copytree(run, kept, ignore=shutil.ignore_patterns("best.pt", "last.pt", "detector", "tensorboard"))
    predictor = load_run(kept)
    predictions = ask(predictor, TASKS["1-1"], ward_clips(ward))
    assert len(predictions.decided) == 24
    with pytest.raises(ConfigError, match="has probes for 1-1, none answers 2-2"):
        predictor.predict(TASKS["2-2"], ward_clips(ward, "2-2"))


def test_clips_of_one_to_four_pieces_get_a_distribution(run: Path, ward: Path) -> None:
    """Pieces last 2 s; a rest under 0.3 s is none of its own."""
    first = ward_clips(ward)[0]
    clips = [replace(first, start_s=0.0, end_s=end_s) for end_s in (1 / 8000, 1.9, 2.0, 2.1, 2.3, 2.6, 4.0, 7.9)]
    said = ask(load_run(run), TASKS["1-1"], clips).probabilities
    np.testing.assert_allclose(said.sum(1), 1, atol=1e-6)


def test_a_label_that_the_detector_does_not_have_is_named(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(ward, tmp_path / "a", "detector.labels={cough: Infant Cry}", "loop.epochs=1") == 2
    assert "detector.labels: 'Infant Cry' is none of Cough, Snore" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("probe.tasks=['1-1', '1-2']", "task 1-2: no training clip of Rhonchi, Stridor"),
        ("probe.tasks=['3-1']", "probe: tasks: '3-1' is unknown, expected some of 1-1"),
        ("probe.strengths=[0.1, 0]", "probe.strengths.1: Input should be greater than 0"),
    ],
)
def test_what_no_probe_can_do_is_told_before_the_pre_training(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, message: str
) -> None:
    assert _train(ward, tmp_path / "runs" / "hear", change) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_pieces_cover_a_clip_and_never_leave_it() -> None:
    recording = Recording(Path("a.wav"), "a", "Normal", (), duration_s=9.2)
    for start_s, end_s in ((0.0, None), (1.0, 1.5), (0.0, 4.1), (2.0, 8.9)):
        clip = Clip(recording, start_s, end_s, "Normal", 3)
        for overlap in (0.0, 0.5):
            found = pieces(clip, 2.0, overlap)
            stop_s = 9.2 if end_s is None else end_s
            assert found[0].start_s == start_s
            assert 0 <= stop_s - found[-1].end_s < 0.3  # type: ignore[operator]
            assert all(a.start_s < b.start_s <= a.end_s for a, b in pairwise(found))  # type: ignore[operator]
            assert all(piece.end_s - piece.start_s <= 2.0 + 1e-9 for piece in found)  # type: ignore[operator]
    clips = [Clip(recording, 0.0, None, "Normal", 0), Clip(recording, 1.0, 2.0, "Normal", 1)]
    assert all_pieces(clips, 2.0)[1] == [0] * 5 + [1]


def test_the_silence_behind_a_short_piece_has_no_part_in_its_embedding() -> None:
    torch.manual_seed(0)
    encoder = MaskedEncoder(MaskedSpec(size=24, depth=2)).eval()
    rng = np.random.default_rng(0)
    short = rng.normal(0, 1, (200, 128)).astype(np.float16)
    other = np.concatenate([short[:100], rng.normal(0, 1, (100, 128)).astype(np.float16)])
    frames = ClipFrames((FrameStore.of([short, other], short.shape[1]),))
    half, whole = (embeddings_of(encoder, frames, np.full(2, share)) for share in (0.49, 1.0))
    np.testing.assert_allclose(half[0], half[1], atol=1e-6)
    assert np.abs(whole[0] - whole[1]).max() > 0.01
    assert np.abs(whole[0] - half[0]).max() > 0.01


@pytest.mark.parametrize("task", ["1-1", "2-1"])
def test_a_probe_is_sklearns_logistic_regression(task: str) -> None:
    rng, classes = np.random.default_rng(0), len(TASKS[task].labels)
    labels = np.arange(60) % classes
    embeddings = (rng.normal(0, 1, (60, 5)) + 2 * np.eye(5)[labels]).astype(np.float32)
    probe, strength = fit_probe(
        TASKS[task], (embeddings, labels), (embeddings, labels), Probe(strengths=[0.3], balanced=False)
    )
    from sklearn.linear_model import LogisticRegression

    standardised = (embeddings - embeddings.mean(0)) / (embeddings.std(0) + 1e-6)
    expected = LogisticRegression(C=0.3, max_iter=300).fit(standardised, labels).predict_proba(standardised)
    assert strength == 0.3
    np.testing.assert_allclose(probe.probabilities(embeddings), expected, atol=1e-4)
