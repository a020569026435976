"""The state of the ward by its messages, and which bed makes room for another. Pure.

Not for what it means now (`edge.server.board.ward_view`), nor for the age of a message (`edge.server.board.latest`).
Everything is bounded, and no node takes the room of all others. What has no room is counted in `refused`.

Anybody whom the broker lets write a node's topics can invent beds there. A node has a claim to as many beds as its
`info` says, once it has published its birth; what it has beyond that is surplus. A bed that its node has a claim to
takes the place of surplus, of the node with most; where there is none, the node with most beds gives one to a node that
has fewer. Surplus takes the place of nothing but surplus, of a node that has more of it. So what settles is the same in
any order of messages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from edge.contract import Received
from edge.contract.alarms import AlarmMessage
from edge.contract.live import ListeningMessage
from edge.contract.status import NodeHealth, NodeInfo, NodeStatus
from edge.contract.stream_status import StreamHealth, StreamInfo, StreamStatus
from edge.contract.topics import Address
from edge.contract.trend import BreathMessage, TrendMessage
from edge.server.board.latest import (
    MAX_BEDS,
    MAX_EPISODES,
    MAX_GROUPS,
    Arrival,
    BedState,
    Dated,
    Episode,
    Latest,
    Minute,
    NodeState,
    Unread,
)


def claim_of(node: NodeState) -> int:
    """How many beds it says to have; none before its birth."""
    return 0 if node.status is None or node.info is None else node.info.streams


def surplus_of(node: NodeState) -> int:
    """How many beds it has beyond that."""
    return max(0, len(node.beds) - claim_of(node))


def giving_room(nodes: Sequence[NodeState], node: NodeState) -> NodeState | None:
    """The node that gives a bed, so that `node` may have one more; None: that one has no room.

    Args:
        nodes: all there are.
        node: one of them.
    """
    most = max(nodes, key=surplus_of)
    if len(node.beds) >= claim_of(node):
        return most if surplus_of(most) > surplus_of(node) + 1 else None
    if surplus_of(most) > 0:
        return most
    largest = max(nodes, key=lambda each: len(each.beds))
    return largest if len(largest.beds) > len(node.beds) + 1 else None


def least_of(node: NodeState) -> str:
    """The bed of a node that goes first: the newest of those that its settings do not list, else the newest."""
    names = list(node.beds)[::-1]
    return next((name for name in names if not node.beds[name].is_listed), names[0])


MAX_NODES = 128
MAX_ALARMS = 24  # of one bed or node; the contract has 10
KINDS = (
    NodeStatus,
    NodeHealth,
    NodeInfo,
    StreamInfo,
    StreamStatus,
    StreamHealth,
    TrendMessage,
    BreathMessage,
    ListeningMessage,
    AlarmMessage,
)
"""What is kept here."""
MAX_RATES = 24  # of one minute; a node publishes twelve
STEP_S = 45.0  # between two minutes that are remembered, at least: a node publishes one every 60 s
WINDOW_S = 300  # which window of a trend says whether a bed is measured: that which its alarms look at


class Ward:
    """All nodes and their beds, as last received."""

    def __init__(self) -> None:
        self.nodes: dict[tuple[str, str], NodeState] = {}
        """By (site, node)."""
        self.refused: Counter[str] = Counter()
        """Messages that had no room, by cause."""
        self._beds = 0

    def push(self, received: Received, arrival: Arrival) -> None:
        """Take one message."""
        address, body = received.address, received.message
        if body is None:
            self._clear(received, arrival)
        elif (node := self._node(address)) is None:
            self.refused["more nodes than fit"] += 1
        elif isinstance(body, NodeInfo):
            node.info = body
        elif isinstance(body, StreamInfo):
            if (bed := self._bed(address, arrival.at_s)) is not None:
                bed.is_listed, bed.age, bed.may_listen = True, body.age or "", bool(body.listen)
        elif isinstance(body, Dated):
            latest: Latest[Dated] = Latest(body, arrival.made_s(body.ts), arrival.is_dated(body.ts))
            if not arrival.is_stored:
                node.clock_off_s = body.ts - arrival.wall_s
            self._store(node, received, latest, arrival)

    def miss(self, address: Address, condition: str, arrival: Arrival) -> None:
        """An alarm that cannot be read came: its bed is not known until one can; it makes no bed or node."""
        part = self._part(address)
        if part is None:
            return
        before = part.unread.get(condition)
        if before is None and len(part.unread) >= MAX_ALARMS:
            self.refused["more alarms than fit"] += 1
        else:
            part.unread[condition] = Unread(arrival.at_s if before is None else before.at_s, arrival.at_s)

    def _store(self, node: NodeState, received: Received, latest: Latest[Dated], arrival: Arrival) -> None:
        body, stream = latest.body, received.address.stream
        bed = self._bed(received.address, arrival.at_s) if stream else None
        if stream and bed is None:
            return
        if isinstance(body, AlarmMessage):
            part = node if bed is None else bed
            self._store_alarm(part, received.names.levels[1], Latest(body, latest.made_s, latest.is_dated), arrival)
        elif bed is None:
            _store_of_node(node, latest)
        else:
            _store_of_bed(bed, latest)
        if bed is not None and bed.received_s is None and (not arrival.is_stored or isinstance(body, StreamStatus)):
            bed.received_s = arrival.at_s

    def _store_alarm(
        self, part: NodeState | BedState, condition: str, latest: Latest[AlarmMessage], arrival: Arrival
    ) -> None:
        """Unless one that was made later is there: by its number, or where it comes live by the node's clock."""
        before, body = part.alarms.get(condition), latest.body
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
            before = before if before is not None and before.body.episode == body.episode else None
            since_s = _since_s(latest, body.since, before)
            part.alarms[condition] = replace(latest, since_s=since_s, began_s=_began_s(latest, since_s, before))
            part.unread.pop(condition, None)
            if isinstance(part, BedState):
                _store_episode(part, condition, part.alarms[condition])

    def _part(self, address: Address) -> NodeState | BedState | None:
        """What is known of a bed, or of a node itself."""
        node = self.nodes.get((address.site, address.node))
        return node if node is None or not address.stream else node.beds.get(address.stream)

    def _node(self, address: Address) -> NodeState | None:
        key = (address.site, address.node)
        if key not in self.nodes and len(self.nodes) < MAX_NODES:
            self.nodes[key] = NodeState()
        return self.nodes.get(key)

    def _bed(self, address: Address, now_s: float) -> BedState | None:
        """A bed, if there is room for it; where there is none, a node that has more than its share makes some."""
        node = self.nodes[address.site, address.node]
        if address.stream in node.beds:
            return node.beds[address.stream]
        if self._beds >= MAX_BEDS:
            if (other := giving_room(list(self.nodes.values()), node)) is None:
                node.hidden_s = now_s
                return None
            del other.beds[least_of(other)]
            other.hidden_s = now_s
            self._beds -= 1
        self._beds += 1
        return node.beds.setdefault(address.stream, BedState())

    def _clear(self, received: Received, arrival: Arrival) -> None:
        """A cleared status takes its bed or node away, a cleared burden what was measured of the patient before."""
        address, node = received.address, self.nodes.get((received.address.site, received.address.node))
        if node is None:
            return
        if received.kind is AlarmMessage:
            self._clear_alarm(node, received, arrival)
        elif received.kind is TrendMessage and (bed := node.beds.get(address.stream)) is not None:
            bed.trend, bed.breath, bed.patient_s = None, None, arrival.at_s
            bed.minutes.clear()
            bed.rates.clear()
        elif received.kind is StreamStatus:
            self._beds -= node.beds.pop(address.stream, None) is not None
        elif received.kind is NodeStatus:
            self._beds -= len(self.nodes.pop((address.site, address.node)).beds)

    def _clear_alarm(self, node: NodeState, received: Received, arrival: Arrival) -> None:
        """One of the running process is not over by that, and its words stay; one of an earlier process is gone."""
        part = self._part(received.address)
        latest = None if part is None else part.alarms.get(received.names.levels[1])
        if part is None:
            return
        if latest is not None and (node.status is None or node.status.body.boot_id == latest.body.boot_id):
            part.unread[received.names.levels[1]] = Unread(arrival.at_s, arrival.at_s, latest.body.boot_id)
        else:
            part.alarms.pop(received.names.levels[1], None)
            part.unread.pop(received.names.levels[1], None)


def _store_of_node(node: NodeState, latest: Latest[Dated]) -> None:
    body = latest.body
    if isinstance(body, NodeHealth):
        node.health = Latest(body, latest.made_s, latest.is_dated)
    elif isinstance(body, NodeStatus):
        before = None if node.status is None else node.status.body
        is_late = (
            body.state == "offline"  # the will of a session that another has followed
            and before is not None
            and before.state == "online"
            and before.session != body.session
        )
        node.status = node.status if is_late else Latest(body, latest.made_s, latest.is_dated)


def _since_s(
    latest: Latest[AlarmMessage] | Latest[StreamStatus],
    since: float | None,
    before: Latest[AlarmMessage] | Latest[StreamStatus] | None,
) -> float | None:
    """Since when a state is so: as it was found at first, or a step of the node's clock would move it."""
    if since is None:
        return None
    is_same = before is not None and before.is_dated and before.body.boot_id == latest.body.boot_id
    is_same = is_same and before is not None and before.body.since == since
    return before.since_s if before is not None and is_same else latest.at_s(since)


def _began_s(latest: Latest[AlarmMessage], since_s: float | None, before: Latest[AlarmMessage] | None) -> float | None:
    """When an alarm began: as it was found at first; of a node that does not say so, as of its first signal here."""
    is_same = before is not None and before.is_dated and before.body.boot_id == latest.body.boot_id
    if before is not None and is_same and before.began_s is not None:
        return before.began_s
    return since_s if latest.body.began is None else latest.at_s(latest.body.began)


def _store_episode(bed: BedState, condition: str, latest: Latest[AlarmMessage]) -> None:
    """Record when an alarm was signalled, acknowledged and over; not one that was over before its first message."""
    body, since_s = latest.body, latest.since_s
    last = [key for key in bed.episodes if key[:2] == (body.boot_id, condition)][-1:]
    key = (body.boot_id, condition, body.episode) if body.episode is not None else last[0] if last else None
    before = None if key is None else bed.episodes.get(key)
    if key is None or not latest.is_dated or (before is None and body.signal == "Off"):
        return
    began_s = next(each for each in (latest.began_s, since_s, latest.made_s) if each is not None)
    found = before or Episode(condition, body.kind, body.priority, began_s)
    if not body.presence and found.over_s is None:
        over_s = latest.made_s if since_s is None or body.signal == "Off" else min(since_s, latest.made_s)
        found = replace(found, over_s=max(over_s, found.began_s))
    if body.acknowledged is not None and found.seen_s is None:
        found = replace(found, by=body.acknowledged.by, seen_s=latest.at_s(body.acknowledged.at))
    if before is None and len(bed.episodes) >= MAX_EPISODES:
        del bed.episodes[next(iter(bed.episodes))]
    bed.episodes[key] = replace(found, priority=body.priority) if body.signal != "Off" else found


def _store_of_bed(bed: BedState, latest: Latest[Dated]) -> None:
    body = latest.body
    if isinstance(body, StreamStatus):
        status = Latest(body, latest.made_s, latest.is_dated)
        bed.status = replace(status, since_s=_since_s(status, body.since, bed.status))
        if body.state != "lost":
            bed.lost_s = None
        elif bed.lost_s is None:
            bed.lost_s = latest.made_s
    elif isinstance(body, StreamHealth):
        bed.health = Latest(body, latest.made_s, latest.is_dated)
    elif isinstance(body, BreathMessage):
        bed.breath = Latest(body, latest.made_s, latest.is_dated)
        if body.breaths_per_min is not None and latest.is_dated and len(bed.rates) < MAX_RATES:
            bed.rates.append(body.breaths_per_min)
    elif isinstance(body, ListeningMessage):
        bed.listening = Latest(body, latest.made_s, latest.is_dated)
    elif isinstance(body, TrendMessage):
        bed.trend = Latest(body, latest.made_s, latest.is_dated)
        if latest.is_dated:
            _store_minute(bed, bed.trend)


def _store_minute(bed: BedState, trend: Latest[TrendMessage]) -> None:
    """What a trend says of the minute before it, and the respiratory rates that were published since the last."""
    windows = trend.body.windows
    window = min(windows, key=lambda each: each.s, default=None)
    is_next = not bed.minutes or trend.made_s - bed.minutes[-1].made_s >= STEP_S
    if window is not None and is_next:
        groups = {name: window.groups[name].s_per_min for name in sorted(window.groups)[:MAX_GROUPS]}
        per_min = median(bed.rates) if bed.rates else None
        bed.minutes.append(Minute(trend.made_s, window.coverage, groups, per_min))
        bed.rates.clear()
    if any(each.s == WINDOW_S and each.known for each in windows):
        bed.measured_s = trend.made_s
