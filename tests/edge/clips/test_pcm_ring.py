"""The memory of a stream: every sample at its index or marked as lost, for any cut, gap and index."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.clips.pcm_ring import LOST, PcmRing, gaps_in, to_block, to_pcm
from edge.types import Block

CAPACITY = 50
STARTS = st.sampled_from([0, 7, -30, 2**31 - 40, 2**32 - 40, 2**40])


def named(start: int, count: int) -> Block:
    """Samples that know their own index; each 13th is not valid."""
    index = start + np.arange(count)
    return Block(start, ((index % 1000) / 32768).astype(np.float32), index % 13 != 0)


def expected(start: int, stop: int, begin: int, gaps: list[tuple[int, int]]) -> NDArray[np.int16]:
    """What must be there, sample by sample."""
    lost = [i < begin or i % 13 == 0 or any(a <= i < b for a, b in gaps) for i in range(start, stop)]
    return np.array([LOST if is_lost else i % 1000 for i, is_lost in zip(range(start, stop), lost, strict=True)], "i2")


@given(STARTS, st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), min_size=1, max_size=12))
def test_any_cut_with_any_gaps_keeps_the_newest_samples_at_their_index(
    start: int, pieces: list[tuple[int, int]]
) -> None:
    ring, at, gaps, begin = PcmRing(CAPACITY), start, list[tuple[int, int]](), None
    for gap, count in pieces:
        if begin is None and count:
            begin = at + gap
        elif begin is not None:
            gaps.append((at, at + gap))
        at += gap
        ring.push(named(at, count))
        at += count
    if begin is None:
        assert ring.start == ring.stop
        return
    assert (ring.start, ring.stop) == (max(begin, at - CAPACITY), at)
    np.testing.assert_array_equal(ring.copy(ring.start, at), expected(ring.start, at, begin, gaps))
    middle = (ring.start + at) // 2
    np.testing.assert_array_equal(ring.copy(middle, at), expected(middle, at, begin, gaps))


def test_a_gap_is_marked_sample_by_sample() -> None:
    ring = PcmRing(8)
    ring.push(Block(100, np.array([0.25, -0.25], np.float32), np.ones(2, np.bool_)))
    ring.push(Block(104, np.array([0.5], np.float32), np.ones(1, np.bool_)))
    assert ring.copy(100, 105).tolist() == [8192, -8192, LOST, LOST, 16384]
    assert gaps_in(ring.copy(100, 105)) == [(2, 4)]


def test_a_gap_longer_than_the_memory_leaves_nothing_of_before() -> None:
    ring = PcmRing(8)
    ring.push(named(1, 8))
    ring.push(named(2**40 + 1, 3))
    assert ring.start == 2**40 - 4
    assert (ring.copy(ring.start, 2**40 + 1) == LOST).all()


def test_a_block_from_before_begins_anew() -> None:
    ring = PcmRing(8)
    ring.push(named(1000, 8))
    ring.push(named(1, 3))
    assert (ring.start, ring.stop) == (1, 4)
    assert ring.copy(1, 4).tolist() == [1, 2, 3]


@pytest.mark.parametrize("part", [(99, 101), (101, 109), (104, 103)])
def test_what_is_not_there_is_refused(part: tuple[int, int]) -> None:
    ring = PcmRing(8)
    ring.push(named(100, 8))
    with pytest.raises(ValueError, match="not within"):
        ring.copy(*part)


def test_16_bit_come_back_as_they_were_but_for_the_lowest_number() -> None:
    every = np.arange(-32768, 32768).astype(np.float32) / np.float32(32768)
    back = to_block(5, to_pcm(Block(5, every, np.ones(65536, np.bool_))))
    assert (back.start, bool(back.valid.all())) == (5, True)
    np.testing.assert_array_equal(back.samples[1:], every[1:])
    assert back.samples[0] == every[1]


def test_what_is_no_sound_is_lost_and_what_is_too_loud_is_full_scale() -> None:
    samples = np.array([np.nan, np.inf, -2e6, 3.0, -3.0], np.float32)
    assert to_pcm(Block(0, samples, np.ones(5, np.bool_))).tolist() == [LOST, LOST, LOST, 32767, -32767]
