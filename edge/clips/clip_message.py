"""What a node says when it is known what became of a clip: stored, withheld or dropped, and why. Never its sound.

Not for sending. On `s/<stream>/clip`, in the outbox like events; the event or alarm itself names the clip's id before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.clips.clip import Clip, Hearing
from edge.clips.pcm_ring import gaps_in
from edge.delivery.messages import EVENT_EXPIRY_S, Body, Message, Node, rfc3339

MOST_EVENTS = 64  # named in a message, so that it stays below 4 kB
State = Literal["stored", "withheld", "dropped"]


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
    body: Body = {
        "schema": "laennec.clip/1", "id": clip.id, "seq": 0, "mode": node.mode, "node": node.node,
        "stream": hearing.stream, "site": node.site, "boot_id": hearing.boot_id, "late": False,
        "state": state, "cause": cause, "speech": has_speech, "of": clip.cause.kind,
        "sample": {"rate": hearing.rate_hz, "from": clip.start, "to": clip.stop},
        "time": {"from": rfc3339(recorded.begin_s), "to": rfc3339(recorded.end_s), "published": None},
        "lost_s": round(lost / hearing.rate_hz, 3), "events": [event.id for event in clip.events[:MOST_EVENTS]],
        "alarm": {"condition": clip.cause.condition, "episode": clip.cause.episode} if is_alarm else None,
        "by": clip.cause.by or None,
    }  # fmt: skip
    return Message(node.topic("s", hearing.stream, "clip"), body, EVENT_EXPIRY_S)
