"""What limits of the burden cost and find: a table that a training measures and an artefact carries.

JSON under `laennec.burden_limits`; a model without it leaves the choice of a limit to the records of a ward. Every
number is of simulated beds, made of recordings of patients that the network was not trained on, with limits that the
other folds chose (`training.detector.ward_limits`); the limits themselves are chosen on all folds. Not for alarms.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

from edge.model.specs import read_entry

LONGEST_TEXT = 16_384  # characters of JSON
WINDOW_S = 300  # over which the burden is taken
PREVALENCES = (1.0, 0.5, 0.25, 0.1)  # shares of a bed's recordings that have the sound
FOUND_WITHIN_S = 1800


@dataclass(frozen=True, slots=True)
class LimitRow:
    """The limits for one budget, and what they do."""

    budget: float
    """False alarms per bed and day that were asked for."""
    limits: dict[str, float]
    """By group of classes: burden over `WINDOW_S` at which an alarm begins, seconds per measurable minute."""
    alarms: float
    """Alarms per bed and day where nothing is to be found."""
    alarms_low: float
    """Lower end of its interval, 95 % over patients."""
    alarms_high: float
    """Upper end."""
    alarming_beds: int
    """Of the beds where nothing is to be found, those that had any alarm in a day."""
    found: tuple[float, ...]
    """Share of the beds with a sound that alarm within `FOUND_WITHIN_S`, for each of `PREVALENCES`."""
    delay_s: float | None
    """Median time from the first sound to the alarm at full prevalence, of those found; None if none was."""


@dataclass(frozen=True, slots=True)
class BurdenLimits:
    """The table of one model."""

    normal_beds: int
    """Simulated beds where nothing is to be found, a patient each, a day each."""
    adventitious_beds: int
    """Simulated beds with a sound, a patient each."""
    rows: tuple[LimitRow, ...]
    """Budgets that rise; at least one."""

    def row(self, most: float) -> LimitRow | None:
        """The row with the most alarms per bed and day that are not above `most`; None if all have more."""
        within = [row for row in self.rows if row.alarms <= most]
        return max(within, key=lambda row: row.budget, default=None)

    def row_of_limits(self, limits: dict[str, float]) -> LimitRow | None:
        """The row that finds at most what these limits find: the first none of whose limits is lower."""
        return next((row for row in reversed(self.rows) if all(row.limits[g] >= x for g, x in limits.items())), None)

    def to_json(self) -> str:
        """The entry of the metadata."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> BurdenLimits:
        """Read the entry of the metadata.

        Raises:
            ModelError: if it lacks a field, or has one that cannot be.
        """
        return read_entry("laennec.burden_limits", text, LONGEST_TEXT, _table)


def _table(fields: dict[str, Any]) -> BurdenLimits:
    rows = tuple(_row(row) for row in fields["rows"])
    budgets = [row.budget for row in rows]
    if not rows or budgets != sorted(budgets):
        raise ValueError(f"expected budgets that rise, found {budgets}")
    return BurdenLimits(int(fields["normal_beds"]), int(fields["adventitious_beds"]), rows)


def _row(fields: dict[str, Any]) -> LimitRow:
    found = tuple(_number(share, 1.0) for share in fields["found"])
    if len(found) != len(PREVALENCES):
        raise ValueError(f"expected {len(PREVALENCES)} shares, found {len(found)}")
    delay = fields["delay_s"]
    return LimitRow(
        budget=_number(fields["budget"]),
        limits={str(group): _number(limit, 60.0) for group, limit in fields["limits"].items()},
        alarms=_number(fields["alarms"]),
        alarms_low=_number(fields["alarms_low"]),
        alarms_high=_number(fields["alarms_high"]),
        alarming_beds=int(fields["alarming_beds"]),
        found=found,
        delay_s=None if delay is None else _number(delay, FOUND_WITHIN_S),
    )


def _number(value: Any, most: float = 86_400.0) -> float:
    number = float(value)
    if not (math.isfinite(number) and 0.0 <= number <= most):
        raise ValueError(f"expected a number from 0 to {most:g}, found {value!r}")
    return number
