"""Behind a hole that is long an event needs more, for a second, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from edge.artefact.specs import ChunkSpec
from edge.detector.chunks import Chunks
from edge.detector.gap_penalty import PENALTY, GapPenalty, gap_penalty
from edge.features import FeatureSpec, Mel
from edge.types import Frames

# Frames each 8 ms that touch 16 ms: 60 ms of lost sound are in nine or ten of them. A second is 125 frames.
FEATURES = FeatureSpec(hop_samples=64, analysis=Mel(windows_samples=(128,), fft_size=256))
SPEC = ChunkSpec(chunk_frames=10, lookahead_frames=20, score_frames=5)
HOLE, NEAR = 11, 125


@pytest.mark.parametrize(
    ("lost", "asked"),
    [
        ("........", "........"),
        ("xx......", "........"),
        ("...xx...", "........"),
        ("...xxx..", ".....111"),
        ("xxx.....", "..111..."),
        ("xxxxx...", "..11111."),
        ("xxx.xx..", "..111..."),
        (".xxx.xxx", "...111.1"),
    ],
)
def test_three_frames_are_a_hole_and_two_behind_it_are_near(lost: str, asked: str) -> None:
    penalty = gap_penalty(np.array([c == "x" for c in lost]), hole_frames=3, near_frames=2)
    assert penalty.tolist() == [PENALTY * (c == "1") for c in asked]


def _asked(lost: set[int], start: int = 0, stop: int = 400) -> list[int]:
    """Score frames of a stream in which an event needs more to begin."""
    frames = np.arange(start, stop)
    cutter, penalty = Chunks(SPEC, 1), GapPenalty(FEATURES, SPEC)
    valid = np.array([frame not in lost for frame in frames], np.bool_)
    chunks = cutter.push(Frames(start, np.zeros((len(frames), 1), np.float32), valid)) + cutter.flush()
    found = [(chunk.start - SPEC.lookahead_frames, penalty.push(chunk).tolist()) for chunk in chunks]
    return [first // SPEC.score_frames + t for first, row in found for t in range(SPEC.scores) if row[t] == PENALTY]


def test_a_hole_of_more_than_sixty_milliseconds_costs_for_a_second() -> None:
    lost = set(range(100, 100 + HOLE))
    # The hole is as long as it must be with frame 110; the last that is near to it is 110 + 125
    assert _asked(lost) == list(range(110 // 5, (110 + NEAR) // 5 + 1))
    assert _asked(set(range(100, 100 + HOLE - 1))) == []


def test_holes_that_are_short_cost_nothing_however_many_they_are() -> None:
    assert _asked({frame for first in range(0, 400, HOLE) for frame in range(first, first + HOLE - 1)}) == []


def test_what_lies_before_the_stream_was_not_lost() -> None:
    assert _asked(set(), start=57) == []
    assert _asked(set(range(150))) == []
    assert _asked({*range(150), *range(170, 190)})[0] == 180 // 5


def test_a_silence_after_which_the_model_starts_anew_is_a_hole() -> None:
    assert _asked(set(range(50, 1000)), stop=1200)[-1] == (999 + NEAR) // 5


def test_after_a_reset_nothing_was_lost() -> None:
    penalty, cutter = GapPenalty(FEATURES, SPEC), Chunks(SPEC, 1)
    valid = np.array([not 20 <= frame < 60 for frame in range(100)], np.bool_)
    chunks = cutter.push(Frames(0, np.zeros((100, 1), np.float32), valid))
    assert any(penalty.push(chunk).any() for chunk in chunks)
    penalty.reset()
    assert not penalty.push(chunks[-1]).any()
