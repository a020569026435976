"""A patient's age as it is written in the settings: `8 months`, `4 years`, `adult`. Nothing else of a patient is."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

ADULT_YEARS = 18.0
_PATTERN = re.compile(r"(\d{1,3}) (day|week|month|year)s?")
_YEARS = {"day": 1 / 365.25, "week": 7 / 365.25, "month": 1 / 12, "year": 1.0}


def years_of(age: str) -> float:
    """Years of an age in words; an adult has `ADULT_YEARS`.

    Raises:
        ValueError: if it is none.
    """
    if age == "adult":
        return ADULT_YEARS
    found = _PATTERN.fullmatch(age)
    years = float(found[1]) * _YEARS[found[2]] if found else -1.0
    if not 0 <= years <= 130:
        raise ValueError("is no age; write '8 months', '4 years' or 'adult'")
    return years


def _checked(age: str) -> str:
    years_of(age)
    return age


Age = Annotated[str, AfterValidator(_checked)]
