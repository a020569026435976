"""What a node publishes each minute of a bed, its burden and its breathing: a pure body.

Not for measuring (`edge.ward.burden`), nor for what is remembered of it (`edge.delivery.minutes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.contract.fields import Body
from edge.contract.trend import Breath, BreathShare, BreathSounds, Stop, TrendMessage, Window
from edge.contract.trend import GroupBurden as GroupMessage
from edge.delivery.messages import Node
from edge.ward.burden import GroupBurden, Reading, WindowBurden
from edge.ward.coverage import Covered
from edge.ward.wheeze_rate import BreathTrend, BreathWindow
from edge.ward.wheeze_rate import Share as BreathedShare

DIGITS = 6  # of the published numbers


@dataclass(frozen=True, slots=True)
class Trend:
    """The burden of one bed, and how much of its sound was measured."""

    stream: str
    reading: Reading
    covered: Sequence[Covered]
    """Of the windows of the reading."""
    breath: BreathTrend | None = None
    """None: a model without breath, or no sound yet."""


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
        breath=None if trend.breath is None else [breath_of(each) for each in trend.breath.windows],
    ).body()


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


def breath_of(window: BreathWindow) -> Breath:
    """The breathing over one length as messages have it."""
    rate = window.breaths_per_min
    return Breath.model_construct(
        s=window.window_s,
        measured_s=round(window.measured_s, 3),
        breathing_s=round(window.breathing_s, 3),
        breaths=window.breaths,
        breaths_per_min=None if rate is None else round(rate, 1),
        answered=round(window.answered, 3),
        why=window.why,
        sounds={
            each.group: BreathSounds.model_construct(of_time=_share(each.of_time), of_breaths=_share(each.of_breaths))
            for each in window.groups
        },
    )


def _share(found: BreathedShare) -> BreathShare:
    share, low, high = (
        None if value is None else round(value, DIGITS) for value in (found.share, found.low, found.high)
    )
    return BreathShare.model_construct(share=share, low=low, high=high, why=found.why)
