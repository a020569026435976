"""Alarms: how one is now (retained), each change of one, and the answers to commands.

Words are those of IEC 60601-1-8 and IEEE 11073-10207, borrowed as conventions. Not for deciding anything (`edge.ward`).

    <node>/s/<stream>/alarm/<condition>                 of a bed       <node>/alarm/<condition>      of the node
    <node>/s/<stream>/alarm/<condition>/transition      its changes    <node>/alarm/<condition>/transition
    <node>/s/<stream>/cmd/<verb>/<user>                 a command      <node>/cmd/<verb>/<user>
    <node>/s/<stream>/result/<verb>/<user>[/<more>]     its answer     <node>/result/<verb>/<user>[/<more>]

`<user>` is the sender's name at the broker, whose access list lets nobody write another's.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from edge.contract.commands import RATES
from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import (
    Absent,
    BootId,
    Count,
    Id,
    Kind,
    Late,
    Made,
    Mode,
    Name,
    Number,
    Priority,
    Seconds,
    Seq,
    SeqBefore,
    SeqStart,
    Signal,
    Text,
    Texts,
    Time,
    Ulid,
)
from edge.contract.message import Message, Part, Wire
from edge.contract.tables import Row

REFRESH_S = 30.0  # how often an alarm is said again
ALARM_EXPIRY_S = 120  # how long it counts; three refreshes may fail
ANSWER_EXPIRY_S = 60
TRANSITION = "transition"  # last level of the topic of a change of an alarm

Episode = Annotated[
    Number | None,
    Field(
        description="Number of its present or last episode, for `acknowledge`; what returns within some minutes is "
        "the same one. null: there was none."
    ),
]


class Person(Part):
    """Who did something, when and why."""

    by: Text = Field(description="The name that came with the command, and in brackets the user whom the broker knows.")
    at: Time
    why: Text
    until: Time | None = Field(None, description="Of an inactivation.")


class Limit(Part):
    """From which burden on it is raised; null: none, or Tec."""

    s_per_min: float = Field(gt=0, le=60, description="It is over below 0.7 of that.")
    set: Person | None = Field(description="Who set it for this bed; null: it is that of the settings.")


class RateLimit(Part):
    """At which respiratory rate it is raised: from there on, of rate-low down to there."""

    per_min: float = Field(ge=RATES[0], le=RATES[1], description="Breaths per minute.")
    set: Person | None = Field(description="Who set it for this bed; null: it is that of the settings.")


class AlarmMessage(Message):
    """The whole present state of one alarm, published when it changes and every 30 s.

    With MQTT 3.1.1 nothing expires, so compare `valid_until`. It counts only while the node's status counts. No alarm,
    or an old one, means unknown, never all clear. Words are those of IEC 60601-1-8 and IEEE 11073-10207, borrowed as
    conventions: this is not a medical device. Readers keep the highest rev of (stream, condition).
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.alarm/1",
        ("s/+/alarm/+", "alarm/+"),
        "alarms of the bed, or of the node itself",
        retained=True,
        expiry_s=ALARM_EXPIRY_S,
    )

    rev: Count = Field(
        description="Grows with each transition of this alarm, also across restarts: by one, and further after a "
        "process that died while the disk took no log; the same when it is only said again.",
    )
    mode: Mode
    site: Id
    node: Id
    stream: Id | None = Field(description="The bed; null for an alarm of the node itself.")
    boot_id: BootId
    condition: Name = Field(
        description="Phy: a group of classes whose burden (expected seconds of sound in a measurable minute, over 5 "
        "min) reached the limit, such as `continuous`; breath-pause (no breath is heard, and the sensor touches) and "
        "no-breath (the same without evidence that it touches: check patient and sensor); rate-high, rate-low. Tec: "
        "signal-lost; not-measurable (much of the sound cannot be judged); contact; battery; outbox (messages were "
        "lost, or the disk takes none); model (the detector failed); "
        "clock (not synchronised); self-test; alarm-log (the disk does not take the log of alarms).",
    )
    kind: Kind = Field(description="Phy: of the patient; Tec: of the monitoring.")
    priority: Priority = Field(description="The present one: after an escalation one higher than the settings have it.")
    escalated: bool = Field(description="Nobody acknowledged it in time.")
    cause: Text = Field(
        description="Of the last transition: known, unknown, present, cleared, raised, returned (soon, and "
        "acknowledged), escalated, acknowledged, audio paused, audio resumed, inactivated, reactivated, limit set, "
        "limit unset, no limit, new patient (all begins anew); empty before the first.",
    )
    activation: Literal["On", "Psd", "Off"] = Field(
        description="On; Psd: a person has inactivated it for a while; Off: it has no limit and is not watched."
    )
    presence: bool = Field(
        description="Whether the condition is present; with validity NA: whether it was when that was last known."
    )
    validity: Literal["Vld", "NA"] = Field(
        description="Vld: the condition is measured; NA: it cannot be now. What is not known neither raises nor clears."
    )
    signal: Signal = Field(
        description="Off; On; Latch: over, and nobody has acknowledged it; Ack: it lasts, and a person has."
    )
    audible: bool = Field(description="Whether its signal is audible now.")
    since: Time | None = Field(description="Since when the signal is so; null: it was never another.")
    began: Time | None = Field(
        None,
        description="When its present or last episode was signalled first, whoever acknowledged it since; null: there "
        "was none, or the node does not know any more.",
    )
    audio_paused_until: Time | None = Field(
        description="The audible signal comes back then by itself; null: it is not paused."
    )
    episode: Episode
    latching: bool = Field(
        description="Whether the signal stays, when the condition is over, until somebody acknowledges it."
    )
    acknowledged: Person | None = Field(description="By whom, while the signal is Ack.")
    inactivated: Person | None = Field(description="By whom, while activation is Psd.")
    value: Seconds | None = Field(
        description="The burden now, s/min, or of rate-high and rate-low breaths/min; null: not known, or Tec."
    )
    limit: Limit | None
    rate_limit: RateLimit | Absent = Field(None, description="Only of rate-high and rate-low; absent: none is set.")
    clip: Ulid | None = Field(
        None,
        description="Id of the clip (laennec.clip/1) of what led to its present or last episode; null: none is kept, "
        "or the node has started again since.",
    )
    durable: bool | Absent = Field(
        None,
        description="Whether the disk of the node has it; false: it has not answered, or refuses, and a power cut "
        "would undo this.",
    )
    ts: Made
    valid_until: Time = Field(description="From then on it is unknown.")


class TransitionTime(Part):
    """RFC 3339, UTC."""

    changed: Time
    published: Time


class TransitionMessage(Message):
    """One change of one alarm: raised, escalated, acknowledged, cleared.

    For records and for whoever was away: how an alarm is now says its retained topic alone, and whoever alarms people
    must take it from there. At least once: readers drop copies by (node, stream, condition, rev), and of two that
    differ the first counts. Order: what waited while the broker was away comes with late true between live ones; rev is
    the order of one alarm. It has holes, for changes of what can be measured are in the retained state alone.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.transition/1",
        (f"s/+/alarm/+/{TRANSITION}", f"alarm/+/{TRANSITION}"),
        "each change of an alarm, kept until the broker has it",
        expiry_s=EVENT_EXPIRY_S,
    )

    seq: Seq
    late: Late
    mode: Mode
    site: Id
    node: Id
    stream: Id | None = Field(description="The bed; null for an alarm of the node itself.")
    condition: Name = Field(description="As in the topic.")
    kind: Kind = Field(description="Physiological or technical.")
    priority: Priority = Field(description="As it was then, escalation included.")
    rev: Number = Field(description="Grows with each change of this alarm, also across restarts.")
    cause: Text
    signal: Signal = Field(description="After the change, as in laennec.alarm/1.")
    presence: bool = Field(description="Whether the condition was present.")
    escalated: bool
    episode: Episode
    by: Person | None = Field(description="Who caused it; null: it came by itself.")
    time: TransitionTime
    seq_start: SeqStart = None
    seq_before: SeqBefore = None

    @property
    def at_s(self) -> float:
        """When it changed."""
        return self.time.changed

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream or ''}/{self.condition}/{self.rev}"

    def rows(self) -> list[Row]:
        """One, of the table `alarms`."""
        of_alarm = "site", "node", "stream", "mode", "condition", "kind", "priority", "rev"
        own = self.cells(*of_alarm, "cause", "signal", "presence", "escalated", "episode", "late", "seq")
        by = {"by": None, "why": None} if self.by is None else self.by.cells("by", "why")
        return [self.time.cells("changed") | own | by]


class ResultMessage(Message):
    """The answer to a command (laennec.command/1).

    What it changed is on the disk, or the alarm alarm-log is present. The same command again gets the same answer.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.result/1", ("s/+/result/+/+", "result/+/+"), "the answers", expiry_s=ANSWER_EXPIRY_S
    )

    id: Text = Field(description="Of the command; empty if it could not be read.")
    verb: Text
    node: Id
    stream: Text | None = Field(description="The bed; null for the node itself.")
    boot_id: BootId
    ok: bool = Field(description="Whether it was carried out.")
    reason: Text = Field(description="Why not, for a person; empty if ok.")
    conditions: Texts = Field(description="The alarms that it changed; none: they were so already.")
    clip: Ulid | None = Field(
        None,
        description="Id of the clip that a command `clip` ordered; what becomes of it is published on "
        "s/<stream>/clip. Else null.",
    )
    ts: Made
