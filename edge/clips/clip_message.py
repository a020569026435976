"""What a node says when it is known what became of a clip: stored, withheld or dropped, and why. Never its sound.

Not for sending. On `s/<stream>/clip`, in the outbox like events; the event or alarm itself names the clip's id before.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.clips.clip import Clip, Hearing
from edge.clips.pcm_ring import gaps_in
from edge.contract.clips import MOST_EVENTS, ClipAlarm, ClipMessage, ClipSample, ClipTime, State
from edge.contract.events import EVENT_EXPIRY_S
from edge.contract.fields import UNSENT
from edge.delivery.messages import Message, Node


@dataclass(frozen=True, slots=True)
class Recorded:
    """A clip that is complete, with its place in time."""

    clip: Clip
    hearing: Hearing
    begin_s: float
    """When its first sample was recorded, seconds since 1970."""
    has_speech: bool = False
    """Whether speech was found in it already."""

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
