"""The feature spec refuses what cannot be, and its hash is a promise."""

from __future__ import annotations

import pytest

from edge.errors import ConfigError
from edge.features import FeatureSpec


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("hop_samples", 0, "above 0"),
        ("high_hz", 4001.0, "up to 4000"),
        ("low_hz", 2500.0, "from 0 to below 2500"),
        ("fft_size", 100, "power of two from 128"),
        ("fft_size", 64, "power of two from 128"),
        ("bands", 129, "from 1 to 128"),
        ("windows_samples", (), "one or more"),
        ("scale_db", 0.0, "above 0"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_by_field_and_range(field: str, value: object, allowed: str) -> None:
    with pytest.raises(ConfigError, match=rf"{field} = .*{allowed}"):
        FeatureSpec(**{field: value})  # type: ignore[arg-type]


def test_a_spec_survives_its_json() -> None:
    spec = FeatureSpec(windows_samples=(512, 128), fft_size=512, low_hz=60.0)
    assert FeatureSpec.from_json(spec.to_json()) == spec


def test_the_hash_of_the_default_spec_never_changes() -> None:
    assert FeatureSpec().sha256 == "4b3073b9e66eb76c76ab0cba8a1f7c366eb4aba4fab6cd84adfd8a3ab6b09466"


def test_a_spec_with_an_unknown_field_is_refused() -> None:
    text = FeatureSpec().to_json().replace('"bands"', '"bandz"')
    with pytest.raises(ConfigError, match="bandz"):
        FeatureSpec.from_json(text)
