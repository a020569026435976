"""The ring holds the newest samples under their absolute index, and splices nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.features.ring import all_valid, append, make_ring, segment


def _write(ring: NDArray[np.float32], start: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> int:
    return append(ring, (start, samples, valid), start, start + len(samples))


def _sound(start: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Samples that know their own index."""
    index = start + np.arange(count)
    return (index % 1000 + 1).astype(np.float32), index % 97 != 0


@settings(deadline=None)
@given(
    start=st.sampled_from([0, 5, -30, 2**31 - 40, 2**32 - 40, 2**40]),
    counts=st.lists(st.integers(0, 200), min_size=1, max_size=12),
)
def test_any_stretch_of_the_newest_capacity_is_what_was_written(start: int, counts: list[int]) -> None:
    ring, position = make_ring(50), start
    for count in counts:
        assert _write(ring, position, *_sound(position, count)) == position + count
        position += count
    written = position - start
    for count in {min(written, 64), min(written, 7), min(written, 1)} - {0}:
        samples = segment(ring, position - count, position)
        expected, valid = _sound(position - count, count)
        np.testing.assert_array_equal(samples, np.where(valid, expected, np.nan))
        assert all_valid(samples) == valid.all()


def test_a_block_is_taken_in_parts_up_to_where_the_reader_asks() -> None:
    ring, block = make_ring(8), (100, np.arange(6, dtype=np.float32), np.ones(6, np.bool_))
    assert append(ring, block, 100, 104) == 104
    np.testing.assert_array_equal(segment(ring, 100, 105), np.array([0, 1, 2, 3, np.nan], np.float32))
    assert append(ring, block, 104, 103) == 104
    assert append(ring, block, 104, 200) == 106
    np.testing.assert_array_equal(segment(ring, 100, 106), block[1])


def test_nothing_before_the_first_sample_counts_as_heard() -> None:
    ring = make_ring(64)
    _write(ring, 60, np.ones(10, np.float32), np.ones(10, np.bool_))
    assert all_valid(segment(ring, 60, 70))
    assert not all_valid(segment(ring, 59, 70))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.1e6, -1e30])
def test_samples_that_are_no_numbers_are_kept_as_invalid(bad: float) -> None:
    ring = make_ring(64)
    _write(ring, 0, np.array([0.5, bad, 0.25], np.float32), np.ones(3, np.bool_))
    np.testing.assert_array_equal(segment(ring, 0, 3), np.array([0.5, np.nan, 0.25], np.float32))
    assert not all_valid(segment(ring, 0, 3))
    assert all_valid(segment(ring, 2, 3))


def test_what_is_too_quiet_to_be_sound_is_silence_so_that_no_filter_meets_denormal_numbers() -> None:
    ring = make_ring(64)
    _write(ring, 0, np.array([1e-40, -1e-14, 1e-12], np.float32), np.ones(3, np.bool_))
    np.testing.assert_array_equal(segment(ring, 0, 3), np.array([0, 0, 1e-12], np.float32))
