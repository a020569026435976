"""What a node publishes of the burden of a bed, and what it remembers of it: a pure body, and a row for each minute.

Not for measuring (`edge.ward.burden`) or storing (`edge.delivery.trend_history`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.contract.fields import Body
from edge.contract.trend import GroupBurden as GroupMessage
from edge.contract.trend import Stop, TrendMessage, Window
from edge.delivery.messages import Node
from edge.ward.burden import GroupBurden, Reading, WindowBurden
from edge.ward.coverage import Covered

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
    return TrendMessage.model_construct(
        mode=node.mode,
        stream=trend.stream,
        boot_id=node.boot_id,
        ts=wall_s,
        sample=Stop.model_construct(rate=rate_hz, stop=trend.reading.stop * hop_samples),
        windows=[_window(window, covered) for window, covered in pairs],
    ).body()


def minutes_of(stream: str, reading: Reading, at_s: float) -> list[Minute]:
    """A row for each group of the minute that a reading ends."""
    window = reading.windows[0]
    return [
        Minute(stream, one.group, at_s, one.expected_s, window.measured_s, window.unverified_s) for one in window.groups
    ]


def missing_s(covered: Covered) -> dict[str, float]:
    """Seconds of a window that were not measured, by cause."""
    return {cause.replace(" ", "_"): round(seconds, 3) for cause, seconds in covered.missing_s.items()}


def _window(window: WindowBurden, covered: Covered) -> Window:
    return Window.model_construct(
        s=window.window_s,
        known=window.is_known,
        coverage=round(window.coverage, DIGITS),
        measured_s=round(window.measured_s, 3),
        unverified_s=round(window.unverified_s, 3),
        groups={one.group: _group(one) for one in window.groups},
        missing_s=missing_s(covered),
    )


def _group(burden: GroupBurden) -> GroupMessage:
    known, low, high = (
        None if value is None else round(value, DIGITS) for value in (burden.s_per_min, burden.low, burden.high)
    )
    return GroupMessage.model_construct(s_per_min=known, low=low, high=high)
