"""The logarithm and the power of two, over the whole range of float32."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.features.levels import exp2, log2


@njit  # type: ignore[untyped-decorator]
def _each(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logs, powers = np.empty_like(x), np.empty_like(x)
    for i in range(x.shape[0]):
        logs[i], powers[i] = log2(x[i]), exp2(x[i])
    return logs, powers


def test_the_logarithm_of_every_normal_number_is_within_two_units_in_the_last_place() -> None:
    bits = np.arange(0x00800000, 0x7F800000, 4099, dtype=np.int32)  # of all positive normal numbers
    x = bits.view(np.float32)
    exact = np.log2(x.astype(np.float64))
    found, _ = _each(x)
    unit = np.spacing(np.maximum(np.abs(exact), 0.25).astype(np.float32))
    assert np.max(np.abs(found - exact) / unit) <= 2


def test_powers_of_two_are_exact_in_the_logarithm() -> None:
    found, _ = _each(np.ldexp(np.float32(1), np.arange(-126, 128)))
    np.testing.assert_array_equal(found, np.arange(-126, 128))


def test_the_power_of_two_is_within_two_units_in_the_last_place() -> None:
    x = np.linspace(-126, 126.999, 200_001).astype(np.float32)
    _, found = _each(x)
    exact = np.exp2(x.astype(np.float64))
    assert np.max(np.abs(found - exact) / exact) <= 2.4e-7


def test_beyond_its_range_the_power_of_two_stays_at_the_bound() -> None:
    _, found = _each(np.array([-1e30, -127, 128, 1e30], np.float32))
    np.testing.assert_array_equal(found, np.ldexp(np.float32(1), [-126, -126, 127, 127]))
