"""What a node says of live sound: a stretch of it, and who listens; built by pure functions.

Not for who may listen, nor for sending (`edge.node.live_sound`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from edge.clips.voice_mute import MutedPiece
from edge.contract.fields import Body
from edge.contract.listening import MAX_SILENCES, Listener, ListeningMessage, Piece, Silence, SoundMessage
from edge.delivery.messages import Node


@dataclass(frozen=True, slots=True)
class Leave:
    """One person who listens."""

    user: str
    by: str
    since_s: float
    """Wall time, seconds since 1970."""
    until_s: float
    """Monotonic, seconds."""


def listening_body(node: Node, people: Sequence[Leave], now_s: float, wall_s: float) -> Body:
    """Who listens to a bed, on the clock of `Leave` and in seconds since 1970."""
    listeners = [
        Listener.model_construct(by=each.by, user=each.user, since=each.since_s, until=wall_s + each.until_s - now_s)
        for each in people
    ]
    return ListeningMessage.model_construct(boot_id=node.boot_id, listeners=listeners, ts=wall_s).body()


def sound_body(node: Node, stream: str, rate_hz: int, piece: MutedPiece, times_s: tuple[float, float]) -> Body:
    """The message of one stretch of sound.

    Args:
        node: in whose name.
        stream: of which bed.
        rate_hz: of the sound.
        piece: the stretch.
        times_s: when its first sample was recorded and when this is made, seconds since 1970.
    """
    silent = [
        Silence.model_construct(None, from_=begin, to=end, why=why) for begin, end, why in piece.silent[:MAX_SILENCES]
    ]
    return SoundMessage.model_construct(
        node=node.node,
        stream=stream,
        site=node.site,
        boot_id=node.boot_id,
        mode=node.mode,
        ts=times_s[1],
        sample=Piece.model_construct(rate=rate_hz, first=piece.start, count=len(piece.pcm)),
        time=times_s[0],
        pcm=b64encode(piece.pcm.astype("<i2").tobytes()).decode(),
        silent=silent,
    ).body()
