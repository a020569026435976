"""What the screen shows of one bed, as plain records: the words, the numbers, how urgent it is.

Not for finding any of it (`edge.board.ward_view`), and not for colours or shapes (`edge/board/static`). Every text may
come from the wire: whoever shows it shows it as text. Times are seconds on the board's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.contract.fields import Kind, Priority, Signal

Level = Literal["alarm", "unknown", "latched", "waiting", "seen", "inactive", "quiet"]
"""alarm: signalled, unanswered. unknown: nobody can say how the bed is. latched: over, and nobody has seen it. waiting:
not measured, for less long than what makes an alarm of it. seen: lasts, acknowledged. inactive: a person has switched
its alarms off for a while. quiet: measured, and below its limits."""


@dataclass(frozen=True)
class Who:
    """Who did something, and why."""

    by: str
    why: str
    at_s: float
    until_s: float | None = None


@dataclass(frozen=True)
class AlarmLine:
    """One alarm of a bed."""

    condition: str
    words: str
    kind: Kind
    priority: Priority
    signal: Signal
    is_known: bool
    """Whether its condition is measured now."""
    is_watched: bool
    """False: it has no limit, or a person has inactivated it."""
    since_s: float | None
    """Since it began, while it lasts; else since the signal is what it is."""
    episode: int | None
    limit: float | None
    """s/min; None: none, or technical."""
    limit_by: Who | None
    seen_by: Who | None
    off_by: Who | None
    paused_until_s: float | None


@dataclass(frozen=True)
class BurdenLine:
    """The burden of one group of classes: seconds of sound in a measurable minute; None: unknown."""

    group: str
    words: str
    minutes_5: float | None
    hour: float | None
    limit: float | None
    points: tuple[tuple[float, float | None], ...]
    """Of the last hour, one a minute: (board's clock, minutes; s/min)."""


@dataclass(frozen=True)
class Tile:
    """One bed, or a node whose own alarms are signalled."""

    key: str
    site: str
    node: str
    stream: str
    """Empty: the node itself."""
    name: str
    """What it is called: the bed, or the node; where several have that name, with what tells it from them."""
    level: Level
    kind: Kind | None
    """Of what it shows first: of the patient or of the monitoring; None if nothing is wrong."""
    priority: Priority | None
    words: str
    """What is wrong, at a glance."""
    detail: str
    since_s: float | None
    """Since when it is so."""
    before: str
    """Of an unknown bed: what was signalled when that was last known."""
    also: str
    """Of a known bed: what else is signalled, seen, over or inactivated, that of the patient first."""
    is_also_of_patient: bool
    """Whether any of that is of the patient."""
    sound: Priority | None
    """The burst that is to be heard now."""
    is_test: bool
    """Whether nobody may be alarmed by it."""
    alarms: tuple[AlarmLine, ...]
    burdens: tuple[BurdenLine, ...]
    coverage: float | None
    """Share of the last 5 min that was measured; None: unknown."""
    coverage_hour: float | None
    missing: str
    """What most of the rest was."""
    fault: str
    """What is wrong with the sound now; empty if nothing is known to be."""
    battery_percent: float | None
    contact: str
    """Whether the sensor touches: yes, no, or empty where nobody can tell."""
    order: tuple[int, bool, int, str]
    """Tiles are sorted by it: rank of urgency, whether nothing was signalled before, since when, name."""
