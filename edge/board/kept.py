"""What was heard of one bed or node: the last message of each kind, with the moment at which it was made. Pure.

Not for taking messages (`edge.board.ward_state`). Times here are seconds on the board's clock, which only goes
forward: a message that comes live was made now, whatever its own clock says; one that the broker had stored is as old
as its `ts` says, and of unknown age where the board's clock has not reached that yet. So neither a node's wrong clock
nor a step of the board's makes an old state look fresh.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edge.contract.alarms import AlarmMessage
from edge.contract.status import NodeHealth, NodeInfo, NodeStatus
from edge.contract.stream_status import StreamHealth, StreamStatus
from edge.contract.trend import TrendMessage

DAY_MINUTES = 24 * 60
MAX_GROUPS = 4  # of classes whose burden is shown; a node tells of two
AHEAD_S = 5.0  # how far a clock may be ahead of the board's for what was stored to be as old as it says

Dated = NodeStatus | StreamStatus | NodeHealth | StreamHealth | TrendMessage | AlarmMessage
"""Messages that say how something is, and when."""
AnyBody = TypeVar("AnyBody", bound=Dated)


@dataclass(frozen=True)
class Kept(Generic[AnyBody]):
    """The last message of its kind."""

    body: AnyBody
    made_s: float
    """When it was made; where nobody knows, when it came."""
    is_dated: bool = True
    """Whether that is known."""
    since_s: float | None = None
    """Of an alarm or a bed's status: since when it is so."""
    began_s: float | None = None
    """Of an alarm: when its episode began, whoever acknowledged it since."""

    def age_s(self, now_s: float) -> float:
        """How long ago it was made; infinite where nobody knows."""
        return now_s - self.made_s if self.is_dated else math.inf

    def at_s(self, node_s: float) -> float:
        """A past time of the node's clock, as in the message, on the board's clock: not after it was made."""
        return min(self.made_s, self.until_s(node_s))

    def until_s(self, node_s: float) -> float:
        """The same of a time to come."""
        return self.made_s - (self.body.ts - node_s)


@dataclass(frozen=True)
class Minute:
    """What a trend said of the minute before it."""

    made_s: float
    coverage: float
    s_per_min: dict[str, float | None]
    """By group of classes; None: unknown."""


@dataclass(frozen=True)
class Unread:
    """An alarm of which nobody can say how it is now, whatever was said of it before."""

    at_s: float
    """Since when."""
    last_s: float
    """When the last such message came."""
    boot_id: str = ""
    """Of the process whose message was cleared at the broker; empty: a message came that cannot be read."""


Alarms = dict[str, Kept[AlarmMessage]]
"""By condition."""


@dataclass
class BedState:
    """What was heard of one bed."""

    status: Kept[StreamStatus] | None = None
    health: Kept[StreamHealth] | None = None
    trend: Kept[TrendMessage] | None = None
    alarms: Alarms = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    """By condition, until a message of it is read, or none comes any more."""
    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=DAY_MINUTES))
    measured_s: float | None = None
    """When it was last known to be measured."""
    lost_s: float | None = None
    """Since when its status has been `lost`; None if it is not."""
    is_listed: bool = False
    """Whether its node has said that its settings have it."""
    told_s: float | None = None
    """When something came live, or its status, for the first time: leftovers at the broker alone make no bed."""

    @property
    def is_told(self) -> bool:
        """Whether it is a bed."""
        return self.told_s is not None


@dataclass
class NodeState:
    """What was heard of one node."""

    status: Kept[NodeStatus] | None = None
    health: Kept[NodeHealth] | None = None
    info: NodeInfo | None = None
    alarms: Alarms = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    """As of a bed."""
    beds: dict[str, BedState] = field(default_factory=dict)
    hidden_s: float | None = None
    """When a bed of it had no room last."""
    clock_off_s: float | None = None
    """How far its clock is ahead of the board's, by its last live message, delay included."""


@dataclass(frozen=True)
class Arrival:
    """When and how a message came."""

    at_s: float
    """On the board's clock."""
    wall_s: float
    """Seconds since 1970."""
    is_stored: bool = False
    """Whether the broker had it before."""

    def made_s(self, ts: float) -> float:
        """When a message with this `ts` was made, on the board's clock."""
        return self.at_s - max(0.0, self.wall_s - ts) if self.is_stored else self.at_s

    def is_dated(self, ts: float) -> bool:
        """Whether that is known: a stored message whose time is still to come may be of any age."""
        return not self.is_stored or ts <= self.wall_s + AHEAD_S
