"""The ring holds the newest samples under their absolute index, and splices nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ring import Ring
from edge.types import Block


def _block(start: int, count: int) -> Block:
    """Samples that know their own index."""
    index = start + np.arange(count)
    return Block(start, (index % 1000).astype(np.float32), index % 7 != 0)


@given(
    start=st.sampled_from([0, 5, 2**31 - 40, 2**32 - 40, 2**40]),
    counts=st.lists(st.integers(0, 64), min_size=1, max_size=12),
)
def test_what_is_read_is_what_was_written_at_every_index(start: int, counts: list[int]) -> None:
    ring = Ring(50)
    position = start
    for count in counts:
        ring.write(_block(position, count))
        position += count
    held = ring.read(ring.start, ring.stop)
    expected = _block(ring.start, ring.stop - ring.start)
    assert ring.stop == position
    assert ring.stop - ring.start == min(sum(counts), ring.capacity)
    np.testing.assert_array_equal(held.samples, expected.samples)
    np.testing.assert_array_equal(held.valid, expected.valid)


def test_overlapping_blocks_are_refused() -> None:
    ring = Ring(100)
    ring.write(_block(1000, 50))
    with pytest.raises(ValueError, match="1049, before the end of what was written, 1050"):
        ring.write(_block(1049, 10))


def test_a_jump_forward_empties_the_ring() -> None:
    ring = Ring(100)
    ring.write(_block(0, 50))
    ring.write(_block(60, 10))
    assert (ring.start, ring.stop) == (60, 70)
    with pytest.raises(IndexError, match=r"\[40, 65\) asked for, the ring holds \[60, 70\)"):
        ring.read(40, 65)


def test_what_was_overwritten_cannot_be_read() -> None:
    ring = Ring(64)
    ring.write(_block(0, 64))
    ring.write(_block(64, 1))
    with pytest.raises(IndexError):
        ring.read(0, 10)
    assert ring.read(1, 65).samples[0] == 1.0


def test_a_block_larger_than_the_ring_is_refused() -> None:
    with pytest.raises(ValueError, match="65 samples"):
        Ring(64).write(_block(0, 65))


def test_samples_that_are_no_numbers_are_stored_as_invalid_silence() -> None:
    ring = Ring(64)
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 0.25], np.float32)
    ring.write(Block(0, samples, np.ones(5, np.bool_)))
    held = ring.read(0, 5)
    np.testing.assert_array_equal(held.samples, np.array([0.5, 0, 0, 0, 0.25], np.float32))
    np.testing.assert_array_equal(held.valid, [True, False, False, False, True])
