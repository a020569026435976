"""Sound as columns: what is where it was, how loud it was, and nothing where nothing was heard."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features import FeatureSpec, FrontEnd, Gammatone, Log, Mel
from edge.features.logmel import mel_edges_hz
from edge.model.specs import ChunkSpec
from edge.node.live_messages import LOWEST_DB, STEP_DB
from edge.node.spectrogram_tiles import MelColumns
from edge.types import Block

SPEC = FeatureSpec(
    hop_samples=64,
    bands=48,
    high_hz=2000.0,
    analysis=Mel(windows_samples=(512, 128)),
    compression=Log(floor=-105.0),
    offset=(-75.0,),
    scale=(20.0,),
)
CHUNK = ChunkSpec(chunk_frames=60, lookahead_frames=100, score_frames=4)
RATE_HZ, COLUMN, FRAMES = 8000, 256, 4


def block(samples: NDArray[np.float64], start: int = 0) -> Block:
    return Block(start, samples.astype(np.float32), np.ones(len(samples), np.bool_))


def breath(seconds: float = 3.0) -> NDArray[np.float64]:
    noise = np.random.default_rng(7).standard_normal(round(seconds * RATE_HZ))
    return noise * 10 ** (-2 - np.sin(np.arange(len(noise)) / RATE_HZ * 2))  # -60 to -20 dB


def decibels(mel: NDArray[np.uint8]) -> NDArray[np.float64]:
    return LOWEST_DB + (mel.astype(float) - 1) * STEP_DB


def test_columns_are_the_models_own_log_mel_to_half_a_step() -> None:
    sound = breath()
    (frames,) = FrontEnd(SPEC).push(block(sound))
    long_window = frames.values[:, : SPEC.bands] * 20.0 - 75.0
    count = len(sound) // COLUMN - 2
    # Window of 512: frame t is centred at 64 t + 256, which lies in column 1 for t = 0, 1, 2, 3.
    expected = long_window[: count * FRAMES].reshape(count, FRAMES, SPEC.bands).max(axis=1)
    found = decibels(MelColumns(SPEC, CHUNK).of([block(sound)], 1, count))
    assert found.shape == expected.shape
    assert np.abs(found - np.maximum(expected, LOWEST_DB)).max() <= STEP_DB / 2 + 1e-4


def test_a_tone_has_its_level_in_its_band() -> None:
    columns = MelColumns(SPEC, CHUNK)
    centres_hz = mel_edges_hz(columns.spec)[1:-1]
    at_s = np.arange(RATE_HZ) / RATE_HZ
    for band in (5, 20, 40):
        tone = 0.1 * np.sin(2 * np.pi * 31.25 * round(centres_hz[band] / 31.25) * at_s)  # on a bin of the transform
        levels_db = decibels(columns.of([block(tone)], 5, 10))
        assert set(levels_db.argmax(axis=1)) <= {band - 1, band, band + 1}
        assert np.abs(levels_db.max(axis=1) + 20.0).max() < 3.0  # -20 dBFS, less where it is not at the centre
    assert (columns.lowest_hz, columns.highest_hz) == (centres_hz[0], centres_hz[-1])


@pytest.mark.parametrize("start", [0, 2**31 - 512, 2**32 - 256, 2**40])
@pytest.mark.parametrize("at", [2560, 2560 + 128, 2560 + 255, 5000, 7777])
def test_a_click_is_loudest_in_the_column_that_holds_its_sample(start: int, at: int) -> None:
    sound = np.zeros(RATE_HZ + 2000)
    sound[at] = 1.0
    first = start // COLUMN
    levels = MelColumns(SPEC, CHUNK).of([block(sound, start)], first, RATE_HZ // COLUMN + 3)
    loudness = decibels(levels).mean(axis=1)
    frame_reach = 64 / COLUMN / 2  # a click may be nearest to the frame just across the border of its column
    found = int(loudness.argmax())
    assert abs(found + 0.5 - at / COLUMN) <= 0.5 + frame_reach
    assert loudness[found] > LOWEST_DB + 30 > loudness[[0, -1]].max()


def test_lost_sound_is_no_silence() -> None:
    sound, columns = breath(), MelColumns(SPEC, CHUNK)
    whole = columns.of([block(sound)], 1, 60)
    lost = slice(8000, 8400)
    masked = block(sound)
    masked.valid[lost] = False
    silent = sound.copy()
    silent[lost] = 0.0
    # A column is made of the samples from 256 before it to 192 + 256 behind its begin.
    first = np.arange(1, 61) * COLUMN
    touches = (first - 256 < lost.stop) & (first + 448 > lost.start)
    for blocks in ([masked], [block(sound[: lost.start]), block(sound[lost.stop :], lost.stop)]):
        found = columns.of(blocks, 1, 60)
        assert (found[touches] == 0).all()
        assert (found[~touches] == whole[~touches]).all()
        assert (found[~touches] > 0).all()
    assert (columns.of([block(silent)], 1, 60) > 0).all()
    assert 1 < touches.sum() < 6


def test_what_did_not_come_yet_or_never_is_not_heard() -> None:
    sound, columns = breath(1.0), MelColumns(SPEC, CHUNK)
    found = columns.of([block(sound, 512)], 0, 40)
    assert (found.max(axis=1) > 0).tolist() == [k >= 3 and 512 + len(sound) >= k * COLUMN + 448 for k in range(40)]
    assert (columns.of([], 3, 4) == 0).all()
    loud = block(sound)
    loud.samples[4000] = np.inf
    assert (columns.of([loud], 4000 // COLUMN, 1) == 0).all()


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 23_999), max_size=8), first=st.integers(0, 80), count=st.integers(1, 30))
def test_any_cut_of_the_sound_and_of_the_stretches_gives_the_same_columns(
    cuts: list[int], first: int, count: int
) -> None:
    sound, columns = breath(), MelColumns(SPEC, CHUNK)
    whole = columns.of([block(sound)], 0, 120)
    edges = [0, *sorted(set(cuts)), len(sound)]
    pieces = [block(sound[a:b], a) for a, b in pairwise(edges)]
    assert (columns.of(pieces, first, count) == whole[first : first + count]).all()


def test_a_stretch_needs_no_sample_before_the_first_that_it_names_and_none_is_too_many() -> None:
    sound, columns = breath(), MelColumns(SPEC, CHUNK)
    whole, first = columns.of([block(sound)], 10, 5), columns.first_sample(10)
    assert (columns.of([block(sound[first:], first)], 10, 5) == whole).all()
    assert (columns.of([block(sound[first + 1 :], first + 1)], 10, 5)[0] == 0).all()
    for sample in (0, 1, 255, 256, 257, 2**33 + 5):
        column = columns.column_after(sample)
        assert columns.first_sample(column) >= sample > columns.first_sample(column - 1)


def test_a_model_that_hears_no_mel_has_pictures_too() -> None:
    columns = MelColumns(FeatureSpec(hop_samples=64, analysis=Gammatone()), CHUNK)
    levels = columns.of([block(breath())], 2, 20)
    assert (levels > 0).all()
    assert columns.samples == COLUMN
