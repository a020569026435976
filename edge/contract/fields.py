"""The types of fields that messages share: ids, names, times, bounded numbers, text that shows as it is.

Not for what a field means: that stands where a message has it. A time is a float here, seconds since 1970, and on the
wire text by RFC 3339 in UTC with milliseconds. Text of unknown origin is cut and made printable, so that no name can
hide another or turn its direction; what a builder makes goes out as it is.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

LONGEST_ID = 32  # characters
ID_PATTERN = rf"^[a-z0-9-]{{1,{LONGEST_ID}}}$"  # ids are levels of an MQTT topic: no '/', '+', '#' and no patient names
SELF_TEST_STREAM = "self-test"  # the virtual bed; no stream of the settings may have this id
MAX_TEXT = 200  # characters
MAX_ITEMS = 16
LONGEST_S = 31 * 86_400  # no trend looks back further; room beyond the hour of today
TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
_TIME = re.compile(TIME)


def rfc3339(wall_s: float) -> str:
    """Seconds since 1970 as RFC 3339 in UTC with milliseconds, such as `2026-11-21T03:14:07.512Z`."""
    text = datetime.fromtimestamp(wall_s, tz=timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def seconds_of(text: object) -> float:
    """The inverse of `rfc3339`.

    Raises:
        ValueError: it is no such text, or before 1970.
    """
    if not isinstance(text, str) or _TIME.fullmatch(text) is None:
        raise ValueError("expected a time such as 2026-11-21T03:14:07.512Z")
    if (wall_s := datetime.fromisoformat(f"{text[:-1]}+00:00").timestamp()) < 0:
        raise ValueError("expected a time since 1970")
    return wall_s


def milliseconds_of(wall_s: float) -> int:
    """A time of a message as whole milliseconds since 1970."""
    return round(wall_s * 1000)


def printable(text: str, most: int = MAX_TEXT) -> str:
    """Text that shows as it is: cut, and without control characters or marks that turn its direction."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(each if each.isprintable() else "�" for each in cut)


def _some(values: list[str]) -> list[str]:
    return values[:MAX_ITEMS]


Absent = SkipJsonSchema[None]
"""Of a field that is there or not, and never null: in Python it is None where it is not there."""
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Ulid = Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hash = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
Text = Annotated[str, AfterValidator(printable)]
Texts = Annotated[list[Text], AfterValidator(_some)]
Time = Annotated[
    float,
    BeforeValidator(seconds_of),
    PlainSerializer(rfc3339, return_type=str, when_used="unless-none"),
    WithJsonSchema({"type": "string", "pattern": TIME}),
]
Share = Annotated[float, Field(ge=0, le=1)]
Score = Share
Burden = Annotated[float, Field(ge=0, le=60)]
"""Seconds of sound in a measurable minute."""
Seconds = Annotated[float, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)] | None
WindowSeconds = Annotated[float, Field(ge=0, le=LONGEST_S)]
Count = Annotated[int, Field(ge=0)]
Index = Annotated[int, Field(ge=0, lt=1 << 63)]
Number = Annotated[int, Field(ge=1, lt=1 << 53)]
Rate = Annotated[int, Field(ge=1, le=1_000_000, description="Samples per second, Hz.")]
Kind = Literal["Phy", "Tec"]
"""Physiological (of the patient) or technical (of the monitoring itself)."""
Priority = Literal["Lo", "Me", "Hi"]
Signal = Literal["Off", "On", "Latch", "Ack"]
"""Latch: the condition is over and nobody has acknowledged it; Ack: it lasts and a person has."""
Body = dict[str, Any]
UNSENT: Any = None
"""Of `time.published` before a message is sent: delivery fills it in, as `seq` and `late`."""

BootId = Annotated[Hex, Field(description="Of the process that says so; new at each start.")]
Made = Annotated[Time, Field(description="When it was made, RFC 3339, UTC.")]
Mode = Annotated[Literal["Test", "Operational"], Field(description="Nobody may be alarmed by Test.")]
Late = Annotated[
    bool,
    Field(
        description="It was decided before the present connection to the broker was up, or was sent more than 5 s "
        "after the sound that it reports."
    ),
]
Seq = Annotated[
    Number,
    Field(
        description="Number of an event, gap, clip or change of an alarm of this node, never used twice (a copy keeps "
        "its own), below 2^53. Higher is decided later within one seq_start."
    ),
]
SeqStart = Annotated[
    Number | Absent,
    Field(
        description="Of the messages with the same seq_start the first has this seq and each has one more than the one "
        "before: a number that does not come between two that came is a message that was dropped (counted in health, "
        "outbox.evicted), has expired, or is still on its way (late). A restart, or a disk that refuses, begins with "
        "another seq_start; numbers in between may never have been used and are no loss (see seq_before)."
    ),
]
SeqBefore = Annotated[
    Annotated[int, Field(ge=0, lt=1 << 53)] | None,
    Field(
        description="Below seq_start the highest number that a message of this node is known to have got (0: none); "
        "null if it is not known, as after a disk that could not be read. Whoever had messages of an earlier seq_start "
        "has lost those above the last of them up to this one; none is known to be lost between this one and "
        "seq_start. The same in all messages with one seq_start."
    ),
]
