"""The ward's messages as the board reads them: a topic and bytes of unknown origin become a plain record, or an error.

Not for what they mean together (`edge.board.ward_state`). Unknown fields are ignored, as the contract says; what a
field must be is checked strictly; text is cut and holds nothing that is not printable, so that no name can hide
another. The names of site, node, stream and condition are those of the topic, which the broker's access list guards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from edge.contract.fields import Kind, Priority, Signal
from edge.contract.topics import read_topic

MAX_BYTES = 65_536  # ten times the largest message of the contract
MAX_TEXT = 200
MAX_ITEMS = 16


def seconds_of(text: object) -> float:
    """RFC 3339 in UTC as seconds since 1970.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or len(text) > 40 or not text.endswith("Z"):
        raise ValueError("expected a time such as 2026-11-21T03:14:07.512Z")
    return datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp()


def printable(text: str, most: int = MAX_TEXT) -> str:
    """Text that shows as it is: cut, and without control characters or marks that turn its direction."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(each if each.isprintable() else "�" for each in cut)


def _some(values: list[str]) -> list[str]:
    return values[:MAX_ITEMS]


Text = Annotated[str, AfterValidator(printable)]
Texts = Annotated[list[Text], AfterValidator(_some)]
Time = Annotated[float, BeforeValidator(seconds_of)]
BootId = Annotated[str, Field(max_length=64)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Burden = Annotated[float, Field(ge=0, le=60)] | None


class Body(BaseModel):
    """What a message holds, as far as the board knows it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())

    boot_id: BootId
    ts: Time
    """When it was made, seconds since 1970 on the node's clock."""


class NodeStatus(Body):
    """`laennec.status/1`."""

    state: Literal["online", "offline", "stopped"]
    session: Text


class StreamStatus(Body):
    """`laennec.stream/1`."""

    state: Literal["ok", "degraded", "lost", "disabled"]
    reason: Text
    since: Time


class Waiting(BaseModel):
    """Of a node's health: its outbox."""

    model_config = Body.model_config
    waiting: Count
    oldest_s: Seconds = 0.0
    on_disk: bool = True


class NodeHealth(Body):
    """`laennec.health/2`."""

    uptime_s: Seconds
    checks: dict[Text, Literal["ok", "warn", "crit"]]
    outbox: Waiting
    lag_s: Seconds
    left_out_s: Seconds = 0.0
    dropped: Count = 0


class Device(BaseModel):
    """Of a stream's health: its microcontroller."""

    model_config = Body.model_config
    conditions: Texts
    battery_percent: Annotated[float, Field(ge=0, le=100)] | None = None
    contact: Annotated[float, Field(ge=0, le=254)] | None = None
    lost: Share | None = None
    ppm: float | None = None
    rssi_dbm: float | None = None
    firmware: Text | None = None


class StreamHealth(Body):
    """`laennec.stream-health/1`."""

    fault: Text | None = None
    lag_s: Seconds
    gaps: Count = 0
    lost_s: Seconds = 0.0
    verified: bool | None = None
    device: Device | None = None


class GroupBurden(BaseModel):
    """Of a trend: one group of classes over one window."""

    model_config = Body.model_config
    s_per_min: Burden


class Window(BaseModel):
    """Of a trend: one window."""

    model_config = Body.model_config
    s: Annotated[int, Field(ge=1)]
    known: bool
    coverage: Share
    missing_s: dict[Text, Seconds] = Field(default_factory=dict, max_length=32)
    groups: dict[Text, GroupBurden] = Field(max_length=8)


class Trend(Body):
    """`laennec.trend/1`."""

    windows: Annotated[list[Window], Field(max_length=8)]


class Person(BaseModel):
    """Who did something, when and why."""

    model_config = Body.model_config
    by: Text
    at: Time
    why: Text = ""
    until: Time | None = None


class Limit(BaseModel):
    """Of an alarm: from which burden on it is raised."""

    model_config = Body.model_config
    s_per_min: Annotated[float, Field(gt=0, le=60)]
    set: Person | None = None


class Alarm(Body):
    """`laennec.alarm/1`."""

    rev: Count
    mode: Literal["Test", "Operational"]
    kind: Kind
    priority: Priority
    activation: Literal["On", "Psd", "Off"]
    presence: bool
    validity: Literal["Vld", "NA"]
    signal: Signal
    audible: bool
    escalated: bool = False
    since: Time | None
    began: Time | None = None
    audio_paused_until: Time | None = None
    episode: Count | None = None
    acknowledged: Person | None = None
    inactivated: Person | None = None
    limit: Limit | None = None


class ModelName(BaseModel):
    """Of a node's info: its model."""

    model_config = Body.model_config
    id: Text
    sha256: Text
    runtime: Text


class NodeInfo(BaseModel):
    """`laennec.info/2`; it has no time of its own."""

    model_config = Body.model_config
    boot_id: BootId
    software: Text
    release: Text | None = None
    mode: Literal["Test", "Operational"]
    model: ModelName
    config: Text
    streams: Count = 0


class StreamInfo(BaseModel):
    """`laennec.stream-info/1`, as far as the board needs it: the settings of a node have this bed."""

    model_config = Body.model_config
    boot_id: BootId


Known = NodeStatus | StreamStatus | NodeHealth | StreamHealth | Trend | Alarm | NodeInfo | StreamInfo
KINDS: dict[tuple[bool, str], type[Known]] = {  # of a bed?, last levels of the topic
    (False, "status"): NodeStatus, (False, "health"): NodeHealth, (False, "info"): NodeInfo,
    (True, "info"): StreamInfo, (True, "status"): StreamStatus, (True, "health"): StreamHealth, (True, "trend"): Trend,
    (False, "alarm"): Alarm, (True, "alarm"): Alarm,
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A bed, or a node itself, as the topic names it."""

    site: str
    node: str
    stream: str = ""
    """Empty: the node itself."""


@dataclass(frozen=True)
class Heard:
    """One message."""

    place: Place
    condition: str
    """Of an alarm; else empty."""
    body: Known | None
    """None: the retained message was cleared."""
    kind: type[Known]


def filters(prefix: str, sites: tuple[str, ...]) -> tuple[str, ...]:
    """What the board subscribes to."""
    ends = ("status", "health", "info", "alarm/+", "s/+/info", "s/+/status", "s/+/health", "s/+/trend", "s/+/alarm/+")
    return tuple(f"{prefix}/{site}/+/{end}" for site in sites or ("+",) for end in ends)


def parse(prefix: str, topic: str, payload: bytes) -> Heard:
    """The record of one message.

    Raises:
        ValueError: it is not of the contract; what is wrong, in one line.
    """
    place, levels = addressed(prefix, topic, payload)
    kind = KINDS.get((bool(place.stream), levels[0]))
    is_alarm = kind is Alarm
    if kind is None or len(levels) != 1 + is_alarm:
        raise ValueError("not a topic of the contract")
    body = _read(kind, payload) if payload else None
    return Heard(place, levels[1] if is_alarm else "", body, kind)


def alarm_named(prefix: str, topic: str) -> tuple[Place, str] | None:
    """The place and the condition that a topic names; None if it is of no alarm."""
    try:
        place, levels = addressed(prefix, topic, b"")
    except ValueError:
        return None
    return (place, levels[1]) if len(levels) == 2 and levels[0] == "alarm" else None


def addressed(prefix: str, topic: str, payload: bytes) -> tuple[Place, tuple[str, ...]]:
    """Whose message it is, and the levels of its topic behind that; of a size that is looked at.

    Raises:
        ValueError: it is not of the contract; what is wrong, in one line.
    """
    names = read_topic(prefix, topic)
    if len(payload) > MAX_BYTES:
        raise ValueError(f"at most {MAX_BYTES} bytes, found {len(payload)}")
    return Place(names.site, names.node, names.stream), names.levels


def _read(kind: type[Known], payload: bytes) -> Any:
    """The body, by its schema; pydantic's mistakes are `ValueError`s already."""
    try:
        return kind.model_validate_json(payload)
    except OverflowError as error:  # of a time in the year 0
        raise ValueError(str(error)) from None
