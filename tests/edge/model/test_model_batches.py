"""Chunks of many streams in one call of the graph: what each would have said alone, whoever is beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.model.model import DEFAULT_PATH, MAX_BATCH, Model, load_model
from edge.types import Chunk, Scores
from tests.edge.small_graph import chunk_batch, small_model

SAME = 1e-5  # largest difference of a score in a batch


@pytest.fixture(scope="module", params=["default", "default.cpu-int8"])
def model(request: pytest.FixtureRequest) -> Model:
    """A released artefact that onnxruntime runs."""
    return load_model(DEFAULT_PATH.with_name(f"{request.param}.onnx"))


def _chunks(model: Model, count: int, seed: int = 0) -> list[Chunk]:
    """Chunks of as many streams, some frames of them lost."""
    rng, length = np.random.default_rng(seed), model.chunk.chunk_frames
    valid = np.repeat(rng.random((count, length // 4)) < 0.9, 4, axis=1)
    values = rng.normal(0, 1, (count, length, model.spec.width)).astype(np.float32) * valid[:, :, None]
    return [Chunk(length * i, values[i], valid[i], np.roll(valid[i], 8), restart=i % 5 == 4) for i in range(count)]


def _states(model: Model, chunks: list[Chunk]) -> list[NDArray[np.float32]]:
    """What streams remember that heard one chunk."""
    return [model.score(chunk, model.new_state())[1] for chunk in chunks]


def _is_same(one: Scores, other: Scores) -> bool:
    if (one.start, one.valid.tolist()) != (other.start, other.valid.tolist()):
        return False
    return bool(np.allclose(one.values, other.values, rtol=0, atol=SAME))


@pytest.mark.parametrize("count", [2, 7, MAX_BATCH])
def test_chunks_heard_together_have_the_scores_that_each_has_alone(model: Model, count: int) -> None:
    chunks = _chunks(model, count)
    states = _states(model, _chunks(model, count, seed=1))
    together = model.score_many(chunks, states)
    for chunk, state, (scores, after) in zip(chunks, states, together, strict=True):
        expected, expected_after = model.score(chunk, state)
        assert _is_same(scores, expected)
        np.testing.assert_allclose(after, expected_after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("where", ["frames", "state"])
def test_one_stream_with_numbers_that_are_none_leaves_the_others_as_they_are(
    model: Model, poison: float, where: str
) -> None:
    chunks = [replace(chunk, restart=False) for chunk in _chunks(model, 5)]
    states = _states(model, chunks)
    expected = [model.score(chunk, state) for chunk, state in zip(chunks, states, strict=True)]
    if where == "frames":
        chunks[2].values[:, ::3] = poison
    else:
        states[2][:] = poison
    found = model.score_many(chunks, states)
    assert all(_is_same(found[i][0], expected[i][0]) for i in (0, 1, 3, 4))
    assert all(np.isfinite(found[i][1]).all() for i in (0, 1, 3, 4))
    assert np.isfinite(found[2][0].values).all()


def test_a_stream_that_begins_anew_in_a_batch_forgets_its_own_state_alone() -> None:
    model = small_model()
    frames, valid, states = chunk_batch(2)
    chunks = [Chunk(4, frames[i], valid[i] > 0, np.ones(4, np.bool_), restart=i == 1) for i in range(2)]
    (_, stored), (_, begun) = model.score_many(chunks, list(states))
    assert np.array_equal(stored, model.score(chunks[0], states[0])[1])
    assert np.array_equal(begun, model.score(chunks[1], model.new_state())[1])
    assert not np.array_equal(begun, model.score(replace(chunks[1], restart=False), states[1])[1])


def test_the_state_of_a_stream_keeps_the_memory_of_no_other() -> None:
    model = small_model()
    frames, valid, states = chunk_batch(3)
    chunks = [Chunk(4, frames[i], valid[i] > 0, np.ones(4, np.bool_)) for i in range(3)]
    assert all(after.base is None for _, after in model.score_many(chunks, list(states)))


def test_no_chunk_is_no_call_and_too_many_are_refused() -> None:
    model = small_model()
    frames, valid, states = chunk_batch(MAX_BATCH + 1)
    chunks = [Chunk(4, frames[i], valid[i] > 0, np.ones(4, np.bool_)) for i in range(MAX_BATCH + 1)]
    assert model.score_many([], []) == []
    with pytest.raises(ValueError, match="at most 16 chunks and a state for each, found 17 chunks"):
        model.score_many(chunks, list(states))
    with pytest.raises(ValueError, match="a state for each, found 2 chunks"):
        model.score_many(chunks[:2], list(states[:1]))
