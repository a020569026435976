"""A stream is heard at a level that the model knows: as it is, bit for bit, where it has one, else moved to it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.chunks import Chunks
from edge.detector.level import BEGIN_S, SLEW_DB_PER_S, STEP_S, LevelledChunks, gain_for, low_floor
from edge.detector.statistics import SoundStatistics, floor_db
from edge.features import FrontEnd
from edge.model.adaptation import LARGEST_BOOST_DB
from edge.model.training_domain import MOST_LOWERED_DB, MOST_RAISED_DB
from edge.types import Block, Chunk
from tests.edge.adapting import adaptation
from tests.edge.fakes import LoudnessModel
from tests.edge.knowing import RATE_HZ, block, known_noise, noise

KNOWN = known_noise(-42.0)  # -43 to -41 dBFS
IN_BANDS_DB = 10 * np.log10(2450 / 4000)  # of white noise
CHUNK_S = LoudnessModel.chunk.chunk_frames * LoudnessModel.spec.hop_samples / RATE_HZ


def _model() -> LoudnessModel:
    model = LoudnessModel()
    model.known = KNOWN
    return model


def _output_of(
    blocks: list[Block], equaliser_db: tuple[float, ...] | None = None, phase: int = 0, chunk_frames: int = 0
) -> list[Chunk]:
    given, model = None if equaliser_db is None else adaptation(equaliser_db=equaliser_db), _model()
    if chunk_frames:
        model.chunk = replace(model.chunk, chunk_frames=chunk_frames)
    chunks = LevelledChunks(model, given, phase)
    front_end = FrontEnd(chunks.spec)
    frames = [f for each in blocks for f in front_end.push(each)] + front_end.flush()
    return [chunk for f in frames for chunk in chunks.push(f)] + chunks.flush()


def _as_it_is(sound: Block) -> list[Chunk]:
    """What the model's own front-end and chunks make of it."""
    model = LoudnessModel()
    front_end, chunks = FrontEnd(model.spec), Chunks(model.chunk, model.spec.width)
    return [c for f in front_end.push(sound) + front_end.flush() for c in chunks.push(f)] + chunks.flush()


def _level_db(chunks: list[Chunk]) -> float:
    statistics = SoundStatistics(LoudnessModel.spec)
    for chunk in chunks:
        statistics.push(chunk.values, chunk.valid)
    return statistics.measured().level_db


def test_a_stream_of_a_known_level_is_heard_bit_for_bit_as_it_is() -> None:
    sound = np.concatenate([noise(-42.0 - IN_BANDS_DB, 4.0), np.zeros(RATE_HZ, np.float32), noise(-42.0, 3.0, seed=2)])
    lost = block(sound.astype(np.float32))
    lost.valid[RATE_HZ : RATE_HZ + 999] = False
    received, expected = _output_of([lost]), _as_it_is(lost)
    assert len(received) == len(expected) > 30
    for mine, usual in zip(received, expected, strict=True):
        assert (mine.gain_db, mine.start, mine.restart) == (0.0, usual.start, usual.restart)
        np.testing.assert_array_equal(mine.values, usual.values)
        np.testing.assert_array_equal(mine.valid, usual.valid)


@pytest.mark.parametrize(("added_db", "gain_db"), [(-25.0, 24.0), (20.0, -19.0), (-10.0, 9.0)])
def test_a_stream_is_brought_to_the_nearest_known_level(added_db: float, gain_db: float) -> None:
    received = _output_of([block(noise(-42.0 - IN_BANDS_DB + added_db, 12.0))])
    assert received[-1].gain_db == pytest.approx(gain_db, abs=0.7)
    assert _level_db(received[-20:]) == pytest.approx(-42.0 + np.sign(added_db), abs=0.7)


@pytest.mark.parametrize(
    ("level_db", "gain_db"),
    [
        (-43.0, 0.0),
        (-41.0, 0.0),
        (-53.0, 10.0),
        (-73.0, 30.0),
        (-88.0, 15.0),
        (-103.0, 0.0),
        (-150.0, 0.0),
        (-1.0, -40.0),
    ],
)
def test_silence_is_not_raised_and_what_cannot_be_reached_less_and_less(level_db: float, gain_db: float) -> None:
    assert gain_for(level_db, KNOWN) == pytest.approx(gain_db)
    assert -MOST_LOWERED_DB <= gain_for(level_db, KNOWN) <= MOST_RAISED_DB


def test_the_range_is_wider_while_little_was_measured() -> None:
    assert [gain_for(level_db, KNOWN, wider=1.0) for level_db in (-44.0, -45.0, -40.0, -38.0)] == [0.0, 1.0, 0.0, -2.0]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 40_000), max_size=8), st.sampled_from([0, 2**31 - 40_000, 2**32 - 40_001]))
def test_any_cut_of_the_sound_gives_the_same_chunks(cuts: list[int], start: int) -> None:
    sound = np.concatenate([noise(-65.0, 4.0), noise(-40.0, 3.0, seed=1), noise(-20.0, 3.0, seed=2)])
    edges = [0, *sorted(cuts), len(sound)]
    pieces = [block(sound[a:b], start + a) for a, b in pairwise(edges)]
    whole, cut = _output_of([block(sound, start)]), _output_of(pieces)
    assert [(c.start, c.gain_db) for c in cut] == [(c.start, c.gain_db) for c in whole]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(cut, whole, strict=True))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, LoudnessModel.chunk.scores - 1),
    st.integers(1, 14),
    st.integers(0, 60_000),
    st.sampled_from([11, 45]),
)
def test_any_phase_and_length_of_the_chunks_gives_the_same_frames(
    steps: int, scores: int, start: int, seconds: int
) -> None:
    sound = block(np.concatenate([noise(-65.0, 5.0), noise(-50.0, seconds, seed=1), noise(-20.0, 3.0, seed=2)]), start)
    usual: dict[int, NDArray[np.float32]] = {}
    shifted: dict[int, NDArray[np.float32]] = {}
    step = LoudnessModel.chunk.score_frames
    for phase, chunk_frames, frames in ((0, 0, usual), (steps * step, scores * step, shifted)):
        for chunk in _output_of([sound], phase=phase, chunk_frames=chunk_frames):
            for t in np.flatnonzero(chunk.valid):
                frames[chunk.start + int(t)] = chunk.values[t]
    assert usual.keys() == shifted.keys()
    assert all(np.array_equal(usual[t], shifted[t]) for t in usual)


def test_breaths_and_pauses_do_not_move_the_gain() -> None:
    breaths = np.concatenate([noise(-62.0 if k % 2 else -80.0, 1.5, seed=k) for k in range(1, 21)])
    gains = [chunk.gain_db for chunk in _output_of([block(breaths)])][round(10 / CHUNK_S) :]
    assert gains[0] > 15
    assert max(gains) - min(gains) < 1.5


def test_the_gain_follows_another_level_slowly_and_never_faster_than_is_said() -> None:
    sound = np.concatenate([noise(-42.0 - IN_BANDS_DB, 20.0), noise(-60.0 - IN_BANDS_DB, 60.0, seed=1)])
    gains = [chunk.gain_db for chunk in _output_of([block(sound)])]
    steps = np.abs(np.diff(gains[round(BEGIN_S / CHUNK_S) + 1 :]))
    assert steps.max() <= SLEW_DB_PER_S * STEP_S + 1e-5  # float32
    assert gains[round(20 / CHUNK_S)] == 0.0
    assert gains[-1] == pytest.approx(17.0, abs=0.7)


def test_a_stream_that_begins_anew_is_measured_anew() -> None:
    faint, loud = block(noise(-70.0, 12.0)), block(noise(-42.0 - IN_BANDS_DB, 12.0, seed=1), 40 * RATE_HZ)
    received = _output_of([faint, loud])
    after = [chunk for chunk in received if chunk.start * LoudnessModel.spec.hop_samples >= 39 * RATE_HZ]
    assert received[20].gain_db > 20
    assert after[0].restart
    assert {chunk.gain_db for chunk in after} == {0.0}


def test_faint_bands_are_not_lost_at_the_floor_before_they_are_raised() -> None:
    faint = noise(-72.0 - IN_BANDS_DB, 12.0)
    received, loud = _output_of([block(faint)])[-1], _as_it_is(block((faint * 10 ** (29 / 20)).astype(np.float32)))[-1]
    floor = floor_db(LoudnessModel.spec)
    assert floor_db(low_floor(LoudnessModel.spec)) == floor - MOST_RAISED_DB - LARGEST_BOOST_DB
    valid = received.valid & loud.valid
    np.testing.assert_allclose(
        received.values[valid], loud.values[valid], atol=0.05
    )  # 1 dB: the gain is not 29 to the bit


def test_an_equaliser_adds_its_decibels_in_the_middle_of_each_group() -> None:
    curve = (6.0, 0.0, -6.0, 0.0, 0.0, 3.0, -12.0, 0.0)
    sound = block(noise(-42.0 - IN_BANDS_DB, 6.0))
    usual, equalised = _as_it_is(sound), _output_of([sound], curve)
    spec, frames = LoudnessModel.spec, slice(5, 20)
    pairs = list(zip(equalised, usual, strict=True))[5:-5]
    db = [(e.values[frames] - u.values[frames]) * spec.scale[0] - e.gain_db for e, u in pairs]
    added_db = np.mean(db, axis=(0, 1))
    middles = (np.arange(8) + 0.5) * spec.bands / 8 - 0.5
    found: NDArray[np.float64] = np.interp(middles, np.arange(spec.bands), added_db)
    assert found == pytest.approx(np.array(curve), abs=1.0)
