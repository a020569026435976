"""What was heard of every node and bed, each message with the moment at which it was made. Pure.

Not for what it means now (`edge.board.ward_view`). Times here are seconds on the board's clock, which only goes
forward: a message that comes live was made now, whatever its own clock says; one that the broker had stored is as old
as its `ts` says. So neither a node's wrong clock nor a step of the board's makes an old state look fresh.

Everything is bounded. What has no room is counted in `refused`, never left out silently.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from edge.board.wire import (
    Alarm,
    Body,
    Heard,
    NodeHealth,
    NodeInfo,
    NodeStatus,
    Place,
    StreamHealth,
    StreamStatus,
    Trend,
)  # fmt: skip

MAX_NODES = 128
MAX_BEDS = 512
MAX_ALARMS = 24  # of one bed or node; the contract has 10
DAY_MINUTES = 24 * 60
STEP_S = 45.0  # between two minutes that are remembered, at least: a node tells one every 60 s
WINDOW_S = 300  # which window of a trend says whether a bed is measured: that which its alarms look at

AnyBody = TypeVar("AnyBody", bound=Body)


@dataclass(frozen=True)
class Kept(Generic[AnyBody]):
    """The last message of its kind."""

    body: AnyBody
    made_s: float
    """When it was made."""

    def at_s(self, node_s: float) -> float:
        """A time of the node's clock, as in the message, on the board's clock."""
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
    boot_id: str = ""
    """Of the process whose message was cleared at the broker; empty: a message came that cannot be read."""


Alarms = dict[str, Kept[Alarm]]
"""By condition."""


@dataclass
class BedState:
    """What was heard of one bed."""

    status: Kept[StreamStatus] | None = None
    health: Kept[StreamHealth] | None = None
    trend: Kept[Trend] | None = None
    alarms: Alarms = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    """By condition, until a message of it is read."""
    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=DAY_MINUTES))
    measured_s: float | None = None
    """When it was last known to be measured."""
    is_told: bool = False
    """Whether anything came live, or it has a status: leftovers at the broker alone make no bed."""


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


class Ward:
    """All nodes and their beds, as last heard."""

    def __init__(self) -> None:
        """Nothing has been heard."""
        self.nodes: dict[tuple[str, str], NodeState] = {}
        """By (site, node)."""
        self.refused: Counter[str] = Counter()
        """Messages that had no room, by cause."""
        self._beds = 0

    def push(self, heard: Heard, arrival: Arrival) -> None:
        """Take one message."""
        place, body = heard.place, heard.body
        if body is None:
            self._clear(heard, arrival)
        elif (node := self._node(place)) is None:
            self.refused["more nodes than fit"] += 1
        elif isinstance(body, NodeInfo):
            node.info = body
        else:
            kept: Kept[Body] = Kept(body, arrival.made_s(body.ts))
            if not arrival.is_stored:
                node.clock_off_s = body.ts - arrival.wall_s
            self._keep(node, heard, kept, arrival)

    def miss(self, place: Place, condition: str, arrival: Arrival) -> None:
        """An alarm that cannot be read came: its bed is not known until one can; it makes no bed or node."""
        part = self._part(place)
        if part is None:
            return
        if condition not in part.unread and len(part.unread) >= MAX_ALARMS:
            self.refused["more alarms than fit"] += 1
        else:
            part.unread.setdefault(condition, Unread(arrival.at_s))

    def _keep(self, node: NodeState, heard: Heard, kept: Kept[Body], arrival: Arrival) -> None:
        body, stream = kept.body, heard.place.stream
        bed = self._bed(node, stream) if stream else None
        if stream and bed is None:
            self.refused["more beds than fit"] += 1
        elif isinstance(body, Alarm):
            self._keep_alarm(node if bed is None else bed, heard.condition, Kept(body, kept.made_s), arrival)
        elif bed is None:
            _keep_of_node(node, kept)
        else:
            _keep_of_bed(bed, kept)
        if bed is not None:
            bed.is_told = bed.is_told or not arrival.is_stored or isinstance(body, StreamStatus)

    def _keep_alarm(self, part: NodeState | BedState, condition: str, kept: Kept[Alarm], arrival: Arrival) -> None:
        """Unless one that was made later is there: by its number, or where it comes live by the node's clock."""
        before, body = part.alarms.get(condition), kept.body
        if before is None and len(part.alarms) >= MAX_ALARMS:
            self.refused["more alarms than fit"] += 1
            return
        is_overtaken = (
            before is not None
            and before.body.boot_id == body.boot_id
            and body.rev < before.body.rev
            and (arrival.is_stored or body.ts <= before.body.ts)
        )
        if not is_overtaken:
            part.alarms[condition] = kept
            part.unread.pop(condition, None)

    def _part(self, place: Place) -> NodeState | BedState | None:
        """What is known of a bed, or of a node itself."""
        node = self.nodes.get((place.site, place.node))
        return node if node is None or not place.stream else node.beds.get(place.stream)

    def _node(self, place: Place) -> NodeState | None:
        key = (place.site, place.node)
        if key not in self.nodes and len(self.nodes) < MAX_NODES:
            self.nodes[key] = NodeState()
        return self.nodes.get(key)

    def _bed(self, node: NodeState, stream: str) -> BedState | None:
        if stream not in node.beds and self._beds < MAX_BEDS:
            node.beds[stream] = BedState()
            self._beds += 1
        return node.beds.get(stream)

    def _clear(self, heard: Heard, arrival: Arrival) -> None:
        """A cleared status takes its bed or node away; of all else but alarms the last word goes by its age."""
        place, node = heard.place, self.nodes.get((heard.place.site, heard.place.node))
        if node is None:
            return
        if heard.kind is Alarm:
            self._clear_alarm(node, heard, arrival)
        elif heard.kind is StreamStatus:
            self._beds -= node.beds.pop(place.stream, None) is not None
        elif heard.kind is NodeStatus:
            self._beds -= len(self.nodes.pop((place.site, place.node)).beds)

    def _clear_alarm(self, node: NodeState, heard: Heard, arrival: Arrival) -> None:
        """One of the running process is not over by that, and its words stay; one of an earlier process is gone."""
        part = self._part(heard.place)
        kept = None if part is None else part.alarms.get(heard.condition)
        if part is None:
            return
        if kept is not None and (node.status is None or node.status.body.boot_id == kept.body.boot_id):
            part.unread[heard.condition] = Unread(arrival.at_s, kept.body.boot_id)
        else:
            part.alarms.pop(heard.condition, None)
            part.unread.pop(heard.condition, None)


def _keep_of_node(node: NodeState, kept: Kept[Body]) -> None:
    body = kept.body
    if isinstance(body, NodeHealth):
        node.health = Kept(body, kept.made_s)
    elif isinstance(body, NodeStatus):
        before = None if node.status is None else node.status.body
        is_late = (
            body.state == "offline"  # the will of a session that another has followed
            and before is not None
            and before.state == "online"
            and before.session != body.session
        )
        node.status = node.status if is_late else Kept(body, kept.made_s)


def _keep_of_bed(bed: BedState, kept: Kept[Body]) -> None:
    body = kept.body
    if isinstance(body, StreamStatus):
        bed.status = Kept(body, kept.made_s)
    elif isinstance(body, StreamHealth):
        bed.health = Kept(body, kept.made_s)
    elif isinstance(body, Trend):
        bed.trend = Kept(body, kept.made_s)
        window = min(body.windows, key=lambda each: each.s, default=None)
        is_next = not bed.minutes or kept.made_s - bed.minutes[-1].made_s >= STEP_S
        if window is not None and is_next:
            groups = {name: group.s_per_min for name, group in window.groups.items()}
            bed.minutes.append(Minute(kept.made_s, window.coverage, groups))
        if any(each.s == WINDOW_S and each.known for each in body.windows):
            bed.measured_s = kept.made_s
