"""The records of alarms: the rule of one, its state, what changed, and what a person ordered.

Not for deciding anything (`edge.ward.alarm_rules`). Words and values are those of IEC 60601-1-8 and IEEE 11073-10207
(BICEPS): `Kind`, `Priority`, `Signal` (AlertSignalPresence). They are borrowed as conventions; nothing here makes this
a medical device. Times are seconds on a clock that only goes forward, also across restarts; a person is shown `wall_s`.

`Transition` and `Ordered` are the lines of the log. A transition holds the whole state after it, so the last one of
each alarm is its state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from edge.contract.fields import Kind, Priority, Signal

Value = bool | float | None
"""What is measured: whether a condition is present, or a burden, s/min, or a rate, breaths/min; None: not known."""
Cause = Literal[
    "known",
    "unknown",
    "present",
    "cleared",
    "raised",
    "returned",
    "escalated",
    "acknowledged",
    "audio paused",
    "audio resumed",
    "inactivated",
    "reactivated",
    "limit set",
    "limit unset",
    "no limit",
    "new patient",
    "not configured",
]

PRIORITIES: tuple[Priority, ...] = ("Lo", "Me", "Hi")
# Of the measurement alone: no signal changes by them.
NOT_PUBLISHED: tuple[Cause, ...] = ("known", "unknown", "present")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which alarm."""

    stream: str
    """Its bed; empty for one of the node itself."""
    condition: str
    """A group of classes for a burden, else the name of a technical condition, such as `signal-lost`."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one alarm behaves; from the settings."""

    kind: Kind
    priority: Priority
    delay_s: float = 0.0
    """How long the condition must last before it is signalled."""
    latching: bool = False
    """Whether the signal stays after the condition is over, until a person acknowledges it; a high one always does."""
    escalate_s: float | None = None
    """How long an episode may be signalled, also latched, with nobody acknowledging it before its priority is raised by
    one; None: for ever."""
    group_s: float = 300.0
    """A condition that returns within this long belongs to the same episode."""
    limit: float | None = None
    """Of a physiological alarm: burden, s/min, or rate, breaths/min, from which on it is present (a low rate: down to
    which); None: it is not watched."""
    is_binary: bool = False
    """Whether a physiological condition is measured as present or not, as a pause of breath: it has no such limit."""
    rate: Literal["", "high", "low"] = ""
    """Of an alarm of the respiratory rate: on which side of its limit; empty: it is none."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who did something, when and why."""

    by: str
    """Name that the person or their terminal gave, and in brackets the user whom the broker knows."""
    at_s: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class BedLimit:
    """Limit that a person has set for one bed."""

    s_per_min: float | None
    """Of a burden."""
    person: Person
    per_min: float | None = None
    """Of a rate."""


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Everything that is remembered of one alarm."""

    rev: int = 0
    """Grows with each transition, also across restarts: by one, and further where the log had missed some."""
    known: bool = False
    """Whether the condition can be measured now; while it cannot, `presence` is what it was before."""
    presence: bool = False
    """Whether the condition is present."""
    present_since_s: float = 0.0
    """Since when, while it is."""
    signal: Signal = "Off"
    since_s: float = 0.0
    """Since when the signal is what it is."""
    episode: int = 0
    """Number of the present or last episode of this alarm, counted from 1; 0 before the first."""
    began_s: float | None = None
    """When that episode was signalled first; None: there was none, or a release that did not note it wrote the log."""
    cleared_s: float | None = None
    """When the condition of that episode was over last."""
    acknowledged: Person | None = None
    """Who acknowledged that episode."""
    unanswered_since_s: float | None = None
    """When that episode was signalled first, until somebody acknowledges it."""
    escalated: bool = False
    """Whether nobody came in time, so that the priority is one higher."""
    paused_until_s: float | None = None
    """The audible signal is paused until then."""
    inactive_until_s: float | None = None
    """No signal is raised until then."""
    inactivated: Person | None = None
    """Who decided so."""
    limit: BedLimit | None = None
    """Goes before the limit of the rule."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one alarm, with the state that followed."""

    at_s: float
    key: Key
    cause: Cause
    state: AlarmState
    kind: Kind
    priority: Priority
    """As it was then, escalation included."""
    by: Person | None = None
    """Who caused it; None: nobody, it came by itself."""
    wall_s: float | None = None
    """`at_s` on the wall clock as it was set then, seconds since 1970; None: of a release that did not note it."""
    repeats: int = 0
    """In a history: how many before it are folded into it, for they said the same (`edge.ward.alarm_rules`)."""
    first_s: float | None = None
    """When the first of those was; None where there are none."""
    record: Literal["transition"] = "transition"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command led to."""

    id: str
    """Of the command; empty if it had none that can be read."""
    verb: str
    stream: str
    ok: bool
    reason: str = ""
    """Why not, for a person; empty if ok."""
    conditions: tuple[str, ...] = ()
    """The alarms that it changed; none if they were already so."""
    clip: str = ""
    """Id of the clip that was ordered; empty if none was."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A command that was carried out; its id is never carried out twice."""

    at_s: float
    user: str
    """Whom the broker let speak."""
    by: str
    digest: str
    """Hash of what was ordered: the same id with another one is a mistake."""
    answer: Answer
    wall_s: float | None = None
    """As that of a transition."""
    unchanged: int = 0
    """Orders of this user since the last that is written which changed nothing, and were too many to be written."""
    record: Literal["command"] = "command"


Record = Transition | Ordered

_LINES: TypeAdapter[Record] = TypeAdapter(
    Annotated[Record, Field(discriminator="record")], config=ConfigDict(allow_inf_nan=False)
)


def to_line(record: Record) -> bytes:
    """One line of JSON, without its end."""
    return _LINES.dump_json(record)


def from_line(line: bytes) -> Record | None:
    """The record of a line; None if it is damaged or of another version."""
    try:
        return _LINES.validate_json(line)
    except ValidationError:
        return None
