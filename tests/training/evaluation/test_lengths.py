"""Clips and recordings of every length get a distribution over the labels, from every kind of model that is judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from edge.features import FrontEnd
from edge.model.backends.onnx import OnnxBackend
from edge.model.model import load_model
from export.streams import Sound, of_backend
from tests.training.detector.edge import RECIPE
from training.datasets import Recording
from training.detector.inference import clip_answers
from training.detector.model import Detector
from training.evaluation.artefact import Artefact
from training.frames import extract
from training.metrics.predictions import ask
from training.tasks import CLIP_LABELS, TASKS, Clip

DEFAULT = Path(__file__).parents[3] / "edge" / "models" / "default.onnx"
RATE_HZ = 8000
TINY_S = (1 / RATE_HZ, 0.008, 0.03, 0.064, 0.126)  # from one sample; less than one score frame; the shortest annotated
WHOLE_CHUNKS_S = (0.472, 0.48, 0.488, 4.792, 4.8, 4.808)  # a frame of 8 ms to either side of some chunks
LONG_S = (7.2, 12.0)


@pytest.fixture(scope="module")
def artefact() -> Artefact:
    return Artefact(DEFAULT)


def _two_minds(seconds: float) -> NDArray[np.float32]:
    """A wheeze, then breath noise."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(1).normal(0, 0.01, len(time_s))
    wheeze = 0.1 * np.sin(2 * np.pi * 400 * time_s) * (time_s < seconds / 3)
    return (noise + wheeze).astype(np.float32)


def _recording(folder: Path, sound: NDArray[np.float32], dataset: str = "sprsound") -> Recording:
    path = folder / "p1.wav"
    soundfile.write(path, sound, RATE_HZ, subtype="FLOAT")
    return Recording(path, "p1", "Normal", (), dataset=dataset, split="inter", duration_s=len(sound) / RATE_HZ)


@pytest.mark.parametrize("name", [name for name, task in TASKS.items() if task.unit == "event"])
def test_clips_of_every_length_are_answered_by_the_artefact(artefact: Artefact, tmp_path: Path, name: str) -> None:
    task, recording = TASKS[name], _recording(tmp_path, _two_minds(12.0), TASKS[name].dataset)
    lengths = (*TINY_S, *WHOLE_CHUNKS_S, *LONG_S)
    clips = [Clip(recording, 0.0, seconds, "Normal", i) for i, seconds in enumerate(lengths)]
    clips.append(Clip(recording, 12.0, 12.04, "Normal", len(clips)))  # annotations may end 50 ms late
    answered = ask(artefact, task, clips).probabilities
    np.testing.assert_allclose(answered.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["2-1", "2-2"])
def test_recordings_of_every_length_are_answered_by_the_artefact(artefact: Artefact, tmp_path: Path, name: str) -> None:
    for seconds in (*TINY_S, 4.8, 12.0, 30.0):
        recording = _recording(tmp_path, _two_minds(seconds))
        answered = ask(artefact, TASKS[name], [Clip(recording, 0.0, None, "Normal", 0)]).probabilities
        np.testing.assert_allclose(answered.sum(1), 1, atol=1e-5)


def test_a_clip_of_any_length_is_one_stream_as_the_edge_hears_it(artefact: Artefact, tmp_path: Path) -> None:
    sound, clip = _two_minds(6.5), Clip(_recording(tmp_path, _two_minds(6.5)), 0.0, 6.5, "Normal", 0)
    model = load_model(DEFAULT)
    frames = extract(sound, FrontEnd(model.spec))
    backend = OnnxBackend(DEFAULT.read_bytes())
    (scored,) = of_backend(backend, model.chunk).score([Sound.whole(frames)])
    answered = artefact.predict(TASKS["1-2"], [clip])[0]
    columns = [CLIP_LABELS.index(label) for label in TASKS["1-2"].labels]
    np.testing.assert_allclose(answered, np.exp(scored.clip)[columns], atol=1e-6)


@pytest.mark.parametrize("frames", [0, 1, 3, 4, 79, 80, 81, 119, 120, 121, 160, 200])
def test_a_network_in_training_answers_clips_of_every_length(frames: int) -> None:
    torch.manual_seed(0)
    detector = Detector(RECIPE.network).eval()
    with torch.no_grad():
        detector.clip_head[-1].weight.mul_(300)
    clip = np.random.default_rng(0).normal(0, 3, (frames, RECIPE.features.width)).astype(np.float16)
    clip[frames // 2 :] *= 0
    answered = clip_answers(detector, [clip])[0]
    assert np.exp(answered.astype(np.float64)).sum() == pytest.approx(1, abs=1e-5)
