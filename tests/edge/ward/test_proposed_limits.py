"""Proposed limits of the respiratory rate: what the sources say, and that every age has some which can be set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.settings.sections import years_of
from edge.ward import proposed_limits as module
from edge.ward.proposed_limits import proposed_limits

AWAKE_95 = 1.82144  # of Rusconi's table: logarithm of the 95th centile awake at birth


@pytest.mark.parametrize(
    ("age", "limits"),
    [
        ("3 days", (29, 61)),
        ("27 days", (29, 61)),
        ("4 years", (19, 29)),
        ("8 years", (17, 26)),
        ("15 years", (11, 21)),
        ("adult", (8, 25)),
        ("80 years", (8, 25)),
    ],
)
def test_the_limits_are_those_of_the_source(age: str, limits: tuple[int, int]) -> None:
    found = proposed_limits(years_of(age))
    assert (found.low, found.high) == limits


def test_centiles_of_infants_are_those_of_rusconi() -> None:
    assert module._awake(0.0, 1.645) == pytest.approx(10**AWAKE_95, rel=1e-3)
    assert module._asleep(0.0, 1.645) == pytest.approx(10**1.72858, rel=1e-3)
    found = proposed_limits(years_of("6 months"))
    assert (found.low, found.high) == (19, 65)
    assert "Rusconi" in found.source


@given(st.floats(0, 130))
def test_every_age_has_limits_that_can_be_set_and_a_source(years: float) -> None:
    found = proposed_limits(years)
    assert 4 <= found.low < found.high <= 90
    assert found.source


@given(st.floats(28 / 365.25, 2.99), st.floats(0, 0.5))
def test_of_infants_who_are_older_the_limits_are_no_higher(years: float, later: float) -> None:
    younger, older = proposed_limits(years), proposed_limits(min(years + later, 2.999))
    assert older.low <= younger.low
    assert older.high <= younger.high
