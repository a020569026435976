"""A small table of limits, as an artefact carries it."""

from __future__ import annotations

from edge.model.alarm_limits import BurdenLimits, LimitRow


def row(budget: float, limits: tuple[float, float], alarms: float, found: float) -> LimitRow:
    named = dict(zip(("continuous", "discontinuous"), limits, strict=True))
    shares = (found, found / 2, found / 4, found / 8)
    return LimitRow(budget, named, alarms, alarms / 2, alarms * 2, 7, shares, 92.0)


TABLE = BurdenLimits(
    133, 47, (row(1.0, (4.0, 7.0), 0.5, 0.9), row(2.0, (2.5, 6.5), 1.5, 0.92), row(4.0, (2.0, 5.0), 4.5, 0.96))
)
