"""The transform against NumPy's, at every kind of length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.features.fft import make_fft, make_real_fft, real_spectrum, transform
from edge.features.parts import is_smooth

SMOOTH = [n for n in range(1, 2500) if is_smooth(n)]


@settings(deadline=None, max_examples=60)
@given(size=st.sampled_from(SMOOTH), seed=st.integers(0, 100))
def test_a_complex_transform_is_numpys_within_the_rounding_of_float32(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=size) + 1j * rng.normal(size=size)
    fft, work = make_fft(size), np.full((2, 2 * size), np.nan, np.float32)
    work[0, fft.order], work[0, size + fft.order] = points.real, points.imag
    side = transform(work, size, fft.twiddles)
    expected = np.fft.fft(points)
    found = side[:size] + 1j * side[size:]
    assert np.abs(found - expected).max() <= 4e-7 * np.abs(expected).max()


@settings(deadline=None, max_examples=60)
@given(
    size=st.sampled_from([n for n in SMOOTH if n % 2 == 0 and n >= 4]),
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    fill=st.floats(0, 1),
)
def test_any_bins_of_a_real_tapered_frame_are_numpys(size: int, bounds: tuple[float, float], fill: float) -> None:
    rng = np.random.default_rng(size)
    first, last = sorted(round(b * (size // 2)) for b in bounds)
    length = max(2, round(fill * size))
    frame, taper = rng.normal(size=(2, length)).astype(np.float32)
    out = np.full((2, last + 1 - first), np.nan, np.float32)
    work = np.full((2, size), np.nan, np.float32)
    real_spectrum(make_real_fft(size, first, last + 1 - first), frame, taper, work, out)
    spectrum = np.fft.rfft(frame.astype(np.float64) * taper, size)
    error = np.abs(out[0] + 1j * out[1] - spectrum[first : last + 1])
    assert error.max() <= 6e-7 * np.abs(spectrum).max()


def test_a_length_with_another_prime_is_refused() -> None:
    with pytest.raises(ValueError, match="14 points: expected a product of 2, 3 and 5"):
        make_fft(14)
