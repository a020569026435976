"""What leaves a node while somebody looks at a bed or listens to it: its picture and its sound, and who listens.

The picture is a segment of log-mel columns and scores, the sound 16-bit samples, both as bytes in JSON. Not for making
columns (`edge.node.spectrogram_tiles`), for hiding voices (`edge.clips.voice_mute`), nor for who may look or listen
(`edge.node.live_view`, `edge.node.live_sound`). All of it is passed on to browsers, so every number is checked, and
nothing is larger than it says. This sound is the only audio of the contract.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from edge.contract.events import SampleIndex
from edge.contract.fields import BootId, Hex, Id, Made, Mode, Rate, Share, Text, Time
from edge.contract.message import Message, Part, Wire

MOMENT_EXPIRY_S = 5  # a picture or a sound of the moment is worth nothing later
MAX_COLUMNS, MAX_BANDS, MAX_CLASSES = 256, 256, 16  # of a tile; a node sends some 15 to 30, 64 and 5
MAX_COLUMNS_PER_S = 200  # a browser makes room for half a minute; a node sends some 30
LISTENING_EXPIRY_S = 90  # more than anybody listens at once: of a node that died nothing stays
MAX_SAMPLES, MAX_SILENCES, MAX_LISTENERS = 16_384, 256, 8  # a node sends some 4096, and few

Pcm = Annotated[str, Field(max_length=43_692, json_schema_extra={"contentEncoding": "base64"})]
Base64 = Annotated[str, Field(max_length=65_536, json_schema_extra={"contentEncoding": "base64"})]


class Grid(Part):
    """The truth: column k shows the samples [first + k * column, first + (k + 1) * column) of the stream."""

    rate: Rate
    first: SampleIndex
    column: Annotated[int, Field(ge=1, le=65_536)] = Field(description="Samples of a column, those of one score.")


class Levels(Part):
    """A byte b of `mel` from 1 on is lowest + (b - 1) * step, dB re a full-scale sine.

    What is fainter is 1, what is louder 255.
    """

    lowest: float = Field(ge=-300, le=300)
    step: float = Field(gt=0, le=10)


class MelMessage(Message):
    """A stretch of a bed's sound as log-mel columns, with its scores, while somebody looks (command `look`).

    When its scores are known; with the default model 16 columns (0.51 s), 0.5 to 1.2 s after their sound. At most once:
    what was dropped does not come again. Columns that lie between two messages are not known: place by sample.first,
    never one message behind the other. Per band a column is the highest of the short frames that are centred in it. It
    is derived from sound: it shows when somebody speaks.
    """

    wire: ClassVar[Wire] = Wire(
        "laennec.mel/1",
        ("s/+/mel",),
        "the live spectrogram and the scores of a bed that somebody looks at",
        qos=0,
        expiry_s=MOMENT_EXPIRY_S,
    )

    node: Id
    stream: Id
    site: Id
    boot_id: Hex = Field(
        description="Of the process whose sample indices these are. They may also begin again within it, with a device "
        "that does: a `first` that is lower than the last one is of another sound.",
    )
    mode: Mode
    ts: Made
    sample: Grid
    time: Time = Field(description="When sample `first` was recorded, RFC 3339, UTC; by the clock that events have.")
    columns: Annotated[int, Field(ge=1, le=MAX_COLUMNS)]
    bands: Annotated[int, Field(ge=2, le=MAX_BANDS)]
    lowest_hz: float = Field(
        gt=0,
        description="Centre of the lowest band, Hz; the centres lie evenly on the mel scale, 2595 log10(1 + f / 700).",
    )
    highest_hz: float = Field(gt=0, description="Centre of the highest band, Hz.")
    db: Levels
    mel: Base64 = Field(
        description="Base64 of columns * bands bytes, one column after the other, lowest band first. 0: no sound, "
        "because sound that it needs was lost or masked, also where the detector bridged a short hole; never silence.",
    )
    classes: list[Text] = Field(max_length=MAX_CLASSES, description="What the scores are of.")
    scores: Base64 = Field(
        description="Base64 of columns * classes bytes, one column after the other. 0: no score (lost, or not "
        "measurable); a byte b from 1 on is (b - 1) / 254.",
    )
    thresholds: dict[Text, Share] = Field(
        max_length=MAX_CLASSES, description="Score that opens an event on this stream, by class."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> MelMessage:
        for name, width in (("mel", self.bands), ("scores", len(self.classes))):
            if (found := _length(getattr(self, name))) != width * self.columns:
                raise ValueError(f"{name}: expected {width * self.columns} bytes, found {found}")
        if self.sample.rate > MAX_COLUMNS_PER_S * self.sample.column:
            raise ValueError(f"sample: expected at most {MAX_COLUMNS_PER_S} columns in a second")
        if self.highest_hz <= self.lowest_hz:
            raise ValueError("highest_hz is not above lowest_hz")
        return self


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
        expiry_s=MOMENT_EXPIRY_S,
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
    silent: list[Silence] = Field(max_length=MAX_SILENCES, description="What of it must not or cannot be played.")

    @model_validator(mode="after")
    def _is_whole(self) -> SoundMessage:
        if (found := _length(self.pcm)) != 2 * self.sample.count:
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


def _length(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return -1
