"""Thresholds of patients of some age, where the model has other ones for them than for everybody: an optional entry.

Not for the settings' words for an age (`edge.settings.age`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge.artefact.entry import read_entry

KEY = "laennec.ages"
LONGEST = 20_000  # characters
MOST = 16


@dataclass(frozen=True, slots=True)
class AgeThresholds:
    """Of patients from one age to another."""

    from_years: float
    to_years: float
    """Not of those who are as old as this."""
    thresholds: dict[str, float]
    """Scores that open events, 0 to 1, by class."""


def to_json(several: Sequence[AgeThresholds]) -> str:
    """Text of the entry."""
    return json.dumps([asdict(one) for one in several])


def from_json(text: str) -> tuple[AgeThresholds, ...]:
    """Read what `to_json` wrote.

    Raises:
        ModelError: if it is not that, or an age or a threshold is none.
    """
    return read_entry(KEY, text, LONGEST, _built)


def _built(rows: Any) -> tuple[AgeThresholds, ...]:
    if not isinstance(rows, list) or len(rows) > MOST:
        raise ValueError(f"expected a list of up to {MOST}")
    found = tuple(
        AgeThresholds(
            float(row["from_years"]),
            float(row["to_years"]),
            {str(name): float(threshold) for name, threshold in row["thresholds"].items()},
        )
        for row in rows
    )
    if not all(0 <= one.from_years < one.to_years <= 200 for one in found):
        raise ValueError("expected from_years below to_years, both 0 to 200")
    if not all(0 < threshold < 1 for one in found for threshold in one.thresholds.values()):
        raise ValueError("expected thresholds between 0 and 1")
    return found
