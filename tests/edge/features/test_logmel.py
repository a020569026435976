"""The mel filters: no band is deaf, whatever rounding does to the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.features import FeatureSpec, Mel
from edge.features.logmel import mel_filters


@pytest.mark.parametrize("norm", ["peak", "area"])
@pytest.mark.parametrize(
    ("rate_hz", "fft_size", "low_hz", "high_hz", "bands"),
    [(8000, 128, 50, 2500, 40), (8000, 400, 20, 2000, 96), (11025, 120, 50, 5512.5, 40), (16000, 400, 0, 8000, 128)],
)
def test_every_band_hears_a_tone_in_its_middle_even_when_narrower_than_a_bin(
    rate_hz: int, fft_size: int, low_hz: float, high_hz: float, bands: int, norm: str
) -> None:
    spec = FeatureSpec(
        rate_hz=rate_hz,
        low_hz=low_hz,
        high_hz=high_hz,
        bands=bands,
        analysis=Mel(windows_samples=(fft_size,), fft_size=fft_size, norm=norm),
    )
    weights = mel_filters(spec)
    height = 1.0 if norm == "peak" else 2.0 / high_hz
    assert weights.max(axis=1).min() > 1e-6 * height


@settings(deadline=None)
@given(
    rate_hz=st.sampled_from([4000, 8000, 11025, 16000, 44100]),
    fft_size=st.sampled_from([120, 128, 256, 400, 512, 1024]),
    low=st.floats(0, 0.2),
    high=st.floats(0.3, 1),
    bands=st.integers(1, 60),
    scale=st.sampled_from(["htk", "slaney", "kaldi"]),
)
def test_filters_are_triangles_that_no_rounding_silences(
    rate_hz: int, fft_size: int, low: float, high: float, bands: int, scale: str
) -> None:
    spec = FeatureSpec(
        rate_hz=rate_hz,
        low_hz=low * rate_hz / 2,
        high_hz=high * rate_hz / 2,
        bands=bands,
        analysis=Mel(windows_samples=(fft_size,), fft_size=fft_size, scale=scale),
    )
    weights = mel_filters(spec)
    assert weights.min() >= 0
    assert weights.max() <= 1
    assert weights.max(axis=1).min() >= 1e-6
    assert (np.diff(weights.argmax(axis=1)) >= 0).all()
