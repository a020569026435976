"""The reference of a training: patients that are left out lie outside it once in a hundred, at most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge.detector.training_domain import reasons
from edge.features import FeatureSpec, FrontEnd
from edge.features.spec import PCEN
from training.datasets import Recording
from training.detector.known_sound import FEWEST, GAIN_REACH, OUTSIDE, known_sound, margins, measure
from training.frames import extract

SPEC = FeatureSpec()
SIGMA_DB = 5.0  # of the levels of the patients
MEDIAN_DB = -50.0
SCORES = arrays(np.float64, st.tuples(st.integers(1, 400), st.just(3)), elements=st.floats(0, 50))
Frames = list[NDArray[np.float32]]


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Recording], Frames]:
    """200 recordings of 100 patients: 6 s of white noise whose level is the patient's."""
    rng = np.random.default_rng(0)
    sounds = rng.standard_normal((200, 6 * SPEC.rate_hz)).astype(np.float32)
    levels_db = np.repeat(rng.normal(MEDIAN_DB, SIGMA_DB, 100), 2)
    front_end = FrontEnd(SPEC)
    frames = [extract(s * np.float32(10 ** (x / 20)), front_end) for s, x in zip(sounds, levels_db, strict=True)]
    return [Recording(Path(f"{i}.wav"), f"p{i // 2}", "Normal", ()) for i in range(200)], frames


def _folds(recordings: list[Recording]) -> dict[str, int]:
    return {r.patient: int(r.patient[1:]) % 5 for r in recordings}


def test_the_reference_holds_what_the_patients_are_like(drawn: tuple[list[Recording], Frames]) -> None:
    recordings, frames = drawn
    known = known_sound(recordings, frames, SPEC, 4.0, _folds(recordings))
    assert known is not None
    assert (known.recordings, known.patients) == (200, 100)
    assert known.gain_db == (-4.0 * GAIN_REACH, 4.0 * GAIN_REACH)
    low, middle, high = known.level_db
    assert middle == pytest.approx(MEDIAN_DB - 2, abs=1.5)  # 50 to 2500 of 4000 Hz
    assert high - low == pytest.approx(2 * 2.33 * SIGMA_DB, rel=0.25)
    outside = [r for r, f in zip(recordings, frames, strict=True) if reasons(measure(f, SPEC), known, SPEC)]
    assert len(outside) <= OUTSIDE * len(recordings)


def test_negatives_synthetic_patients_and_short_recordings_are_left_out(
    drawn: tuple[list[Recording], Frames],
) -> None:
    recordings, frames = drawn[0].copy(), [f + 3.0 if i >= 150 else f for i, f in enumerate(drawn[1])]
    recordings[150:] = [replace(r, is_negative=True) for r in recordings[150:]]
    recordings[140:150] = [replace(r, is_synthetic=True) for r in recordings[140:150]]
    frames[130:140] = [f[:300] for f in frames[130:140]]
    known = known_sound(recordings, frames, SPEC, 0.0, _folds(recordings))
    alone = known_sound(recordings[:130], frames[:130], SPEC, 0.0, _folds(recordings))
    assert known is not None
    assert known.recordings == 130
    assert known == alone


def test_too_few_recordings_and_frames_without_levels_give_no_reference(
    drawn: tuple[list[Recording], Frames],
) -> None:
    recordings, frames = drawn
    few = slice(0, FEWEST - 1)
    assert known_sound(recordings[few], frames[few], SPEC, 5.0, _folds(recordings)) is None
    assert known_sound(recordings, frames, PCEN, 5.0, _folds(recordings)) is None


@given(SCORES)
def test_margins_let_one_in_a_hundred_out_at_most_and_no_margin_is_in_vain(scores: NDArray[np.float64]) -> None:
    found = np.array(margins(scores))
    allowed = int(OUTSIDE * len(scores))
    assert (scores > found).any(axis=1).sum() <= allowed
    assert np.all(found <= np.ceil(10 * scores.max(axis=0)) / 10 + 1e-9)


def test_margins_are_shared_out_evenly() -> None:
    scores = np.zeros((600, 3))
    for column in range(3):
        scores[10 * column : 10 * column + 10, column] = np.arange(10, 0, -1)
    assert margins(scores) == (8.0, 8.0, 8.0)
