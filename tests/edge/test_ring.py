"""The rings hold the newest samples under their absolute index, and splice nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from edge import ring
from edge.ring import Rings, make_rings


@njit  # type: ignore[untyped-decorator]
def _write(rings: Rings, b: int, start: int, samples: NDArray[np.float32], valid: NDArray[np.bool_]) -> bool:
    jumped = ring.jumps(rings, b, start)
    ring.append(rings, b, samples, valid)
    return jumped


@njit  # type: ignore[untyped-decorator]
def _read(rings: Rings, b: int, start: int, count: int) -> tuple[NDArray[np.float32], bool]:
    return ring.stretch(rings, b, start, count).copy(), ring.heard(rings, b, start, start + count)


def _sound(start: int, count: int) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Samples that know their own index."""
    index = start + np.arange(count)
    return (index % 1000 + 1).astype(np.float32), index % 97 != 0


@settings(deadline=None)
@given(
    start=st.sampled_from([0, 5, 2**31 - 40, 2**32 - 40, 2**40]),
    counts=st.lists(st.integers(0, 64), min_size=1, max_size=12),
    stream=st.integers(0, 2),
)
def test_any_stretch_of_the_newest_capacity_is_what_was_written(start: int, counts: list[int], stream: int) -> None:
    rings = make_rings(3, 50)
    position = start
    for count in counts:
        _write(rings, stream, position, *_sound(position, count))
        position += count
    written = position - start
    for count in {min(written, 64), min(written, 7), min(written, 1)} - {0}:
        samples, heard = _read(rings, stream, position - count, count)
        expected, valid = _sound(position - count, count)
        np.testing.assert_array_equal(samples, np.where(valid, expected, 0))
        assert heard == valid.all()
    assert not rings.marks[[b for b in range(3) if b != stream], ring.OPEN].any()


def test_nothing_before_a_jump_counts_as_heard_after_it() -> None:
    rings = make_rings(1, 64)
    ones, valid = np.ones(50, np.float32), np.ones(50, np.bool_)
    assert _write(rings, 0, 0, ones, valid)
    assert not _write(rings, 0, 50, ones[:5], valid[:5])
    assert _write(rings, 0, 60, ones[:10], valid[:10])
    assert _read(rings, 0, 60, 10)[1]
    assert not _read(rings, 0, 59, 11)[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.1e6, -1e30])
def test_samples_that_are_no_numbers_are_kept_as_invalid_silence(bad: float) -> None:
    rings = make_rings(1, 64)
    _write(rings, 0, 0, np.array([0.5, bad, 0.25], np.float32), np.ones(3, np.bool_))
    samples, heard = _read(rings, 0, 0, 3)
    np.testing.assert_array_equal(samples, np.array([0.5, 0, 0.25], np.float32))
    assert not heard
    assert _read(rings, 0, 2, 1)[1]


def test_what_is_too_quiet_to_be_sound_is_silence_so_that_no_filter_meets_denormal_numbers() -> None:
    rings = make_rings(1, 64)
    _write(rings, 0, 0, np.array([1e-40, -1e-14, 1e-12], np.float32), np.ones(3, np.bool_))
    samples, heard = _read(rings, 0, 0, 3)
    np.testing.assert_array_equal(samples, np.array([0, 0, 1e-12], np.float32))
    assert heard
