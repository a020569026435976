"""What happened in a ward, as consumers read it: an event, a gap, a trend or a change of an alarm becomes a record.

Not for making such messages (`edge.delivery.messages` and those beside it, whose schemas hold) nor for present state:
status, health and the retained alarms are read where they are shown (`edge.board.wire`). What comes from the wire is
data: bounded, validated, and refused with one line that says why. Fields that are not known are ignored, as the
contract asks.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.contract.fields import ID_PATTERN

Id = Annotated[str, Field(pattern=ID_PATTERN)]


def _is_in_the_calendar(moment: str) -> str:
    if datetime.fromisoformat(moment.replace("Z", "+00:00")) < EPOCH:
        raise ValueError("expected a time since 1970")
    return moment


LONGEST_S = 31 * 86_400  # nothing looks back further; room beyond the hour of today
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Moment = Annotated[str, Field(pattern=TIME), AfterValidator(_is_in_the_calendar)]
Text = Annotated[str, Field(max_length=512)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Burden = Annotated[float, Field(ge=0, le=60)] | None
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
Index = Annotated[int, Field(ge=0, lt=1 << 63)]
Number = Annotated[int, Field(ge=1, lt=1 << 53)]
NumberBefore = Annotated[int, Field(ge=0, lt=1 << 53)]
BootId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
Mode = Literal["Test", "Operational"]


def milliseconds_of(moment: str) -> int:
    """RFC 3339 in UTC as whole milliseconds since 1970."""
    return (datetime.fromisoformat(moment.replace("Z", "+00:00")) - EPOCH) // timedelta(milliseconds=1)


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


class _Numbered(_Part):
    """A message of a node that has a number: see the schema of events."""

    seq: Number
    seq_start: Number | None = None
    seq_before: NumberBefore | None = None


class EventTime(_Part):
    """When a sound was."""

    onset: Moment
    end: Moment | None
    until: Moment | None = None


class EventScores(_Part):
    """How sure the model was, 0 to 1."""

    peak: Share
    mean: Share
    threshold: Share


class EventModel(_Part):
    """Which model."""

    id: Text
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EventRecord(_Numbered):
    """One change of one sound."""

    schema_: Literal["laennec.event/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    rev: Number
    type: Literal["onset", "update", "end"]
    mode: Mode
    site: Id
    node: Id
    stream: Id
    late: bool
    boot_id: BootId
    label: Name
    time: EventTime
    scores: EventScores
    model: EventModel
    verified: bool | None = None
    end_reason: Text | None = None

    @property
    def at(self) -> str:
        """When it happened."""
        return self.time.onset

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.id}/{self.rev}"


class TrendGroup(_Part):
    """Burden of a group of classes, with its interval of 95 %, s/min; None: unknown."""

    s_per_min: Burden
    low: Burden
    high: Burden


class TrendWindow(_Part):
    """One length of looking back."""

    s: Annotated[int, Field(ge=1, le=LONGEST_S)]
    known: bool
    coverage: Share
    measured_s: Seconds
    unverified_s: Seconds
    missing_s: dict[Name, Seconds] = Field(default_factory=dict, max_length=32)
    groups: Annotated[dict[Name, TrendGroup], Field(max_length=16)]


class TrendSample(_Part):
    """Where a trend ends in its stream."""

    rate: Annotated[int, Field(ge=1)]
    stop: Index


class TrendRecord(_Part):
    """The burden of a bed."""

    schema_: Literal["laennec.trend/1"] = Field(alias="schema")
    site: Id
    """Of the topic, as `node`: the message names neither."""
    node: Id
    stream: Id
    boot_id: BootId
    mode: Mode | None = None
    """None: of a node that does not say so yet."""
    ts: Moment
    sample: TrendSample
    windows: Annotated[tuple[TrendWindow, ...], Field(min_length=1, max_length=16, strict=False)]

    @property
    def at(self) -> str:
        """When it was said."""
        return self.ts

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream}/{self.boot_id}/{self.sample.stop}"


class TransitionBy(_Part):
    """Who caused a change, and why."""

    by: Text
    why: Text


class TransitionTime(_Part):
    """When it changed."""

    changed: Moment


class TransitionRecord(_Numbered):
    """One change of one alarm."""

    schema_: Literal["laennec.transition/1"] = Field(alias="schema")
    mode: Mode
    site: Id
    node: Id
    stream: Id | None
    condition: Name
    kind: Literal["Phy", "Tec"]
    priority: Literal["Lo", "Me", "Hi"]
    rev: Number
    cause: Text
    signal: Literal["Off", "On", "Latch", "Ack"]
    presence: bool
    escalated: bool
    episode: Number | None
    late: bool
    by: TransitionBy | None
    time: TransitionTime

    @property
    def at(self) -> str:
        """When it changed."""
        return self.time.changed

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream or ''}/{self.condition}/{self.rev}"


class GapTime(_Part):
    """When a gap was told."""

    published: Moment


class GapRecord(_Numbered):
    """Samples of a bed that will never come."""

    schema_: Literal["laennec.gap/1"] = Field(alias="schema")
    site: Id
    """Of the topic: the message does not name it."""
    node: Id
    stream: Id
    boot_id: BootId
    late: bool
    from_sample: Index
    to_sample: Index
    rate: Annotated[int, Field(ge=1)]
    ms: Index
    count: Number = 1
    cause: Text
    time: GapTime

    @property
    def at(self) -> str:
        """When it was sent; when it was is said in samples alone."""
        return self.time.published

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream}/{self.boot_id}/{self.from_sample}/{self.to_sample}"


class ClipRecord(_Numbered):
    """What became of a clip."""

    schema_: Literal["laennec.clip/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    site: Id
    node: Id
    stream: Id
    late: bool
    state: Literal["stored", "withheld", "dropped"]
    time: GapTime

    @property
    def at(self) -> str:
        """When it was sent."""
        return self.time.published

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.id}/{self.seq}"


WireRecord = EventRecord | TrendRecord | TransitionRecord | GapRecord | ClipRecord
