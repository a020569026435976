"""Sounds side by side are heard as each alone until their end; a sample is some of their chunks, with their states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.streams import EACH_FRAMES, ChunkNetwork, Sound, of_torch, padded, sample_of
from tests.export.networks import RECIPE, small_sample, small_scorer, small_sounds

CHUNK = RECIPE.chunk


@pytest.fixture(scope="module")
def network() -> ChunkNetwork:
    scorer = small_scorer()
    return of_torch(scorer, CHUNK)


def test_sounds_side_by_side_are_heard_as_each_alone_in_their_order(network: ChunkNetwork) -> None:
    sounds = small_sounds(5)
    together, apart = network.score(sounds), [network.score([sound])[0] for sound in sounds]
    assert [len(received.scores) for received in together] == [len(s.valid) // CHUNK.score_frames for s in sounds]
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
    (received,) = network.score([sound])
    assert len(received.scores) == length // CHUNK.score_frames
    assert np.exp(received.clip).sum() == pytest.approx(1, abs=1e-5)


def test_only_chunks_in_which_something_is_valid_are_given_and_they_hold_all_of_it(network: ChunkNetwork) -> None:
    sounds = small_sounds(3)
    found = list(network.inputs(sounds))
    for index, sound in enumerate(sounds):
        of_it = [given for whose, given in found if whose == index]
        assert all(given.valid.any() for given in of_it)
        assert sum(given.valid.sum() for given in of_it) == sound.valid.sum()
        assert not of_it[0].state.any()
        assert all(given.state.any() for given in of_it[1:])


def test_chunks_are_drawn_with_the_state_that_the_network_has_before_them() -> None:
    scorer, sound = small_scorer(), small_sounds(2)[1]
    network = of_torch(scorer, RECIPE.chunk)
    sample = sample_of(network, [sound], seed=0)
    each = EACH_FRAMES // RECIPE.chunk.chunk_frames
    assert len(sample) == each
    length, state, states = RECIPE.chunk.chunk_frames, torch.zeros(1, scorer.state_size), {}
    frames, valid = (torch.from_numpy(part) for part in padded([sound], RECIPE.chunk))
    for start in range(0, frames.shape[1], length):
        part = slice(start, start + length)
        states[frames[:, part].numpy().tobytes()] = state.numpy()
        with torch.no_grad():
            state = scorer(frames[:, part], valid[:, part], state)[2]
    for row in range(each):
        expected = states[sample.inputs.frames[row : row + 1].tobytes()]
        np.testing.assert_allclose(sample.inputs.state[row : row + 1], expected, atol=1e-5)


def test_a_sample_is_known_by_what_was_heard() -> None:
    one, again, other = small_sample(2), small_sample(2), small_sample(2, seed=5)
    assert one.record() == again.record() == {"chunks": len(one), "seed": one.seed, "sha256": one.sha256}
    assert other.sha256 != one.sha256
