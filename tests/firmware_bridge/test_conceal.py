"""What stands in for lost samples: no step at either end, the past mirrored, the received sound untouched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from firmware_bridge.conceal import conceal

PIECE = arrays(np.float32, st.integers(0, 30), elements=st.floats(-1, 1, width=32))


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("past", "future", "count", "fade", "expected"),
    [
        (f32(1, 2, 3), f32(9, 8), 2, 0, [3, 2]),
        (f32(1, 2), f32(), 5, 3, [2, 1, 1, 2, 2]),
        (f32(), f32(9, 8), 3, 2, [8, 8, 9]),
        (f32(), f32(), 3, 2, [0, 0, 0]),
        (f32(0, 0, 0, 0), f32(4, 8), 4, 2, [0, 0, 2, 3]),
    ],
)
def test_the_past_is_mirrored_and_faded_into_the_mirrored_future(
    past: NDArray[np.float32], future: NDArray[np.float32], count: int, fade: int, expected: list[float]
) -> None:
    assert conceal(past, future, count, fade).tolist() == expected


@given(PIECE, PIECE, st.integers(0, 100), st.integers(0, 40))
def test_whatever_is_known_the_hole_is_filled_and_nothing_is_louder_than_what_is_known(
    past: NDArray[np.float32], future: NDArray[np.float32], count: int, fade: int
) -> None:
    before, after = past.copy(), future.copy()
    made = conceal(past, future, count, fade)
    assert made.shape == (count,)
    assert made.dtype == np.float32
    assert np.abs(made).max(initial=0) <= np.abs(np.concatenate([past, future])).max(initial=0) * 1.000001
    assert np.array_equal(past, before)
    assert np.array_equal(future, after)
