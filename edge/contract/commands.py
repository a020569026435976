"""What a person may order, read from bytes of unknown origin: bounded, and nothing but what stands here.

Not for carrying it out (`edge.ward.alarms`) and not for who may (the broker's access list). A field that is not known
is a mistake: of a person's order no part may be ignored.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

COMMAND = "laennec.command/1"
MAX_COMMAND_BYTES = 2048
MAX_PAUSE_S = 120.0  # of the audible signal; a longer silence is an inactivation, with a reason
MAX_INACTIVE_S = 8 * 3600.0  # a shift
MAX_LIMIT = 60.0  # s/min: sound all the time
RATES = (4.0, 90.0)  # breaths per minute that can be measured
AGE = r"^(adult|[0-9]{1,3} (day|week|month|year)s?)$"
MAX_CLIP_S = 900.0  # the most that the settings let a node remember
MOST_LOOK_S = 30.0  # at once; a viewer that is gone costs no more
MOST_LISTEN_S = 60.0  # at once; a person who goes on asks again
LISTEN = "listen"  # verb; it changes no alarm either, and every listener is published on s/<stream>/listening
LOOK = "look"  # verb of what changes nothing, is in no log, and comes again every some seconds while somebody looks

Verb = Literal["acknowledge", "pause", "inactivate", "limit", "patient", "clip"]
Text = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
Reason = Annotated[str, Field(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Ident = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Condition = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]


class Order(BaseModel):
    """What every command has."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    verb: ClassVar[Verb]

    id: Ident = Field(description="Another for each command: one that comes twice is carried out once.")
    by: Text = Field(description="Who orders it, as the sender calls the person.")


class AlarmOrder(Order):
    """What every command to alarms has."""

    condition: Condition | None = Field(None, description="Which alarm; null: all of this bed.")


class Acknowledge(AlarmOrder):
    """I have seen it: On becomes Ack, Latch becomes Off."""

    verb = "acknowledge"
    episode: Annotated[int, Field(ge=1)] | None = Field(
        None, description="The episode that was seen; refused if another has come. Needs the condition."
    )


class Pause(AlarmOrder):
    """The audible signal is silent for a while; what is raised meanwhile is audible."""

    verb = "pause"
    duration_s: Annotated[float, Field(gt=0, le=MAX_PAUSE_S)] = MAX_PAUSE_S


class Inactivate(AlarmOrder):
    """No signal for a while, as during physiotherapy; 0 s ends it.

    What is present afterwards is raised anew.
    """

    verb = "inactivate"
    duration_s: Annotated[float, Field(ge=0, le=MAX_INACTIVE_S)]
    why: Reason


class Limit(AlarmOrder):
    """Another limit for this bed: of a burden s/min, of rate-high and rate-low breaths/min; null: that of the settings.

    One of both limits is given, the other is left out.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["limit_s_per_min"]}, {"required": ["limit_per_min"]}]}
    )
    verb = "limit"
    condition: Condition
    limit_s_per_min: Annotated[float, Field(gt=0, le=MAX_LIMIT)] | None = None
    limit_per_min: Annotated[float, Field(ge=RATES[0], le=RATES[1])] | None = Field(None, description="breaths/min")
    why: Reason

    @model_validator(mode="after")
    def _is_one(self) -> Limit:
        if self.is_of_rate == ("limit_s_per_min" in self.model_fields_set):
            raise ValueError("expected either limit_s_per_min, of a burden, or limit_per_min, of a respiratory rate")
        return self

    @property
    def is_of_rate(self) -> bool:
        """Whether it is breaths per minute."""
        return "limit_per_min" in self.model_fields_set


class NewPatient(Order):
    """Another patient lies in this bed: nothing that was measured, set or signalled of the one before is kept.

    Respiratory rate, pauses, burden, level, alarms of the patient with their limits and inactivations, and sound that
    was remembered for clips begin anew; an alarm that lasts is raised when it is measured of the new one. Nobody's name
    belongs in it: `by` may be a role.
    """

    verb = "patient"
    age: Annotated[str, Field(pattern=AGE)] | None = Field(
        None, description="Of the new one: `8 months`, `4 years`, `adult`; null: not known. It holds over restarts."
    )


class ClipOrder(Order):
    """Keep the last seconds of this bed's sound, as far as they are remembered; refused where no sound is kept.

    The answer has the id of the clip.
    """

    verb = "clip"
    seconds: Annotated[float, Field(ge=1, le=MAX_CLIP_S)] = 30.0


class LiveViewOrder(Order):
    """Show the live spectrogram and scores of this bed (laennec.mel/1) to all who read them, for so long from now.

    Again before it is over to go on, 0 s to end it for this user. Refused where the settings of the node do not have
    `look: true`, and while 8 beds of the node are looked at. It changes no alarm and is in no log.
    """

    duration_s: Annotated[float, Field(ge=0, le=MOST_LOOK_S)] = MOST_LOOK_S


class ListenOrder(Order):
    """Stream this bed's sound (laennec.sound/1) for so long from now; 0 s: no more.

    Again before or after it is over to go on. Refused where the settings of the node do not have `listen: true` for the
    bed, and while 4 beds of the node, or 8 people at this one, are listened to. Who listens is published to everybody.
    """

    duration_s: Annotated[float, Field(ge=0, le=MOST_LISTEN_S)] = MOST_LISTEN_S


AlarmCommand = Acknowledge | Pause | Inactivate | Limit
Command = AlarmCommand | NewPatient | ClipOrder
ORDERS = (
    "What a person orders of the alarms, a clip of recent sound, a look at a bed or its live sound. QoS 1, not "
    "retained, on "
    "<prefix>/<site>/<node>/s/<stream>/cmd/<verb>/<user> for a bed and on "
    "<prefix>/<site>/<node>/cmd/<verb>/<user> for the node's own alarms; <verb> is acknowledge, pause, "
    "inactivate, limit or (of a bed alone) patient, clip, look or listen (each has its form in $defs), <user> the "
    f"sender's name at the broker, which the access list of deploy/mosquitto/setup holds to. At most "
    f"{MAX_COMMAND_BYTES} bytes. "
    "Send it with a message expiry of 10 s (MQTT 5), so that none comes late. The answer (laennec.result/1) comes "
    "on <prefix>/<site>/<node>/s/<stream>/result/<verb>/<user>, or below it where the response topic (MQTT 5) "
    "says so, with the correlation data. No answer within some seconds: send it again with the same id, which is "
    "carried out once. Unlike in other messages a field that is not known is refused."
)

OrderType = TypeVar("OrderType", bound=Order)

COMMANDS: dict[str, type[Command]] = {
    Acknowledge.verb: Acknowledge,
    Pause.verb: Pause,
    Inactivate.verb: Inactivate,
    Limit.verb: Limit,
    NewPatient.verb: NewPatient,
    ClipOrder.verb: ClipOrder,
}
FORMS: dict[str, type[Order]] = {**COMMANDS, LOOK: LiveViewOrder, LISTEN: ListenOrder}


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
