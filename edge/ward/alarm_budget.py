"""Which limit of the burden keeps a budget of alarms, found by counting those that each limit would have raised. Pure.

The burden over five minutes comes from the remembered minutes of the ward, and is as coarse as they are: alarms that
come and go between two are not seen. A minute without a row, or with less than half of it measured, is treated as
`edge.ward.burden` does: five minutes of which less than half was measured are unknown. An alarm begins where the burden
reaches the limit and ends where it falls below `HYSTERESIS` times the limit; while the burden is unknown nothing
changes. Not for raising alarms, and not for how a burden is measured (`edge.ward.burden`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.ward.alarm_rules import HYSTERESIS
from edge.ward.burden import LEAST_COVERAGE

WINDOW_MINUTES = 5
MOST_MINUTES = 3 * 1440  # that one bed is looked at; a clock that stepped by years must not make an endless bed


class MinuteRow(Protocol):
    """What is needed of a minute (`edge.delivery.minutes.Minute`)."""

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


LIMITS = tuple(round(float(limit), 2) for limit in np.geomspace(0.2, 60.0, 96))  # that are tried, s per minute
DRAWS, SEED = 1000, 0  # of beds, for the interval
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Bed:
    """The burden of one bed over some time."""

    burden: Mapping[str, NDArray[np.float64]]
    """By group: (T,) seconds per measurable minute at moments that follow each other; nan where unknown."""
    known_s: float
    """How long it was known, seconds."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What limits would have done at some beds."""

    limits: dict[str, float]
    """By group, seconds per minute."""
    alarms: float
    """Per bed and day."""
    low: float | None
    """Lower end of its interval, 95 % bootstrap over beds; None with one bed."""
    high: float | None
    """Upper end."""
    alarming_beds: int
    """Beds that made any of them."""


def is_alarming(burden: NDArray[np.floating], limit: float) -> NDArray[np.bool_]:
    """(T,) whether an alarm is on.

    Args:
        burden: (T,) seconds per minute, nan where unknown.
        limit: seconds per minute.
    """
    # 1: on, 0: off, -1: as before; NaN compares false in both. `last` is where it was 1 or 0 last.
    changes = np.where(burden >= limit, 1, np.where(burden < HYSTERESIS * limit, 0, -1))
    last = np.maximum.accumulate(np.where(changes >= 0, np.arange(len(changes)), -1))
    return np.asarray(np.where(last >= 0, changes[np.maximum(last, 0)], 0) == 1)


def count_alarms(burden: NDArray[np.floating], limits: Sequence[float] = LIMITS) -> NDArray[np.int64]:
    """(L,) how many alarms each limit would have raised.

    Args:
        burden: (T,) seconds per minute, nan where unknown.
        limits: (L,) seconds per minute, that rise.
    """
    known = burden[~np.isnan(burden)]  # the unknown changes nothing
    highest = float(known.max(initial=0.0))
    counts = np.zeros(len(limits), np.int64)
    for index, limit in enumerate(limits):
        if limit > highest:
            break
        on = is_alarming(known, limit)
        counts[index] = int(on[0]) + int((on[1:] & ~on[:-1]).sum())
    return counts


def lowest_within(rates: NDArray[np.float64], budget: float) -> int | None:
    """Index of the lowest limit that, like every higher one, keeps a budget; None if the highest does not.

    Args:
        rates: (L,) alarms per bed and day of limits that rise.
        budget: alarms per bed and day.
    """
    too_many = np.flatnonzero(rates > budget)
    first = int(too_many[-1]) + 1 if len(too_many) else 0
    return first if first < len(rates) else None


def limits_within(beds: Sequence[Bed], budget: float) -> Expected | None:
    """The lowest limits that would have kept a budget at some beds, an equal share of it for each group.

    Args:
        beds: at least one, known for some time.
        budget: alarms per bed and day.

    Returns:
        None if no limit keeps it.
    """
    groups = list(beds[0].burden)
    days = np.array([bed.known_s for bed in beds]) / DAY_S
    chosen, alarms = dict[str, float](), np.zeros(len(beds))
    for group in groups:
        counts = np.stack([count_alarms(bed.burden[group]) for bed in beds])
        index = lowest_within(counts.sum(axis=0) / days.sum(), budget / len(groups))
        if index is None:
            return None
        chosen[group] = LIMITS[index]
        alarms += counts[:, index]
    low, high = rate_interval(alarms, days) if len(beds) > 1 else (None, None)
    return Expected(chosen, float(alarms.sum() / days.sum()), low, high, int((alarms > 0).sum()))


def rate_interval(alarms: NDArray[np.float64], days: NDArray[np.float64]) -> tuple[float, float]:
    """Bounds of the alarms per bed and day: percentile bootstrap over beds, for the alarms are those of a few.

    Args:
        alarms: (n,) of each bed.
        days: (n,) that each was monitored.
    """
    # How often each bed is drawn: drawing with replacement, all draws in two products.
    weights = np.random.default_rng(SEED).multinomial(len(alarms), np.full(len(alarms), 1 / len(alarms)), DRAWS)
    rates = (weights @ alarms) / (weights @ days)
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
