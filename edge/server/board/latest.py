"""The last message of each kind of a bed or node, and when it was made; the events and pauses of a bed. Pure.

Not for taking messages (`edge.server.board.ward`). Times here are seconds on the board's clock, which only goes
forward: a message that comes live was made now, whatever its own clock says; one that the broker had stored is as old
as its `ts` says, and of unknown age where the board's clock has not reached that yet. So neither a node's wrong clock
nor a step of the board's makes an old state look fresh.

Events and pauses are one for each id, onset, updates and end together. They are in memory alone: the last `MAX_SOUNDS`
of a bed, and as many pauses. Copies and late revs change nothing: of an id the highest rev counts, of two the first.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from edge.contract.alarms import AlarmMessage
from edge.contract.clips import ClipMessage
from edge.contract.events import EventMessage
from edge.contract.fields import Kind, Priority
from edge.contract.live import ListeningMessage
from edge.contract.pauses import PauseMessage
from edge.contract.status import NodeHealth, NodeInfo, NodeStatus
from edge.contract.stream_status import StreamHealth, StreamStatus
from edge.contract.topics import Address
from edge.contract.trend import BreathMessage, TrendMessage

DAY_MINUTES = 24 * 60
MAX_GROUPS = 4  # of classes whose burden is shown; a node publishes two
MAX_EPISODES = 200  # of the alarms of a bed: a shift's
AHEAD_S = 5.0  # how far a clock may be ahead of the board's for what was stored to be as old as it says

Dated = (
    NodeStatus
    | StreamStatus
    | NodeHealth
    | StreamHealth
    | TrendMessage
    | BreathMessage
    | AlarmMessage
    | ListeningMessage
)
"""Messages that say how something is, and when."""
AnyBody = TypeVar("AnyBody", bound=Dated)
AnyLatest = TypeVar("AnyLatest")


@dataclass(frozen=True)
class Latest(Generic[AnyBody]):
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
class BedListener:
    """Who listens to a bed now."""

    by: str
    since_s: float
    until_s: float


@dataclass(frozen=True)
class Minute:
    """What a trend said of the minute before it."""

    made_s: float
    coverage: float
    s_per_min: dict[str, float | None]
    """By group of classes; None: unknown."""
    per_min: float | None = None
    """Median of the respiratory rates that were known in it; None: none was."""


@dataclass(frozen=True)
class Episode:
    """One time that an alarm was signalled, as far as this board has received; times on its clock."""

    condition: str
    kind: Kind
    priority: Priority
    began_s: float
    over_s: float | None = None
    """None: it lasts."""
    by: str = ""
    """Who acknowledged it; empty: nobody."""
    seen_s: float | None = None
    """When."""


@dataclass(frozen=True)
class Unread:
    """An alarm of which nobody can say how it is now, whatever was said of it before."""

    at_s: float
    """Since when."""
    last_s: float
    """When the last such message came."""
    boot_id: str = ""
    """Of the process whose message was cleared at the broker; empty: a message came that cannot be read."""


Alarms = dict[str, Latest[AlarmMessage]]
"""By condition."""


@dataclass
class BedState:
    """What was received of one bed."""

    status: Latest[StreamStatus] | None = None
    health: Latest[StreamHealth] | None = None
    trend: Latest[TrendMessage] | None = None
    breath: Latest[BreathMessage] | None = None
    listening: Latest[ListeningMessage] | None = None
    may_listen: bool = False
    """Whether its node lets people listen to it."""
    rates: list[float] = field(default_factory=list)
    """Respiratory rates that were known since the last minute of `minutes`."""
    alarms: Alarms = field(default_factory=dict)
    unread: dict[str, Unread] = field(default_factory=dict)
    """By condition, until a message of it is read, or none comes any more."""
    episodes: dict[tuple[str, str, int], Episode] = field(default_factory=dict)
    """By boot, condition and number, the last `MAX_EPISODES` of them."""
    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=DAY_MINUTES))
    measured_s: float | None = None
    """When it was last known to be measured."""
    lost_s: float | None = None
    """Since when its status has been `lost`; None if it is not."""
    age: str = ""
    """Of its patient, as its node says; empty: not known."""
    patient_s: float | None = None
    """When a new one came, as far as this board has received."""
    is_listed: bool = False
    """Whether its node has said that its settings have it."""
    received_s: float | None = None
    """When something came live, or its status, for the first time: leftovers at the broker alone make no bed."""

    @property
    def is_received(self) -> bool:
        """Whether it is a bed."""
        return self.received_s is not None


@dataclass
class NodeState:
    """What was received of one node."""

    status: Latest[NodeStatus] | None = None
    health: Latest[NodeHealth] | None = None
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


MAX_SOUNDS = 200  # of one bed; some hours of a bed that wheezes
MAX_BEDS = 512
KINDS = EventMessage, ClipMessage
CLIP_WORDS = {"speech": "somebody speaks in it", "queue full": "the box was too busy", "disk": "its disk fails"}


@dataclass(frozen=True)
class StoredEvent:
    """One event, as far as it was published."""

    id: str
    rev: int
    label: str
    is_open: bool
    """No end was published."""
    boot_id: str
    """Of the process whose samples are counted."""
    begin_s: float
    """Onset in the stream: sample index / rate."""
    end_s: float | None
    """The same of its end, or of what was received of it last; None: not reported."""
    time: float
    """Of the onset, seconds since 1970 on the node's clock."""
    peak: float
    threshold: float
    is_test: bool
    clip: str
    """Id of the clip that holds it; empty: there is none."""
    clip_lost: str
    """Why that clip is not kept, for a person; empty: nothing is known against it."""


class EventStore:
    """What was received of all beds."""

    def __init__(self) -> None:
        self._beds: dict[Address, dict[str, StoredEvent]] = {}
        self._pauses: dict[Address, dict[str, PauseMessage]] = {}
        self.refused: Counter[str] = Counter()
        """Events and pauses that had no room, by cause."""

    def push(self, address: Address, message: EventMessage | ClipMessage) -> list[StoredEvent]:
        """Take one message; return the sounds that it changed."""
        if isinstance(message, ClipMessage):
            return self._clip(address, message)
        if message.self_test:
            return []
        if (bed := self._bed(self._beds, address)) is None:
            return []
        before = bed.get(message.id)
        if before is not None and message.rev <= before.rev:
            return []
        if before is None and len(bed) >= MAX_SOUNDS:
            del bed[min(bed, key=lambda ident: bed[ident].time)]
        bed[message.id] = _sound(message, before)
        return [bed[message.id]]

    def push_pause(self, address: Address, message: PauseMessage) -> bool:
        """Take the onset or the end of a pause of breath; whether it changed anything."""
        if (bed := self._bed(self._pauses, address)) is None:
            return False
        before = bed.get(message.id)
        if before is not None and message.rev <= before.rev:
            return False
        if before is None and len(bed) >= MAX_SOUNDS:
            del bed[min(bed, key=lambda ident: bed[ident].at_s)]
        bed[message.id] = message
        return True

    def of(self, address: Address) -> list[StoredEvent]:
        """Of a bed, the latest onset last."""
        return sorted(self._beds.get(address, {}).values(), key=lambda sound: (sound.time, sound.id))

    def pauses(self, address: Address) -> list[PauseMessage]:
        """Of a bed, as they were published last."""
        return list(self._pauses.get(address, {}).values())

    def _bed(self, beds: dict[Address, dict[str, AnyLatest]], address: Address) -> dict[str, AnyLatest] | None:
        """What is kept of a bed; None: it has no room."""
        if address not in beds and len(beds) >= MAX_BEDS:
            self.refused["more beds with events than fit"] += 1
            return None
        return beds.setdefault(address, {})

    def _clip(self, address: Address, message: ClipMessage) -> list[StoredEvent]:
        bed = self._beds.get(address, {})
        lost = "" if message.state == "stored" else _why(message.state, message.cause)
        changed = [replace(each, clip_lost=lost) for each in bed.values() if each.clip == message.id]
        bed.update({each.id: each for each in changed})
        return changed


def _sound(message: EventMessage, before: StoredEvent | None) -> StoredEvent:
    sample, clip = message.sample, message.clip
    last = sample.end if sample.end is not None else sample.until
    lost = before.clip_lost if before is not None else ""
    if clip is not None and clip.withheld:
        lost = _why("withheld", clip.withheld)
    return StoredEvent(
        message.id,
        message.rev,
        message.label,
        message.type != "end",
        message.boot_id,
        sample.onset / sample.rate,
        None if last is None else last / sample.rate,
        message.time.onset,
        message.scores.peak,
        message.scores.threshold,
        message.mode == "Test",
        "" if clip is None else clip.id,
        lost,
    )


def _why(state: str, cause: str) -> str:
    return f"{state}: {CLIP_WORDS.get(cause, cause)}"
