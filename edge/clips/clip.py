"""A clip: a segment of one stream with what the node made of it, and the message that says what became of it.

Not for the disk (`edge.clips.folder`) nor for sending. Everything that scoring it again needs is in it: sample indices,
the gain that the node added, the phase of its chunks, what becomes an event and the adaptation (`edge.clips.replay`).
The message goes to `s/<stream>/clip`, through the outbox like events, and holds never its sound: stored, withheld or
dropped, and why; the event or alarm itself names the clip's id before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from edge.clips.pcm_ring import Pcm, gaps_in
from edge.contract.clips import MOST_EVENTS, ClipAlarm, ClipMessage, ClipSample, ClipTime, Origin, State
from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import UNSENT
from edge.delivery.messages import Message, Node
from edge.detector.class_rules import EventOptions

MOST_GAPS = 10_000  # listed; what is more is only in the sound, as zeros, and `listed` says so
Index = Annotated[int, Field(ge=-(1 << 62), le=1 << 62)]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is a clip."""

    kind: Origin
    by: str = ""
    """Who ordered it; of a command."""
    condition: str = ""
    """Of an alarm."""
    episode: int = 0
    """Of an alarm, as in its message."""


@dataclass(frozen=True, slots=True)
class ClipEvent:
    """One event whose onset lies in a clip, as it was decided."""

    id: str
    label: str
    onset: Index
    """Absolute sample index."""
    end: Index | None
    """The same, one past the sound; None if it lasted longer than the clip."""
    peak: float
    """Highest score; so far, if it lasted longer."""
    threshold: float


@dataclass(frozen=True, slots=True)
class Resume:
    """A place from which on a clip can be scored exactly as the node scored it."""

    frame: Index
    """Absolute index of the first frame of a chunk, whose samples all lie in the clip."""
    state: str
    """What the model remembered before that chunk: (S,) little-endian float32 in base64; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Sound that is to be kept."""

    id: str
    start: int
    """Absolute index of the first sample."""
    pcm: Pcm
    """(N,) samples, `LOST` where there are none."""
    gains: tuple[tuple[int, float], ...]
    """Frames (absolute index) from which on a gain was added, dB, the first at or before the clip; empty: none ever."""
    events: tuple[ClipEvent, ...]
    """Whose onset it holds, as far as they were decided when it ended."""
    cause: Cause
    resume: Resume | None = None
    """Where it can be scored from; None: only with a model that remembers nothing."""

    @property
    def stop(self) -> int:
        """Absolute index one past the last sample."""
        return self.start + len(self.pcm)


@dataclass(frozen=True, slots=True)
class StreamScoring:
    """How a stream is scored; the same for all of its clips."""

    node: str
    site: str
    stream: str
    boot_id: str
    mode: str
    rate_hz: int
    model: dict[str, str]
    """As events name it (`edge.contract.events.ModelName`)."""
    phase: int
    """Of the chunks, frames."""
    options: EventOptions
    """What becomes an event, by the settings of the stream."""
    adaptation: str | None
    """Of its device, the whole text; None: scored as it is."""


@dataclass(frozen=True, slots=True)
class ClipFile:
    """What is written beside the sound, and read again."""

    id: str
    hearing: StreamScoring
    cause: Cause
    start: Index
    """Sample index of the first sample of the file."""
    stop: Index
    """One past the last."""
    begin_time: str
    """When the first was recorded, RFC 3339, UTC."""
    gaps: tuple[tuple[Index, Index], ...]
    """Lost samples, which are zeros in the file, [from, to)."""
    listed: bool
    """Whether `gaps` are all."""
    gains: tuple[tuple[Index, float], ...]
    """As in `Clip`."""
    events: tuple[ClipEvent, ...]
    speech: bool
    """Whether speech was found in it (`edge.clips.speech`)."""
    sha256: str
    """Of the FLAC file, hex."""
    resume: Resume | None
    """As in `Clip`."""
    schema: Literal["laennec.clip-file/1"] = "laennec.clip-file/1"


_FILES: TypeAdapter[ClipFile] = TypeAdapter(ClipFile)


def describe(clip: Clip, hearing: StreamScoring, begin_time: str, speech: bool, sha256: str) -> ClipFile:
    """What is written beside the sound of a clip.

    Args:
        clip: the clip.
        hearing: of its stream.
        begin_time: when its first sample was recorded, RFC 3339.
        speech: whether speech was found in it.
        sha256: of the file with the sound, hex.
    """
    gaps = tuple((clip.start + first, clip.start + stop) for first, stop in gaps_in(clip.pcm))
    return ClipFile(
        clip.id,
        hearing,
        clip.cause,
        clip.start,
        clip.stop,
        begin_time,
        gaps[:MOST_GAPS],
        len(gaps) <= MOST_GAPS,
        clip.gains,
        clip.events,
        speech,
        sha256,
        clip.resume,
    )


def to_json(file: ClipFile) -> bytes:
    """The bytes of the file beside the sound."""
    return _FILES.dump_json(file, indent=1)


def from_json(content: bytes) -> ClipFile | None:
    """What such a file holds; None if it is damaged or of another version."""
    try:
        return _FILES.validate_json(content)
    except ValidationError:
        return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """A clip that is complete, with its place in time."""

    clip: Clip
    hearing: StreamScoring
    begin_s: float
    """When its first sample was recorded, seconds since 1970."""
    has_speech: bool = False
    """Whether speech was found in it already."""
    without_speech: tuple[int, int] = (0, 0)
    """Samples [from, to), absolute, in which none was found."""

    @property
    def end_s(self) -> float:
        """The same of its end."""
        return self.begin_s + len(self.clip.pcm) / self.hearing.rate_hz


def clip_message(node: Node, recorded: Recorded, state: State, cause: str, has_speech: bool | None) -> Message:
    """What became of a clip.

    Args:
        node: who says so.
        recorded: the clip.
        state: whether it is on the disk.
        cause: why not; empty if it is.
        has_speech: whether speech was found in it; None: nobody looked.
    """
    clip, hearing = recorded.clip, recorded.hearing
    lost = sum(stop - first for first, stop in gaps_in(clip.pcm))
    is_alarm = clip.cause.kind == "alarm"
    made = ClipMessage.model_construct(
        id=clip.id,
        seq=0,
        mode=node.mode,
        node=node.node,
        stream=hearing.stream,
        site=node.site,
        boot_id=hearing.boot_id,
        late=False,
        state=state,
        cause=cause,
        speech=has_speech,
        of=clip.cause.kind,
        sample=ClipSample.model_construct(rate=hearing.rate_hz, from_=clip.start, to=clip.stop),
        time=ClipTime.model_construct(from_=recorded.begin_s, to=recorded.end_s, published=UNSENT),
        lost_s=round(lost / hearing.rate_hz, 3),
        events=[event.id for event in clip.events[:MOST_EVENTS]],
        alarm=ClipAlarm.model_construct(condition=clip.cause.condition, episode=clip.cause.episode)
        if is_alarm
        else None,
        by=clip.cause.by or None,
    )
    return Message(node.topic("s", hearing.stream, "clip"), made.body(), EVENT_EXPIRY_S)
