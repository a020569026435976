"""Messages of a ward that are handed on: what of an event, a trend or a change of an alarm other systems get.

Not for making such messages (`edge.delivery.messages` and those beside it, whose schemas hold) nor for present state:
status, health and the retained alarms are read where they are shown. What comes from the wire is data: bounded,
validated, and refused with one line that says why. Fields that are not known are ignored, as the contract asks.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.settings.mistakes import ID_PATTERN
from edge.settings.watching import SELF_TEST_STREAM

MAX_BYTES = 16_384  # a message is below 4 kB; this is room for fields to come

Id = Annotated[str, Field(pattern=ID_PATTERN)]


def _is_in_the_calendar(moment: str) -> str:
    datetime.fromisoformat(moment.replace("Z", "+00:00"))
    return moment


TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Moment = Annotated[str, Field(pattern=TIME), AfterValidator(_is_in_the_calendar)]
Text = Annotated[str, Field(max_length=512)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Burden = Annotated[float, Field(ge=0, le=60)] | None
Seconds = Annotated[float, Field(ge=0)]
Index = Annotated[int, Field(ge=0)]
Mode = Literal["Test", "Operational"]

PLACE = re.compile(r"/(?P<site>[a-z0-9-]{1,32})/(?P<node>[a-z0-9-]{1,32})/(s/(?P<stream>[a-z0-9-]{1,32})/)?")


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


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


class EventRecord(_Part):
    """One change of one sound."""

    schema_: Literal["laennec.event/1"] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
    rev: Annotated[int, Field(ge=1)]
    type: Literal["onset", "update", "end"]
    mode: Mode
    site: Id
    node: Id
    stream: Id
    late: bool
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

    s: Annotated[int, Field(ge=1)]
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
    boot_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
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


class TransitionRecord(_Part):
    """One change of one alarm."""

    schema_: Literal["laennec.transition/1"] = Field(alias="schema")
    mode: Mode
    site: Id
    node: Id
    stream: Id | None
    condition: Name
    kind: Literal["Phy", "Tec"]
    priority: Literal["Lo", "Me", "Hi"]
    rev: Annotated[int, Field(ge=1)]
    cause: Text
    signal: Literal["Off", "On", "Latch", "Ack"]
    presence: bool
    escalated: bool
    episode: Annotated[int, Field(ge=1)] | None
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


WireRecord = EventRecord | TrendRecord | TransitionRecord
KIND_OF = {EventRecord: "events", TrendRecord: "trends", TransitionRecord: "alarms"}
KINDS = tuple(KIND_OF.values())

_ANY: TypeAdapter[WireRecord] = TypeAdapter(Annotated[WireRecord, Field(discriminator="schema_")])


def filters(prefix: str) -> list[str]:
    """What to subscribe to for everything that is handed on, of every node below `prefix`."""
    of_bed, of_node = f"{prefix}/+/+/s/+", f"{prefix}/+/+"
    return [f"{of_bed}/event", f"{of_bed}/trend", f"{of_bed}/alarm/+/transition", f"{of_node}/alarm/+/transition"]


def kind_of(record: WireRecord) -> str:
    """Name of the table that it belongs to."""
    return KIND_OF[type(record)]


def is_self_test(topic: str) -> bool:
    """Whether it is of no patient but of the node's own test, which is never counted."""
    return f"/s/{SELF_TEST_STREAM}/" in topic


def parse(topic: str, payload: bytes, prefix: str) -> tuple[WireRecord, dict[str, Any]]:
    """A message as a record, and its whole body.

    Args:
        topic: where it came.
        payload: bytes of unknown origin.
        prefix: first levels of all topics.

    Raises:
        ValueError: what is wrong with it, in one line.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES} bytes, found {len(payload)}")
    place = PLACE.match(topic, len(prefix)) if topic.startswith(prefix) else None
    if place is None:
        raise ValueError(f"expected a topic {prefix}/SITE/NODE/..., found {topic[:128]!r}")
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON, found none") from None
    if not isinstance(body, dict):
        raise ValueError(f"expected a JSON object, found {type(body).__name__}")
    if place["stream"] != body.get("stream"):
        raise ValueError("the message names another bed than its topic")
    named = {"site": place["site"], "node": place["node"]}  # what the body says of an event goes before its topic
    return validated({**named, **body}), body


def validated(body: dict[str, Any]) -> WireRecord:
    """A body with `site` and `node` as a record.

    Raises:
        ValueError: which field is wrong.
    """
    try:
        return _ANY.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise ValueError(f"{'.'.join(str(part)[:32] for part in first['loc'])}: {first['msg']}"[:200]) from None
