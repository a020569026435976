"""The contract of MQTT, `laennec/v1`: one model for each message, which builds, encodes, reads and documents it.

`parse` reads what comes from a broker; a model's `model_construct(...).encode()` makes what goes there. JSON Schemas
and the table of the README are made of the models by `python -m edge.contract`. Fields are only ever added, each with a
default: a reader meets older nodes, and ignores what it does not know of newer ones. Never a patient; audio in
`laennec.sound/1` alone.
Moves nothing (`edge.delivery`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge.contract.alarms import AlarmMessage, ResultMessage, TransitionMessage
from edge.contract.clips import ClipMessage
from edge.contract.events import EventMessage, GapMessage
from edge.contract.fields import Body
from edge.contract.live import ListeningMessage, MelMessage, SoundMessage
from edge.contract.message import Message, decode, read
from edge.contract.pauses import PauseMessage
from edge.contract.status import IngestStatus, NodeHealth, NodeInfo, NodeStatus
from edge.contract.stream_status import ShadowMessage, StreamHealth, StreamInfo, StreamStatus
from edge.contract.topics import OF_BED, Address, TopicNames, read_topic
from edge.contract.trend import BreathMessage, TrendMessage

MAX_BYTES = 65_536  # ten times the largest message

MESSAGES: tuple[type[Message], ...] = (
    NodeStatus,
    NodeInfo,
    NodeHealth,
    AlarmMessage,
    TransitionMessage,
    StreamStatus,
    StreamInfo,
    StreamHealth,
    EventMessage,
    GapMessage,
    PauseMessage,
    TrendMessage,
    BreathMessage,
    ClipMessage,
    MelMessage,
    SoundMessage,
    ListeningMessage,
    ShadowMessage,
    ResultMessage,
    IngestStatus,
)
"""All that a node or an ingester publishes."""
Record = EventMessage | TrendMessage | TransitionMessage | GapMessage | ClipMessage | PauseMessage
"""What happened in a ward, and is kept; how it is now is not."""
RECORDS: dict[str, type[Record]] = {
    "events": EventMessage,
    "trends": TrendMessage,
    "alarms": TransitionMessage,
    "gaps": GapMessage,
    "clips": ClipMessage,
    "pauses": PauseMessage,
}
"""By the name of the table that they belong to."""
_TABLE_OF = {kind: table for table, kind in RECORDS.items()}


def filters(prefix: str, kinds: Iterable[type[Message]], sites: Iterable[str] = ("+",)) -> list[str]:
    """What to subscribe to for messages of these kinds, of every node of these sites."""
    return [f"{prefix}/{site}/+/{topic}" for site in sites for kind in kinds for topic in kind.wire.topics]


def table_of(record: Record) -> str:
    """Name of the table that it belongs to."""
    return _TABLE_OF[type(record)]


def kind_of(names: TopicNames) -> type[Message]:
    """What comes on a topic.

    Raises:
        ValueError: nothing of the contract.
    """
    kind, fixed = _BY_SHAPE.get((bool(names.stream), names.levels[0], len(names.levels)), (None, ""))
    if kind is None or fixed not in ("+", names.levels[-1]):
        raise ValueError("not a topic of the contract")
    return kind


@dataclass(frozen=True)
class Received:
    """One message from a broker."""

    names: TopicNames
    kind: type[Message]
    message: Message | None
    """None: what was retained is cleared."""

    @property
    def address(self) -> Address:
        """Whose it is, as the topic says, which the broker's access list guards."""
        return self.names.address


def parse(prefix: str, topic: str, payload: bytes) -> Received:
    """Read a message.

    Args:
        prefix: first levels of all topics.
        topic: where it came.
        payload: bytes of unknown origin.

    Raises:
        ValueError: it is not of the contract; what is wrong, in one line.
    """
    names = read_topic(prefix, topic)
    kind = kind_of(names)
    return Received(names, kind, read(kind, _body(kind, payload)) if payload else None)


def parse_record(prefix: str, topic: str, payload: bytes) -> tuple[Record, Body]:
    """What happened in a ward, and its whole body, with fields that nobody knows yet; as `parse`.

    Its site and node are those of the body, where it names them: they were so when it was decided.

    Raises:
        ValueError: it is not of the contract, or of another bed than its topic; what is wrong, in one line.
    """
    names = read_topic(prefix, topic)
    kind = kind_of(names)
    body = _body(kind, payload)
    if (names.stream or None) != body.get("stream"):
        raise ValueError("the message names another bed than its topic")
    return read_record({"site": names.site, "node": names.node, **body}), body


def read_record(body: Body) -> Record:
    """The record of a body that names its site and node.

    Raises:
        ValueError: which field is wrong.
    """
    if (kind := _BY_SCHEMA.get(str(body.get("schema")))) is None:
        raise ValueError(f"expected an event, a trend, a gap or the like, found {str(body.get('schema'))[:64]!r}")
    return read(kind, body)


def _body(kind: type[Message], payload: bytes) -> Body:
    body = decode(payload, MAX_BYTES)
    if body.get("schema") != kind.wire.schema:
        raise ValueError(f"expected the schema of its topic, found {str(body.get('schema'))[:64]!r}")
    return body


def _shapes() -> dict[tuple[bool, str, int], tuple[type[Message], str]]:
    """By whether it is of a bed, the first level behind that, and how many there are: the kind, and its last level."""
    found = {}
    for kind in MESSAGES:
        for topic in kind.wire.topics:
            is_bed = topic.startswith(f"{OF_BED}/+/")
            levels = topic.split("/")[2 if is_bed else 0 :]
            found[is_bed, levels[0], len(levels)] = kind, levels[-1]
    return found


_BY_SHAPE = _shapes()
_BY_SCHEMA = {kind.wire.schema: kind for kind in RECORDS.values()}
