"""Sounds side by side are heard as each alone, until the last of their frames is decided."""

from __future__ import annotations

import numpy as np
import pytest

from export.parity import ChunkNetwork, Sound, of_torch, padded
from tests.export.networks import RECIPE, small_scorer, small_sounds

CHUNK = RECIPE.chunk


@pytest.fixture(scope="module")
def network() -> ChunkNetwork:
    scorer = small_scorer()
    return of_torch(scorer, scorer.state_size, CHUNK)


def test_sounds_side_by_side_are_heard_as_each_alone_in_their_order(network: ChunkNetwork) -> None:
    sounds = small_sounds(5)
    together, apart = network.hear(sounds), [network.hear([sound])[0] for sound in sounds]
    assert [len(heard.scores) for heard in together] == [len(s.valid) // CHUNK.score_frames for s in sounds]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
        np.testing.assert_allclose(one.clip, other.clip, atol=1e-5)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 59, 60, 61, 240])
def test_every_whole_score_frame_of_any_length_is_decided(network: ChunkNetwork, length: int) -> None:
    sound = Sound.whole(np.ones((length, RECIPE.features.width), np.float16))
    frames, valid = padded([sound], CHUNK)
    assert frames.shape[1] % CHUNK.chunk_frames == 0
    assert length + CHUNK.lookahead_frames <= frames.shape[1] < length + CHUNK.lookahead_frames + CHUNK.chunk_frames
    assert valid.sum() == length
    (heard,) = network.hear([sound])
    assert len(heard.scores) == length // CHUNK.score_frames
    assert np.exp(heard.clip).sum() == pytest.approx(1, abs=1e-5)


def test_only_chunks_in_which_something_is_valid_are_given_and_they_hold_all_of_it(network: ChunkNetwork) -> None:
    sounds = small_sounds(3)
    found = list(network.inputs(sounds))
    for index, sound in enumerate(sounds):
        of_it = [given for whose, given in found if whose == index]
        assert all(given.valid.any() for given in of_it)
        assert sum(given.valid.sum() for given in of_it) == sound.valid.sum()
        assert not of_it[0].state.any()
        assert all(given.state.any() for given in of_it[1:])
