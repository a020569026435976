"""Limits of the respiratory rate that may be proposed for an age, each with its source. Pure.

Not for alarms: nothing here is in force before a person sets it (`alarms.breath` in the settings, or the command
`limit` of one bed). Up to three years
they are centiles of healthy children, the lower of sleep and the upper awake. From three to adults they are the borders
of what is called normal at rest, which lie closer: on wards up to 40 % of the rates that nurses wrote down lie outside
of such ranges (Bonafide et al., Pediatrics 2013;131:e1150-7), and sleep is slower.

What was compared with which text, 2026-11-25: Rusconi's coefficients and NEWS2 with tables of the same; those of the
Provider Manual with a chart that quotes its edition of 2015 (editions before 2011 have wider ranges, such as 22 to 34
and 18 to 30). The guide of WHO was not at hand: a protocol that says it is adapted from it calls less than 30 severe
and 60 or more a sign of distress.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

NEWBORN_YEARS, RUSCONI_YEARS, ADULT_YEARS = 28 / 365.25, 3.0, 18.0
Z_99 = 2.326  # standard deviations from the median to the 99th centile
NEWBORN = "WHO, Managing newborn problems, 2003: breathing difficulty is less than 30 or more than 60"
RUSCONI = "Rusconi et al., Pediatrics 1994;94:350-5: 1st centile asleep, 99th awake"
PALS = "American Heart Association, PALS Provider Manual: outside of the normal range of"
NEWS2 = "Royal College of Physicians, NEWS2, 2017: 8 or less, 25 or more score 3"
SCHOOL_YEARS, ADOLESCENT_YEARS = 6.0, 12.0


@dataclass(frozen=True)
class ProposedLimits:
    """Breaths per minute: an alarm at `low` and below, at `high` and above."""

    low: int
    high: int
    source: str


def proposed_limits(age_years: float) -> ProposedLimits:
    """What may be proposed at an age, years."""
    if age_years < NEWBORN_YEARS:
        return ProposedLimits(29, 61, NEWBORN)
    if age_years < RUSCONI_YEARS:
        months = 12 * age_years
        return ProposedLimits(floor(_asleep(months, -Z_99)), ceil(_awake(months, Z_99)), RUSCONI)
    if age_years < SCHOOL_YEARS:
        return ProposedLimits(19, 29, f"{PALS} 20 to 28 before school")
    if age_years < ADOLESCENT_YEARS:
        return ProposedLimits(17, 26, f"{PALS} 18 to 25 at school")
    if age_years < ADULT_YEARS:
        return ProposedLimits(11, 21, f"{PALS} 12 to 20 of adolescents")
    return ProposedLimits(8, 25, NEWS2)


def _awake(months: float, z: float) -> float:
    """Breaths per minute, so many standard deviations from the median (Rusconi's regression of the logarithm)."""
    return float(10 ** (1.6801 + 0.08592 * z - (0.01189 + 0.0004301 * z) * months + 0.00013401 * months**2))


def _asleep(months: float, z: float) -> float:
    return float(10 ** (1.5773 + 0.09196 * z - (0.01314 + 0.0005155 * z) * months + 0.00017646 * months**2))
