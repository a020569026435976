"""The live sound of a bed: some of it as 16-bit samples while somebody listens, and who does.

Not for hiding voices (`edge.clips.voice_mute`), nor for who may listen (`edge.node.live_sound`). The only message of
the contract that holds audio; it is passed on to browsers, so every number in it is looked at, and it is no larger than
it says.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from edge.contract.events import SampleIndex
from edge.contract.fields import BootId, Hex, Id, Made, Mode, Rate, Text, Time
from edge.contract.message import Message, Part, Wire

SOUND_EXPIRY_S = 5  # sound of the moment is worth nothing later
LISTENING_EXPIRY_S = 90  # more than anybody listens at once: of a node that died nothing stays
MAX_SAMPLES, MAX_SILENCES, MAX_LISTENERS = 16_384, 256, 8  # a node sends some 4096, and few

Pcm = Annotated[str, Field(max_length=43_692, json_schema_extra={"contentEncoding": "base64"})]


class Piece(Part):
    """The truth: the samples [first, first + count) of the stream."""

    rate: Rate
    first: SampleIndex
    count: Annotated[int, Field(ge=1, le=MAX_SAMPLES)]


class Silence(Part):
    """The samples [from, to) of a piece, counted from its first, are zeros and were not so."""

    from_: int = Field(alias="from", ge=0, lt=MAX_SAMPLES)
    to: int = Field(ge=1, le=MAX_SAMPLES)
    why: Literal["speech", "lost"] = Field(
        description="speech: somebody speaks within a second of it; lost: it never came."
    )


class SoundMessage(Message):
    """A stretch of a bed's sound, while somebody listens (command `listen`).

    Some 2 s after it sounded: before a stretch leaves the node, the second behind it must show that nobody speaks. At
    most once; what was dropped does not come again, so place by sample.first. Kept nowhere, and for no reader to keep.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.sound/1",
        ("s/+/sound",),
        "the sound of a bed that somebody listens to, voices muted",
        qos=0,
        expiry_s=SOUND_EXPIRY_S,
    )

    node: Id
    stream: Id
    site: Id
    boot_id: Hex = Field(description="Of the process whose sample indices these are.")
    mode: Mode
    ts: Made
    sample: Piece
    time: Time = Field(description="When sample `first` was recorded, RFC 3339, UTC; by the clock that events have.")
    pcm: Pcm = Field(description="Base64 of count signed 16-bit samples, little-endian.")
    silent: list[Silence] = Field(max_length=MAX_SILENCES, description="What of it must not or cannot be heard.")

    @model_validator(mode="after")
    def _is_whole(self) -> SoundMessage:
        try:
            found = len(base64.b64decode(self.pcm, validate=True))
        except binascii.Error:
            found = -1
        if found != 2 * self.sample.count:
            raise ValueError(f"pcm: expected {2 * self.sample.count} bytes, found {found}")
        return self


class Listener(Part):
    """One person who listens."""

    by: Text = Field(description="Who, as the board or another sender calls the person.")
    user: Text = Field(description="The sender's user at the broker.")
    since: Time = Field(description="RFC 3339, UTC.")
    until: Time = Field(description="When it ends, unless the person asks again.")


class ListeningMessage(Message):
    """Who listens to a bed now; said before the first sound leaves, at each change, and at the end with nobody."""

    wire: ClassVar[Wire] = Wire(
        "laennec.listening/1",
        ("s/+/listening",),
        "who listens to a bed",
        retained=True,
        expiry_s=LISTENING_EXPIRY_S,
    )

    boot_id: BootId
    listeners: list[Listener] = Field(max_length=MAX_LISTENERS)
    ts: Made
