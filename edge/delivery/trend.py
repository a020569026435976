"""What a node publishes of the burden of a bed, and what it remembers of it: a pure body, and a row for each minute.

Not for measuring (`edge.ward.burden`) or storing (`edge.delivery.trend_history`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.delivery.messages import Body, Node, rfc3339
from edge.ward.burden import GroupBurden, Reading, WindowBurden
from edge.ward.coverage import Covered

TREND_S = 60.0  # between two trends of a bed
TREND_EXPIRY_S = 180  # three missed, and the last one vanishes from the broker: what is not published is unknown
DIGITS = 6  # of the published numbers


@dataclass(frozen=True, slots=True)
class Minute:
    """What is remembered of one group of one bed in one minute."""

    stream: str
    group: str
    at_s: float
    """End of the minute, wall time, seconds since 1970."""
    expected_s: float
    """Expected seconds of sound in what was measured."""
    measured_s: float
    """Seconds that were measured, 0 to 60."""
    unverified_s: float
    """Seconds that could be judged but were not like what the model knows."""


@dataclass(frozen=True, slots=True)
class Trend:
    """The burden of one bed, and how much of its sound was measured."""

    stream: str
    reading: Reading
    covered: Sequence[Covered]
    """Of the windows of the reading."""


def trend_body(node: Node, trend: Trend, hop_samples: int, rate_hz: int, wall_s: float) -> Body:
    """The burden of one bed over all windows.

    Args:
        node: who says so.
        trend: the measurement.
        hop_samples: samples to one score frame.
        rate_hz: of the sound, Hz.
        wall_s: now, seconds since 1970.
    """
    pairs = zip(trend.reading.windows, trend.covered, strict=True)
    return {
        "schema": "laennec.trend/1", "mode": node.mode, "stream": trend.stream, "boot_id": node.boot_id,
        "ts": rfc3339(wall_s),
        "sample": {"rate": rate_hz, "stop": trend.reading.stop * hop_samples},
        "windows": [_window_body(window) | {"missing_s": missing_body(covered)} for window, covered in pairs],
    }  # fmt: skip


def minutes_of(stream: str, reading: Reading, at_s: float) -> list[Minute]:
    """A row for each group of the minute that a reading ends."""
    window = reading.windows[0]
    return [
        Minute(stream, one.group, at_s, one.expected_s, window.measured_s, window.unverified_s) for one in window.groups
    ]


def missing_body(covered: Covered) -> Body:
    """Seconds of a window that were not measured, by cause."""
    return {cause.replace(" ", "_"): round(seconds, 3) for cause, seconds in covered.missing_s.items()}


def _window_body(window: WindowBurden) -> Body:
    return {
        "s": window.window_s, "known": window.is_known, "coverage": round(window.coverage, DIGITS),
        "measured_s": round(window.measured_s, 3), "unverified_s": round(window.unverified_s, 3),
        "groups": {one.group: _group_body(one) for one in window.groups},
    }  # fmt: skip


def _group_body(burden: GroupBurden) -> Body:
    fields = {"s_per_min": burden.s_per_min, "low": burden.low, "high": burden.high}
    return {key: None if value is None else round(value, DIGITS) for key, value in fields.items()}
