"""What a stream says of itself: its totals and its state.

Not for when any of this is published (`edge.node.service`), and without a clock.
"""

from __future__ import annotations

from dataclasses import dataclass

GAIN_STEP_DB = 3.0  # a level that drifts is not told with every decibel


@dataclass(frozen=True)
class StreamTotals:
    """What one stream has received and found since the start."""

    received_s: float = 0.0
    """Sound that arrived, seconds."""
    measurable_s: float = 0.0
    """Sound that could be judged, seconds of score frames."""
    lost_s: float = 0.0
    """Sound that the source announced as lost, seconds."""
    gaps: int = 0
    """Gaps that the source announced."""
    events: int = 0
    """Events that began."""
    busy_s: float = 0.0
    """Computing time of the detector, seconds."""
    concealed_s: float = 0.0
    """Sound that stood in for what was lost, seconds; it was judged and never received."""

    def __add__(self, other: StreamTotals) -> StreamTotals:
        """The totals of two streams."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return StreamTotals(*(mine + theirs for mine, theirs in pairs))

    def __str__(self) -> str:
        """The summary line of a run."""
        factor = self.busy_s / self.received_s if self.received_s else 0.0
        plural = "" if self.events == 1 else "s"
        return (
            f"received {self.received_s:.1f} s, measurable {self.measurable_s:.1f} s, {self.events} event{plural}, "
            f"real-time factor {factor:.3f} (computing time per second of sound)"
        )


@dataclass(frozen=True)
class State:
    """State of a stream as published."""

    name: str
    """`ok`, `degraded`, `lost`, `disabled`, or `unknown` before the first sound."""
    reason: str
    """Why, for the operator; empty if `ok`."""
    since_s: float
    """Since when, seconds since 1970."""
    verified: bool | None = None
    """Whether it sounds like what the model knows; None where that is not judged."""
    gain_db: int = 0
    """What is added to its level, dB; told again when it has moved by `GAIN_STEP_DB`."""
