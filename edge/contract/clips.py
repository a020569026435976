"""What became of a clip, which an event, an alarm or the answer to a command has named before. Never its sound."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import Hex, Id, Late, Mode, Number, Rate, Seconds, Seq, SeqBefore, SeqStart, Text, Time, Ulid
from edge.contract.message import Message, Part, Wire
from edge.contract.tables import Row

MOST_EVENTS = 64  # named in a message, so that it stays below 4 kB


State = Literal["stored", "withheld", "dropped"]
Origin = Literal["event", "alarm", "command"]


class ClipSample(Part):
    """The truth: [from, to) of the stream, as in laennec.event/1."""

    rate: Rate
    from_: int = Field(alias="from")
    to: int


class ClipTime(Part):
    """RFC 3339, UTC."""

    from_: Time = Field(alias="from")
    to: Time
    published: Time


class ClipAlarm(Part):
    """Only of an alarm."""

    condition: Text
    episode: Number


class ClipMessage(Message):
    """What became of a clip: a stretch of sound around an event, before an alarm, or that a person has ordered.

    Published when it is known, some seconds after the sound; never the sound itself, which lies on the node. At least
    once: readers drop copies by id.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.clip/1", ("s/+/clip",), "what became of a clip: kept, withheld, dropped", expiry_s=EVENT_EXPIRY_S
    )

    id: Ulid = Field(description="As in the event, the alarm or the answer to the command.")
    seq: Seq
    mode: Mode
    node: Id
    stream: Id
    site: Id
    boot_id: Hex = Field(description="Of the process whose sample indices these are.")
    late: Late
    state: State = Field(
        description="stored: on the disk of the node, until its room or its time is over; withheld: somebody speaks in "
        "it; dropped: lost, for the cause.",
    )
    cause: Text = Field(description="speech; queue full; disk; quota; stopped; error. Empty if stored.")
    speech: bool | None = Field(description="Whether speech was found in it; null: nobody looked.")
    of: Origin = Field(description="Why there is a clip.")
    sample: ClipSample
    time: ClipTime
    lost_s: Seconds = Field(description="Sound that is missing in it; zeros in the file, listed beside it, seconds.")
    events: list[Ulid] = Field(
        max_length=MOST_EVENTS, description="Ids of the events whose onset it holds, the first 64."
    )
    alarm: ClipAlarm | None
    by: Text | None = Field(description="Who ordered it; null: nobody.")
    seq_start: SeqStart = None
    seq_before: SeqBefore = None

    @property
    def at_s(self) -> float:
        """When it was sent."""
        return self.time.published

    @property
    def key(self) -> str:
        """The same for every copy of a message."""
        return f"{self.id}/{self.seq}"

    def rows(self) -> list[Row]:
        """None: what becomes of clips is in no table."""
        return []
