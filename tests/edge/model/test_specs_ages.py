"""Thresholds by age: read, bounded, refused; and which hold on a stream."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from edge.errors import ModelError
from edge.model.specs import AgeThresholds, ages_from_json, ages_to_json
from edge.settings.sections import Age, years_of

INFANTS = AgeThresholds(0.0, 1.0, {"wheeze": 0.8})


def test_what_is_written_is_read() -> None:
    assert ages_from_json(ages_to_json([INFANTS])) == (INFANTS,)


@pytest.mark.parametrize(
    "rows",
    [
        {},
        [{"from_years": 0, "to_years": 1}],
        [{"from_years": 2, "to_years": 1, "thresholds": {}}],
        [{"from_years": 0, "to_years": 1, "thresholds": {"wheeze": 1.5}}],
        [{"from_years": 0, "to_years": 1e9, "thresholds": {}}],
        [{"from_years": 0, "to_years": 1, "thresholds": {}}] * 17,
    ],
)
def test_what_is_no_table_of_ages_is_refused_by_name(rows: object) -> None:
    with pytest.raises(ModelError, match=r"laennec\.ages"):
        ages_from_json(json.dumps(rows))


@pytest.mark.parametrize(
    ("age", "years"),
    [("8 months", 8 / 12), ("1 month", 1 / 12), ("4 years", 4), ("10 days", 10 / 365.25), ("adult", 18)],
)
def test_ages_are_written_as_people_say_them(age: str, years: float) -> None:
    assert TypeAdapter(Age).validate_python(age) == age
    assert years_of(age) == pytest.approx(years)


@pytest.mark.parametrize("age", ["8", "8 m", "-1 years", "four years", "800 years", "", "8 months old"])
def test_what_is_no_age_is_refused_with_examples(age: str) -> None:
    with pytest.raises(ValidationError, match="write '8 months', '4 years' or 'adult'"):
        TypeAdapter(Age).validate_python(age)
