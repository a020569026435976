"""What the model remembers of a stream: nothing but what was heard since it began, and nothing that is no number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.chunks import RESTART_FRAMES
from edge.detector.concealment import Concealment
from edge.detector.pipeline import Pipeline
from edge.model.model import Model
from edge.types import Block, Event, Scores
from tests.edge.small_graph import CHUNK, SPEC, small_model

HOP = SPEC.hop_samples
CHUNK_SAMPLES = CHUNK["chunk_frames"] * HOP  # 256
LONG = RESTART_FRAMES * HOP  # samples, whole chunks; after a longer silence the model starts anew


@pytest.fixture(scope="module")
def model() -> Model:
    return small_model()


def _noise(count: int, level: float = 1e-3, seed: int = 0) -> NDArray[np.float32]:
    """Frames with levels of -5 or so by default; those of 0.5 are at 50, more than the model's numbers bear."""
    return np.random.default_rng(seed).normal(0, level, count).astype(np.float32)


def _run(model: Model, *blocks: Block) -> tuple[list[Event], dict[int, tuple[float, bool]]]:
    """Events, and the first score and the validity of each score frame."""
    scores: list[Scores] = []
    pipeline = Pipeline(model, observe=scores.append)
    events = [event for block in blocks for event in pipeline.push(block)] + pipeline.flush()
    return events, _by_frame(scores)


def _by_frame(scores: list[Scores]) -> dict[int, tuple[float, bool]]:
    frames = [(s.start + t, (float(s.values[t, 0]), bool(s.valid[t]))) for s in scores for t in range(len(s.valid))]
    assert len({frame for frame, _ in frames}) == len(frames)
    return dict(frames)


def _block(samples: NDArray[np.float32], start: int = 0) -> Block:
    return Block(start, samples, np.ones(len(samples), np.bool_))


@settings(deadline=None, max_examples=25)
@given(
    start=st.sampled_from([0, 7, 2**31 - 4_000, 2**32 - 4_001]),
    cuts=st.lists(st.integers(0, 16_000), max_size=20),
    lost=st.lists(st.tuples(st.integers(0, 16_000), st.integers(1, 900) | st.integers(1, 12_000)), max_size=4),
)
def test_any_cut_of_the_sound_gives_the_same_bits_and_decides_each_score_frame_once(
    model: Model, start: int, cuts: list[int], lost: list[tuple[int, int]]
) -> None:
    samples, valid = _noise(16_000), np.ones(16_000, np.bool_)
    for first, count in lost:
        valid[first : first + count] = False
    edges = [0, *sorted(cuts), len(samples)]
    pieces = [Block(start + a, samples[a:b], valid[a:b]) for a, b in pairwise(edges)]
    whole = _run(model, Block(start, samples, valid))
    assert _run(model, *pieces) == whole
    # A score frame of two frames can be judged when the samples that both touch are there, or concealed
    for block in Concealment(SPEC.rate_hz).push(Block(0, samples, valid)):
        valid[block.start : block.stop] = block.valid
    touched = [
        (2 * frame * HOP - start, (2 * frame + 1) * HOP + SPEC.ahead_samples - start)
        for frame in range(start // (2 * HOP), (start + 16_000) // (2 * HOP))
    ]
    can_be = [a // (2 * HOP) for a, b in touched if a >= 0 and b <= 16_000 and valid[a:b].all()]
    judged = [frame for frame, (_, is_valid) in whole[1].items() if is_valid]
    assert [(2 * HOP * frame - start) // (2 * HOP) for frame in judged] == can_be


def test_after_a_long_silence_the_model_remembers_nothing(model: Model) -> None:
    before, after = _noise(4000), _noise(4000, seed=1)
    for silence, forgets in ((LONG + 2 * CHUNK_SAMPLES, True), (LONG - 2 * CHUNK_SAMPLES, False)):
        start = -(-(len(before) + silence) // CHUNK_SAMPLES) * CHUNK_SAMPLES
        _, both = _run(model, _block(before), _block(after, start))
        _, alone = _run(model, _block(after, start))
        assert alone.keys() <= both.keys()
        assert all(both[frame] == alone[frame] for frame in alone) is forgets


def test_silence_that_is_heard_is_no_loss_before_it_is_called_a_dead_microphone(model: Model) -> None:
    _, scores = _run(model, _block(np.zeros(7 * 8000, np.float32)))
    assert all(valid for _, valid in scores.values())
    assert len(scores) == (7 * 8000 - SPEC.ahead_samples + HOP) // (2 * HOP)


def test_a_model_whose_numbers_overflow_starts_anew_and_what_it_had_heard_is_not_measurable(model: Model) -> None:
    samples = _noise(16_000)
    samples[81 * HOP : 84 * HOP] = _noise(3 * HOP, 0.5)  # touched by the frames 80 to 83, a chunk
    _, scores = _run(model, _block(samples))
    _, fresh = _run(model, _block(samples[84 * HOP :], 84 * HOP))
    judged = {frame: score for frame, score in scores.items() if score[1]}
    # That chunk decides 76 to 79 with numbers that are none; 80 to 83 were heard by what was forgotten
    assert [frame for frame in range(max(judged)) if frame not in judged] == [38, 39, 40, 41]
    assert {frame: score for frame, score in judged.items() if frame >= 42} == fresh


def test_after_a_reset_or_the_end_the_next_stream_knows_nothing_of_the_last(model: Model) -> None:
    sound = _block(_noise(4000))
    scores: list[Scores] = []
    pipeline = Pipeline(model, observe=scores.append)
    pipeline.push(_block(_noise(4000, 2e-3)))
    pipeline.reset()
    counts = [len(scores)]
    for _ in range(2):
        pipeline.push(sound)
        pipeline.flush()
        counts.append(len(scores))
    _, expected = _run(model, sound)
    for first, stop in pairwise(counts):
        assert _by_frame(scores[first:stop]) == expected
