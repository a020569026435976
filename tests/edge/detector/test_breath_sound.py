"""Scores and levels of the same moment stand side by side, whatever the lookahead and the gain."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from edge.detector.breath_sound import BreathSounds, band_weights
from edge.detector.pipeline import Pipeline
from edge.features import Cwt, FeatureSpec, Gammatone
from edge.model.model import load_model
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, BreathSound


def _output_of(samples: np.ndarray, start: int = 0, piece: int = 10**9) -> list[BreathSound]:
    model = load_model()
    sounds, pipeline, found = BreathSounds(model), Pipeline(model), []
    pipeline.follow = lambda chunk, scores, verdict: found.append(sounds.push(chunk, scores, verdict.fault))
    for at in range(0, len(samples), piece):
        part = samples[at : at + piece]
        pipeline.push(Block(start + at, part, np.ones(len(part), np.bool_)))
    pipeline.flush()
    return [each for each in found if len(each.usable)]


@pytest.fixture(scope="module")
def demo() -> np.ndarray:
    samples, _ = soundfile.read(DEMO_AUDIO, dtype="float32")
    return np.asarray(samples[: 8000 * 20], np.float32)


def _joined(parts: list[BreathSound]) -> np.ndarray:
    return np.concatenate([np.stack([p.score, p.level_db, p.usable], axis=1) for p in parts])


def test_a_loud_second_is_loud_in_its_own_frames() -> None:
    quiet = 1e-3 * np.random.default_rng(0).normal(size=8000 * 12).astype(np.float32)
    quiet[8000 * 6 : 8000 * 7] *= 30
    found = _output_of(quiet)
    level_db = np.concatenate([part.level_db for part in found])
    first = round(6 / 0.032) - found[0].start
    inside = level_db[first + 2 : first + 29]
    outside = np.delete(level_db, np.arange(first - 4, first + 37))[8:-30]
    assert inside.min() > outside.max() + 20


def test_any_cut_gives_the_same_frames(demo: np.ndarray) -> None:
    assert np.array_equal(_joined(_output_of(demo)), _joined(_output_of(demo, piece=777)))


def test_a_gain_of_the_stream_is_no_breath() -> None:
    loud = 0.05 * np.random.default_rng(0).normal(size=8000 * 20).astype(np.float32)
    usual, faint = _joined(_output_of(loud)), _joined(_output_of(loud * np.float32(0.01)))
    assert np.median((usual - faint)[100:500, 1]) == pytest.approx(40.0, abs=0.3)


def test_bands_are_those_of_breath_in_every_analysis() -> None:
    for spec in (FeatureSpec(), FeatureSpec(analysis=Gammatone()), FeatureSpec(analysis=Cwt()), FeatureSpec(deltas=1)):
        weights = band_weights(spec)
        assert weights.shape == (spec.width,)
        assert weights.sum() == pytest.approx(1.0, abs=1e-5)
        assert weights[0] == 0
        assert not weights[spec.levels :].any()
