"""What happens to the sound of a bed, each numbered and sent until the broker has it: events and gaps.

Not for deciding any of it. Sample indices are the truth; wall times are derived from them.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from edge.contract.fields import (
    Absent,
    Body,
    Hash,
    Hex,
    Id,
    Index,
    Late,
    Milliseconds,
    Mode,
    Name,
    Number,
    Rate,
    Seconds,
    Seq,
    SeqBefore,
    SeqStart,
    Sha256,
    Share,
    Text,
    Time,
    Ulid,
)
from edge.contract.message import HOUR_S, Message, Part, Wire
from edge.contract.tables import OF_OCCURRENCE, Row

EVENT_EXPIRY_S = 24 * HOUR_S  # how long a broker keeps an event for a consumer that is away
FARTHEST = (1 << 53) - (1 << 26)  # a browser counts to 2^53; behind a sample there are 2^24 others at most

SampleIndex = Annotated[int, Field(ge=-FARTHEST, le=FARTHEST)]
FromZero = Annotated[int, Field(ge=0, le=FARTHEST)]


class EventSample(Part):
    """The truth; wall times are derived from it.

    For a source link:NAME it is the device's own counter, at this rate, until the device begins anew.
    """

    rate: Rate
    onset: FromZero = Field(description="Index of the first sample of the sound.")
    end: FromZero | None = Field(
        description="Index one past the sound; null in an onset, in an update, and in an end with end_reason restart: "
        "it is not known when the sound ended.",
    )
    until: FromZero | Absent = Field(
        None,
        description="Only in an update, and in an end with end_reason restart that follows one: index one past what "
        "was received of the sound then.",
    )


class Clock(Part):
    """How good the wall clock was, as the kernel says."""

    synced: bool | None = Field(description="Whether it follows a reference; null where that cannot be known.")
    offset_ms: float | None = Field(
        None,
        description="How far it was from that reference when that was measured last, what is still to be corrected, "
        "ms; null where it is not known.",
    )
    uncertainty_ms: Milliseconds = Field(None, description="How far off it may be at most, ms; null: not known.")


class EventTime(Part):
    """RFC 3339, UTC."""

    onset: Time
    end: Time | None
    published: Time
    clock: Clock
    until: Time | Absent = Field(None, description="As sample.until.")


class EventScores(Part):
    """0 to 1; so far in an onset or an update, of the whole sound in an end.

    In an end with end_reason restart those of what was said last.
    """

    peak: Share
    mean: Share
    threshold: Share


class ModelName(Part):
    """Which model."""

    id: Text
    sha256: Sha256
    runtime: Text
    features: Hash


class Latency(Part):
    """How long this message took, stage by stage, ms, by a clock that never steps.

    Not in an end with end_reason restart.
    """

    sound: Seconds = Field(
        description="From the sound that it reports (its first sample; in an update or an end what arrived of it "
        "last) to the last sample that the decision needed: how long a sound must last or be quiet, and the model's "
        "lookahead. Of samples, so always the same for the same sound.",
    )
    window: Milliseconds = Field(
        description="Until that sample had arrived, and with it the model's window was complete; null for a file that "
        "is read at full speed, or where it is not known.",
    )
    scored: Milliseconds = Field(description="Until the window had its turn and was scored, and this was decided.")
    disk: Milliseconds = Field(
        description="Until it was on disk; null where the disk refused it, or another process than the one that sends "
        "it wrote it.",
    )
    wire: Milliseconds = Field(
        description="Until it was handed to the connection to the broker, this time; from the decision, where the disk "
        "refused it; null where another process wrote it.",
    )
    total: Milliseconds = Field(description="The sum; null where any but disk is not known.")


class NamedClip(Part):
    """The clip that holds its onset; only where the node keeps clips.

    What became of it is published on s/<stream>/clip (laennec.clip/1).
    """

    id: Ulid
    withheld: Literal["speech"] | None = Field(
        description="speech: somebody speaks in it, so it does not reach the disk; null: nothing speaks against it "
        "until now (in an onset: nobody has looked yet).",
    )


NO_END: Body = {"sample": {"properties": {"end": {"type": "null"}}}, "time": {"properties": {"end": {"type": "null"}}}}
AN_END: Body = {
    "sample": {"properties": {"end": {"type": "integer"}}},
    "time": {"properties": {"end": {"type": "string"}}},
}
UNTIL: Body = {"required": ["until"]}
NO_UNTIL: Body = {"properties": {"until": False}}


class Occurrence(Message):
    """What begins and ends at a bed: each change of it is a message with the next rev, all with the same id."""

    id: Ulid = Field(description="The same in all of its messages.")
    rev: Number = Field(description="Of one id each is higher than the one before.")
    seq: Seq
    type: Literal["onset", "update", "end"]
    mode: Mode
    node: Id
    stream: Id
    site: Id = Field(
        description="As it was, like node and mode, when this was decided. The topic has the names that the node "
        "had when it sent this: they differ after a correction.",
    )
    boot_id: Hex = Field(
        description="Sample indices count from the start of the process that has this id (for a source link:NAME from "
        "where the device's counter stood); an end with end_reason restart has that of its onset.",
    )
    late: Late
    sample: EventSample
    time: EventTime

    @property
    def at_s(self) -> float:
        """Its onset."""
        return self.time.onset

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.id}/{self.rev}"


class EventMessage(Occurrence):
    """One change of an adventitious sound: it began (onset, rev 1), it lasts (update), or it is over (end).

    An update comes every so often (update_s in the stream's info) with the next rev, the end has the last; all with the
    same id. At least once: readers drop copies by (id, rev), and of two that differ the first counts. Order: of one id,
    a rev is sent only after the broker has acknowledged the one before (or the node has dropped it undelivered), so at
    first sight revs come in their order; one that does not come at all was an update that had no room; copies may come
    at any time. Between ids and streams there is no order: what waited while the broker was away comes with late true
    between live messages. An onset is over without its end when the node's status has another boot_id and no end has
    come: a node that was killed ends what its disk knows of at its next start (end_reason restart), but what only its
    memory held while the disk was full is lost.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.event/1",
        ("s/+/event",),
        "onset, updates and end of a sound",
        expiry_s=EVENT_EXPIRY_S,
    )
    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"type": {"const": "end"}}},
            "then": {
                "required": ["end_reason"],
                "properties": {"rev": {"minimum": 2}},
                "if": {"properties": {"end_reason": {"const": "restart"}}},
                "then": {"properties": NO_END},
                "else": {"properties": AN_END},
            },
            "else": {
                "properties": {**NO_END, "end_reason": False},
                "if": {"properties": {"type": {"const": "update"}}},
                "then": {"properties": {"rev": {"minimum": 2}, "sample": UNTIL, "time": UNTIL}},
                "else": {"properties": {"rev": {"const": 1}, "sample": NO_UNTIL, "time": NO_UNTIL}},
            },
        }
    )

    label: Name = Field(description="Class name of the model.")
    scores: EventScores
    model: ModelName
    verified: bool | None = Field(
        None,
        description="Whether the stream sounded, when this was decided, like what the model was trained on: level, "
        "noise floor, spectrum. false: do not trust it; the stream's status says why. null: not judged (the first "
        "seconds, a model that does not say what it knows, or outside: ignore).",
    )
    end_reason: Literal["quiet", "gap", "stream_end", "restart"] | Absent = Field(
        None,
        description="Only in an end: the sound stopped, a gap came, the stream was closed, or the node was killed and "
        "started again (sample.end and time.end are then null).",
    )
    config: Hash | Absent = Field(None, description="Hash of the settings that were in force, as in the node's info.")
    latency_ms: Latency | Absent = None
    device: Annotated[str, Field(pattern=r"^0x[0-9a-f]{8}$")] | Absent = Field(
        None, description="Id of the microcontroller that the stream comes from; only for sources `link:`."
    )
    clip: NamedClip | Absent = None
    self_test: Literal[True] | Absent = Field(
        None,
        description="true: no patient, but the synthetic sound with which the node tests itself, on the stream "
        "self-test; never to be counted or alarmed on. Else absent.",
    )
    seq_start: SeqStart = None
    seq_before: SeqBefore = None
    resent: Literal[True] | Absent = Field(
        None,
        description="true: published again from the node's log, by an operator, because a broker may have lost it. "
        "Perhaps a copy: drop what you have by (id, rev). Else absent.",
    )

    @property
    def end_s(self) -> float | None:
        """One past the sound, or past what was received of it; None: not known."""
        return self.time.end or self.time.until

    def rows(self) -> list[Row]:
        """One, of the table `events`."""
        return [
            self.time.cells("onset", "end")
            | self.cells(*OF_OCCURRENCE, "label", "verified", "end_reason", "late", "boot_id", "seq")
            | self.scores.cells("peak", "mean", "threshold")
            | {"model_id": self.model.id, "model_sha256": self.model.sha256}
        ]


class Published(Part):
    """When it was sent."""

    published: Time = Field(description="RFC 3339, UTC.")


class GapMessage(Message):
    """Samples of a stream that will never come.

    At least once: copies have the same seq.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.gap/1", ("s/+/gap",), "sound that will never come, with its cause", expiry_s=EVENT_EXPIRY_S
    )

    seq: Seq
    node: Id
    stream: Id
    boot_id: Hex = Field(description="Sample indices count from the start of the process that has this id.")
    late: Late
    from_sample: Index = Field(description="Index of the first sample that is missing.")
    to_sample: Index = Field(description="Index one past the last sample that is missing.")
    rate: Rate
    ms: Index = Field(description="Length of the gap, or of all that count counts together, milliseconds.")
    cause: Text = Field(description="Why, for a person.")
    time: Published
    count: Number | Absent = Field(
        None,
        description="Only where a stream had more than 30 gaps in a minute: so many of them lie between from_sample "
        "and to_sample, with sound between them that arrived.",
    )
    seq_start: SeqStart = None
    seq_before: SeqBefore = None
    site: Id = Field("", description="Not on the wire: in what is stored it is that of the topic.")

    @property
    def at_s(self) -> float:
        """When it was sent; when it was is said in samples alone."""
        return self.time.published

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.site}/{self.node}/{self.stream}/{self.boot_id}/{self.from_sample}/{self.to_sample}"

    def rows(self) -> list[Row]:
        """One, of the table `gaps`."""
        own = self.cells("site", "node", "stream", "boot_id", "from_sample", "to_sample", "cause", "late", "seq")
        return [own | {"told": self.time.published, "lost_ms": self.ms, "count": self.count or 1}]
