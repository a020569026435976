"""What a person may order, read from bytes of unknown origin: bounded, and nothing but what stands here.

Not for carrying it out (`edge.ward.alarms`) and not for who may (the broker's access list). A field that is not known
is a mistake: of a person's order no part may be ignored.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.ward.alarm_records import Verb

MAX_COMMAND_BYTES = 2048
MAX_PAUSE_S = 120.0  # of the audible signal; a longer silence is an inactivation, with a reason
MAX_INACTIVE_S = 8 * 3600.0  # a shift
MAX_LIMIT = 60.0  # s/min: sound all the time
MAX_CLIP_S = 900.0  # the most that the settings let a node remember

Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Reason = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Ident = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Order(BaseModel):
    """What every command has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    verb: ClassVar[Verb]

    id: Ident
    """Chosen by the sender, another for each command: one that comes twice is carried out once."""
    by: Text
    """Who orders it, as the sender calls the person."""


class AlarmOrder(Order):
    """What every command to alarms has."""

    condition: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")] | None = None
    """Which alarm; None: all of this bed."""


class Acknowledge(AlarmOrder):
    """I have seen it."""

    verb = "acknowledge"
    episode: Annotated[int, Field(ge=1)] | None = None
    """The episode that was seen; another that came meanwhile is then left alone."""


class Pause(AlarmOrder):
    """Silence for a moment."""

    verb = "pause"
    duration_s: Annotated[float, Field(gt=0, le=MAX_PAUSE_S)] = MAX_PAUSE_S


class Inactivate(AlarmOrder):
    """No signal for a while, as during physiotherapy; 0 s ends it."""

    verb = "inactivate"
    duration_s: Annotated[float, Field(ge=0, le=MAX_INACTIVE_S)]
    why: Reason


class Limit(AlarmOrder):
    """Another limit for this bed; null: that of the settings again."""

    verb = "limit"
    condition: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
    limit_s_per_min: Annotated[float, Field(gt=0, le=MAX_LIMIT)] | None
    why: Reason


class ClipOrder(Order):
    """Keep the last seconds of this bed's sound."""

    verb = "clip"
    seconds: Annotated[float, Field(ge=1, le=MAX_CLIP_S)] = 30.0


AlarmCommand = Acknowledge | Pause | Inactivate | Limit
Command = AlarmCommand | ClipOrder

OrderType = TypeVar("OrderType", bound=Order)

COMMANDS: dict[str, type[Command]] = {
    Acknowledge.verb: Acknowledge, Pause.verb: Pause, Inactivate.verb: Inactivate, Limit.verb: Limit,
    ClipOrder.verb: ClipOrder,
}  # fmt: skip


class _Ident(BaseModel):
    """What can be answered."""

    model_config = ConfigDict(extra="ignore", strict=True)
    id: Ident


def ident_of(payload: bytes) -> str:
    """The id of a command of any form.

    Raises:
        ValueError: it has none.
    """
    if len(payload) > MAX_COMMAND_BYTES:
        raise ValueError(f"at most {MAX_COMMAND_BYTES} bytes, found {len(payload)}")
    return _Ident.model_validate_json(payload).id


def parse_command(verb: str, payload: bytes) -> Command:
    """The command in a message.

    Raises:
        ValueError: what is wrong with it, in one line for the sender.
    """
    if (form := COMMANDS.get(verb)) is None:
        raise ValueError(f"not available: {verb[:32]!r}; there are {', '.join(COMMANDS)}")
    return read_order(form, payload)


def read_order(form: type[OrderType], payload: bytes) -> OrderType:
    """A command of one form.

    Raises:
        ValueError: what is wrong with it, in one line for the sender.
    """
    if len(payload) > MAX_COMMAND_BYTES:
        raise ValueError(f"at most {MAX_COMMAND_BYTES} bytes, found {len(payload)}")
    try:
        return form.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        key = ".".join(str(part)[:32] for part in first["loc"])
        raise ValueError(f"{key}: {first['msg']}" if key else first["msg"]) from None
