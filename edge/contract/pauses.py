"""Pauses of breath of a bed: each numbered and sent until the broker has it, as events are.

Not for deciding what a pause is (`edge.ward.pauses`), nor an alarm (`edge.contract.alarms`).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field

from edge.contract.events import AN_END, EVENT_EXPIRY_S, NO_END, Occurrence
from edge.contract.fields import Absent, Hash, Seconds, SeqBefore, SeqStart
from edge.contract.message import Wire
from edge.contract.tables import OF_OCCURRENCE, Row


class PauseMessage(Occurrence):
    """A stretch of measurable sound without breath: it has lasted limit_s (onset, rev 1), or it is over (end, rev 2).

    Only where the settings ask for alarms of pauses. Both have the same id; copies, order, and a node that was killed
    are as of events. It is no vital sign that anybody cleared: many pauses are missed, and some of these are none
    (ward/README.md has the figures).
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.pause/1",
        ("s/+/pause",),
        "onset and end of a pause of breath ([ward/README.md](../ward/README.md#pauses-of-breath))",
        expiry_s=EVENT_EXPIRY_S,
    )
    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"type": {"const": "end"}}},
            "then": {
                "required": ["end_reason"],
                "properties": {"rev": {"const": 2}},
                "if": {"properties": {"end_reason": {"const": "restart"}}},
                "then": {"properties": NO_END},
                "else": {"properties": AN_END},
            },
            "else": {"properties": {**NO_END, "rev": {"const": 1}, "end_reason": False}},
        }
    )

    type: Literal["onset", "end"]
    limit_s: Seconds = Field(description="From which length on it is a pause, seconds: an onset is published so late.")
    contact: bool = Field(
        description="Whether there was evidence, so far, that the sensor touches somebody. false: no breath is heard, "
        "and nobody knows whether it is the patient or the sensor."
    )
    end_reason: Literal["breath", "lost_sound", "stream_end", "restart"] | Absent = Field(
        None,
        description="Only in an end. breath: one was heard. lost_sound, stream_end: what came then is not known. "
        "restart: the node was killed; when it ended is not known.",
    )
    config: Hash | Absent = Field(None, description="Hash of the settings that were in force.")
    seq_start: SeqStart = None
    seq_before: SeqBefore = None
    resent: Literal[True] | Absent = Field(None, description="true: published again from the node's log. Else absent.")

    @property
    def end_s(self) -> float | None:
        """One past it; None: it lasts, or it is not known."""
        return self.time.end

    def rows(self) -> list[Row]:
        """One, of the table `pauses`."""
        own = "limit_s", "contact", "end_reason", "late", "boot_id", "seq"
        return [self.time.cells("onset", "end") | self.cells(*OF_OCCURRENCE, *own)]
