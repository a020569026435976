"""An artefact is judged by what it says at the bedside, and refuses what it cannot answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

from edge.detector.pipeline import Pipeline
from edge.errors import ConfigError, ModelError
from edge.model.model import load_model
from edge.model.onnx_file import seal
from edge.types import Block, Scores
from training.datasets import CLASSES, Annotation, Recording
from training.evaluation.artefact import Artefact, load_predictor
from training.evaluation.delays import StreamDetector
from training.synthetic.scene import scene
from training.tasks import TASKS, Clip

DEFAULT = Path(__file__).parents[3] / "edge" / "models" / "default.onnx"


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return Artefact(DEFAULT)


def _patient(folder: Path, seed: int = 7, rate_hz: int = 8000) -> Recording:
    """A synthetic patient of 12 s as a file."""
    samples, sounds = scene(seed, 12.0, rate_hz)
    path = folder / f"p{seed}.wav"
    soundfile.write(path, samples, rate_hz)
    events = tuple(Annotation(s.onset_s, s.end_s, () if s.label == "breath" else (s.label,)) for s in sounds)
    return Recording(path, f"p{seed}", "CAS", events, dataset="sprsound", split="inter")


def test_events_and_scores_are_those_of_the_pipeline_in_one_piece(artefact: Artefact, tmp_path: Path) -> None:
    one = _patient(tmp_path)
    scored_sounds = artefact.detect([one])[0]
    model, pieces = load_model(DEFAULT), list[Scores]()
    pipeline = Pipeline(model, observe=pieces.append)
    samples = soundfile.read(one.path, dtype="float32")[0]
    events = pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_))) + pipeline.flush()
    assert [(e.label, e.onset, e.end, e.peak) for e in scored_sounds.events] == [
        (e.label, e.onset, e.end, e.peak) for e in events if e.kind == "end"
    ]
    assert len(scored_sounds.scored.scores) == len(samples) // model.score_hop_samples
    columns = [model.classes.index(c) for c in CLASSES]
    for piece in pieces:
        np.testing.assert_array_equal(
            scored_sounds.scored.scores[piece.start : piece.start + len(piece.values)], piece.values[:, columns]
        )


def test_an_event_is_confirmed_after_its_lookahead_and_within_two_chunks(artefact: Artefact, tmp_path: Path) -> None:
    model = load_model(DEFAULT)
    hop_s = model.spec.hop_samples / model.rate_hz
    ahead_s = model.chunk.lookahead_frames * hop_s
    scored_sounds = artefact.detect([_patient(tmp_path)])[0]
    assert scored_sounds.events
    for event, at in zip(scored_sounds.events, scored_sounds.confirmed_s, strict=True):
        confirm_s = min(g.confirm_frames for g in model.groups) * artefact.detection.frame_s
        assert at >= event.onset / model.rate_hz + confirm_s + ahead_s
        assert at <= (event.end or 0) / model.rate_hz + ahead_s + 2 * model.chunk.chunk_frames * hop_s + 0.5


def test_another_rate_is_heard_at_the_models(artefact: Artefact, tmp_path: Path) -> None:
    scored_sounds = artefact.detect([_patient(tmp_path, rate_hz=16000)])[0]
    assert len(scored_sounds.scored.scores) == pytest.approx(12.0 / artefact.detection.frame_s, abs=1)
    assert scored_sounds.events


def test_an_artefact_without_answers_for_clips_says_so(tmp_path: Path) -> None:
    graph = onnx.load_from_string(DEFAULT.read_bytes())
    stored = [(p.key, p.value) for p in graph.metadata_props if p.key not in ("laennec.tasks", "laennec.seal")]
    del graph.metadata_props[:]
    for key, value in stored:
        graph.metadata_props.add(key=key, value=value)
    path = tmp_path / "streams.onnx"
    path.write_bytes(seal(graph.SerializeToString()))
    with pytest.raises(ConfigError, match=r"TASK=1-1: .*streams\.onnx does not say .* answers `streaming` only"):
        Artefact(path).predict(TASKS["1-1"], [])


@pytest.mark.parametrize("name", ["1-1", "1-2", "2-1", "2-2"])
def test_the_default_artefact_answers_the_official_tasks(artefact: Artefact, tmp_path: Path, name: str) -> None:
    recording = _patient(tmp_path)
    whole = Clip(recording, 0.0, None, "Normal", 0)
    pieces = [Clip(recording, start, start + 1.5, "Normal", i) for i, start in enumerate((0.5, 3.0, 10.4, 6.0))]
    task = TASKS[name]
    clips = pieces if task.unit == "event" else [whole]
    answered = artefact.predict(task, clips)
    assert answered.shape == (len(clips), len(task.labels))
    np.testing.assert_allclose(answered.sum(1), 1, atol=1e-4)
    np.testing.assert_array_equal(artefact.predict(task, clips[::-1])[::-1], answered)  # each alone, in any order
    assert artefact.offsets(task).shape == (len(task.labels),)


def test_what_lies_around_a_clip_is_not_heard(artefact: Artefact, tmp_path: Path) -> None:
    recording = _patient(tmp_path)
    samples, rate_hz = soundfile.read(recording.path, dtype="float32")
    clip = Clip(recording, 3.0, 4.5, "Normal", 0)
    before = artefact.predict(TASKS["1-2"], [clip])
    samples[: 3 * rate_hz], samples[round(4.5 * rate_hz) :] = 0.3, -0.3
    soundfile.write(recording.path, samples, rate_hz)
    np.testing.assert_array_equal(artefact.predict(TASKS["1-2"], [clip]), before)


def test_what_lies_at_a_path_decides_how_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.onnx").write_bytes(DEFAULT.read_bytes())
    assert isinstance(load_predictor(DEFAULT), StreamDetector)
    assert isinstance(load_predictor(tmp_path / "run"), Artefact)


def test_a_damaged_artefact_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(DEFAULT.read_bytes()[:-1000])
    with pytest.raises(ModelError, match=r"broken\.onnx"):
        load_predictor(path)


@pytest.mark.parametrize(("name", "found"), [("nothing", "found nothing"), ("empty", "found a folder without them")])
def test_a_path_without_a_model_says_what_was_expected(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=rf"MODEL=.*{name}: expected an artefact .* or the folder of a run .*{found}"):
        load_predictor(tmp_path / name)


def test_a_training_that_was_not_exported_says_how_it_is(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"model\.onnx is missing; `python -m export --checkpoint \S+ --out"):
        load_predictor(tmp_path)
