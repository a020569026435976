"""The section `streams[].tracking`: how sounds of a class are told from what is too short or too weak, on one stream.

Not for the threshold that opens an event (`streams[].thresholds`). What is not set is as the model has it; the topic
`info` of the stream says what holds.

    tracking:
      wheeze: {minimum_s: 0.3, keep: 0.6, quiet_s: 0.2}
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from edge.settings.section import Section

Seconds = Annotated[float, Field(gt=0, le=60)]


class ClassTracking(Section):
    """Of one class; None: as the model has it."""

    keep: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of an event's mean score that a pause has which belongs to it; of a model without change points, share of
    its threshold above which it lasts."""
    minimum_s: Seconds | None = None
    """How long a sound must last to become an event."""
    quiet_s: Seconds | None = None
    """How long it must be quiet for an event to end; shorter pauses belong to it."""
