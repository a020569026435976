"""The burden of real sound, heard by the bundled model in pieces, is the plain sum over its scores as one piece."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.detector.pipeline import Pipeline
from edge.model.model import Model, load_model
from edge.sources.file import FileSource
from edge.sources.file_search import DEMO_AUDIO
from edge.types import Block, Scores
from edge.ward.burden import Burden, Reading

PIECE = 1111  # samples


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(None)


def _sound(paths: list[Path], rate_hz: int) -> NDArray[np.float32]:
    """One recording after the other, as of one bed."""
    parts = []
    for path in paths:
        source = FileSource(path, rate_hz, pace=False)
        parts += [item.samples for item in source.blocks(threading.Event()) if isinstance(item, Block)]
        source.close()
    return np.concatenate(parts)


def _in_pieces(model: Model, samples: NDArray[np.float32]) -> list[Reading]:
    """What a bed says that hears pieces."""
    burden = Burden(model.groups, model.classes, model.score_hop_samples, model.rate_hz)
    readings: list[Reading] = []
    pipeline = Pipeline(model, observe=lambda scores: readings.extend(burden.push(scores)))
    for start in range(0, len(samples), PIECE):
        part = samples[start : start + PIECE]
        pipeline.push(Block(start, part, np.ones(len(part), np.bool_)))
    pipeline.flush()
    return readings


def _as_one(model: Model, samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T, C) all scores; nan where there is none."""
    found: list[Scores] = []
    pipeline = Pipeline(model, observe=found.append)
    pipeline.push(Block(0, samples, np.ones(len(samples), np.bool_)))
    pipeline.flush()
    values = np.full((len(samples) // model.score_hop_samples + 1, len(model.classes)), np.nan)
    for scores in found:
        values[scores.start : scores.start + len(scores.valid)][scores.valid] = scores.values[scores.valid]
    return values


def _check(model: Model, samples: NDArray[np.float32]) -> int:
    values, known = _as_one(model, samples), 0
    for reading in _in_pieces(model, samples):
        for window in reading.windows:
            frames = window.window_s * model.rate_hz // model.score_hop_samples
            part = values[max(reading.stop - frames, 0) : reading.stop]
            for group, of in zip(model.groups, window.groups, strict=True):
                sums = part[:, [model.classes.index(name) for name in group.classes]].sum(axis=1)
                received = sums[~np.isnan(sums)]
                assert window.coverage == pytest.approx(len(received) / frames, abs=1e-9)
                if of.s_per_min is not None:
                    assert of.s_per_min == pytest.approx(60 * received.mean(), abs=1e-6)
                    known += 1
    return known


def test_the_synthetic_patient_of_the_demo(model: Model) -> None:
    assert _check(model, _sound([DEMO_AUDIO], model.rate_hz)) == 12, "known from the 32nd second of 56 on"


def test_recordings_of_real_patients(model: Model, real_data: Path) -> None:
    paths = sorted((real_data / "sprsound" / "train").glob("*.flac"))[::250]
    assert _check(model, _sound(paths, model.rate_hz)) > 0
