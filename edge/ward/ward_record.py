"""The burden over five minutes of the beds of a ward, from what was remembered of each minute. Pure.

As coarse as the minutes: alarms that come and go between two are not seen. A minute without a row, or with less than
half of it measured, is treated as `edge.ward.burden` does: five minutes of which less than half was measured are
unknown. Not for reading the history.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from edge.ward.budget import Bed
from edge.ward.burden import LEAST_COVERAGE

WINDOW_MINUTES = 5
MOST_MINUTES = 3 * 1440  # that one bed is looked at; a clock that stepped by years must not make an endless bed


class MinuteRow(Protocol):
    """What is needed of a minute (`edge.delivery.trend.Minute`)."""

    @property
    def stream(self) -> str:
        """Id of the bed."""

    @property
    def group(self) -> str:
        """Group of classes."""

    @property
    def at_s(self) -> float:
        """End of the minute, seconds since 1970."""

    @property
    def expected_s(self) -> float:
        """Expected seconds of sound in what was measured."""

    @property
    def measured_s(self) -> float:
        """Seconds that were measured, 0 to 60."""


def beds_of(rows: Iterable[MinuteRow]) -> dict[str, Bed]:
    """The beds that were known for some time, by id.

    Args:
        rows: of any beds, each bed's in the order in which they were written.
    """
    by_bed: dict[str, dict[str, list[MinuteRow]]] = {}
    for row in rows:
        by_bed.setdefault(row.stream, {}).setdefault(row.group, []).append(row)
    beds = {stream: _bed(groups) for stream, groups in by_bed.items()}
    return {stream: bed for stream, bed in beds.items() if bed.known_s > 0}


def _bed(groups: dict[str, list[MinuteRow]]) -> Bed:
    burden = {group: _five_minutes(rows) for group, rows in groups.items()}
    known = [int((~np.isnan(each)).sum()) for each in burden.values()]
    return Bed(burden, 60.0 * max(known))


def _five_minutes(rows: list[MinuteRow]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(T,) burden at the end of each minute from the first row on, nan where unknown."""
    place, last = [0], rows[0].at_s
    for row in rows[1:]:  # a clock that was set back, or far ahead, is taken for the next minute
        away = round((row.at_s - last) / 60)
        place.append(place[-1] + (away if 1 <= away <= MOST_MINUTES else 1))
        last = row.at_s
    first = max(place[-1] + 1 - MOST_MINUTES, 0)
    sums = np.zeros((2, place[-1] + 1 - first + WINDOW_MINUTES))
    for row, at in zip(rows, place, strict=True):
        if at >= first:
            sums[:, at - first + WINDOW_MINUTES] += (row.expected_s, row.measured_s)
    totals = np.cumsum(sums, axis=1)
    expected, measured = totals[:, WINDOW_MINUTES:] - totals[:, :-WINDOW_MINUTES]
    known = measured >= LEAST_COVERAGE * 60 * WINDOW_MINUTES
    return np.where(known, 60 * expected / np.maximum(measured, 1.0), np.nan)
