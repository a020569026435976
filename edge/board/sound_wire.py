"""Messages of sound as the board reads them: events, what became of clips, and tiles of the live picture.

Not for states (`edge.board.wire`, whose rules hold here too) and not for what is kept of them (`edge.board.sounds`,
`edge.board.bed_hub`). A tile is passed on to browsers, so every number in it is looked at, and it is no larger than it
says.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from edge.board.wire import Body, BootId, Place, Share, Text, Time, addressed

MAX_COLUMNS, MAX_BANDS, MAX_CLASSES = 256, 256, 16  # of a tile; a node sends some 15 to 30, 64 and 5
MAX_COLUMNS_PER_S = 200  # a browser makes room for half a minute; a node sends some 30
MAX_INDEX = (1 << 53) - (1 << 26)  # a browser counts to 2^53; behind the first column there are 2^24 samples at most

Ulid = Annotated[str, Field(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Index = Annotated[int, Field(ge=-MAX_INDEX, le=MAX_INDEX)]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
Base64 = Annotated[str, Field(max_length=65_536)]


class Samples(BaseModel):
    """Of an event: where in the stream it is, sample indices."""

    model_config = Body.model_config
    rate: Rate
    onset: Index
    end: Index | None
    until: Index | None = None


class Times(BaseModel):
    """Of an event: the same on the node's clock, seconds since 1970."""

    model_config = Body.model_config
    onset: Time
    end: Time | None
    until: Time | None = None


class Scores(BaseModel):
    """Of an event."""

    model_config = Body.model_config
    peak: Share
    threshold: Share


class NamedClip(BaseModel):
    """Of an event: the clip that holds its onset."""

    model_config = Body.model_config
    id: Ulid
    withheld: Text | None = None


class EventTold(BaseModel):
    """`laennec.event/1`."""

    model_config = Body.model_config
    id: Ulid
    rev: Annotated[int, Field(ge=1)]
    type: Literal["onset", "update", "end"]
    mode: Literal["Test", "Operational"]
    boot_id: BootId
    sample: Samples
    time: Times
    label: Text
    scores: Scores
    clip: NamedClip | None = None
    end_reason: Text = ""
    self_test: bool = False


class ClipTold(BaseModel):
    """`laennec.clip/1`."""

    model_config = Body.model_config
    id: Ulid
    state: Literal["stored", "withheld", "dropped"]
    cause: Text


class Grid(BaseModel):
    """Of a tile: where its columns are."""

    model_config = Body.model_config
    rate: Rate
    first: Index
    """Of the first column, absolute index of its first sample."""
    column: Annotated[int, Field(ge=1, le=65_536)]
    """Samples."""


class Levels(BaseModel):
    """Of a tile: byte b >= 1 is lowest + (b - 1) * step dB; 0 was not heard."""

    model_config = Body.model_config
    lowest: Annotated[float, Field(ge=-300, le=300)]
    step: Annotated[float, Field(gt=0, le=10)]


class MelTile(BaseModel):
    """`laennec.mel/1`: some columns of the live picture, with the scores of the same time."""

    model_config = Body.model_config
    boot_id: BootId
    sample: Grid
    time: Time
    """Of the first sample, seconds since 1970 on the node's clock."""
    columns: Annotated[int, Field(ge=1, le=MAX_COLUMNS)]
    bands: Annotated[int, Field(ge=2, le=MAX_BANDS)]
    lowest_hz: Annotated[float, Field(gt=0)]
    highest_hz: Annotated[float, Field(gt=0)]
    db: Levels
    mel: Base64
    classes: Annotated[list[Text], Field(max_length=MAX_CLASSES)]
    scores: Base64
    thresholds: Annotated[dict[Text, Share], Field(max_length=MAX_CLASSES)]

    @model_validator(mode="after")
    def _is_whole(self) -> MelTile:
        for name, wanted in (("mel", self.bands), ("scores", len(self.classes))):
            if (found := _length(getattr(self, name))) != wanted * self.columns:
                raise ValueError(f"{name}: expected {wanted * self.columns} bytes, found {found}")
        if self.sample.rate > MAX_COLUMNS_PER_S * self.sample.column:
            raise ValueError(f"sample: expected at most {MAX_COLUMNS_PER_S} columns in a second")
        if self.highest_hz <= self.lowest_hz:
            raise ValueError("highest_hz is not above lowest_hz")
        return self


OfSound = EventTold | ClipTold | MelTile
KINDS: dict[str, type[OfSound]] = {"event": EventTold, "clip": ClipTold, "mel": MelTile}
"""By the last level of the topic."""


@dataclass(frozen=True)
class HeardSound:
    """One message of sound."""

    place: Place
    body: OfSound


def filters(prefix: str, sites: tuple[str, ...]) -> tuple[str, ...]:
    """What the board subscribes to."""
    return tuple(f"{prefix}/{site}/+/s/+/{kind}" for site in sites or ("+",) for kind in KINDS)


def kind_of(topic: str) -> type[OfSound] | None:
    """What a topic is of, if it is of sound."""
    levels = topic.split("/")
    return KINDS.get(levels[-1]) if levels[-3:-2] == ["s"] else None


def parse(prefix: str, topic: str, payload: bytes) -> HeardSound:
    """The record of one message.

    Raises:
        ValueError: it is not of the contract; what is wrong, in one line.
    """
    place, levels = addressed(prefix, topic, payload)
    kind = KINDS.get(levels[0])
    if kind is None or len(levels) != 1 or not place.stream:
        raise ValueError("not a topic of the contract")
    try:
        return HeardSound(place, kind.model_validate_json(payload))
    except (OverflowError, ValidationError) as error:  # of a time in the year 0
        raise ValueError(str(error)) from None


def _length(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except binascii.Error:
        return -1
