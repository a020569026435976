"""The messages of a bed that somebody looks at or listens to, built by pure functions: picture, sound, who listens.

Not for making columns of sound (`edge.node.spectrogram_tiles`), nor for who may look or listen (`edge.node.live_view`,
`edge.node.live_sound`). A byte of 0 in a picture says that something is not known: sound that was lost, a score that
there is not; silence is a level, and has its own byte.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.clips.voice_mute import MutedPiece
from edge.contract.fields import Body
from edge.contract.live import (
    MAX_SILENCES,
    Grid,
    Levels,
    Listener,
    ListeningMessage,
    MelMessage,
    Piece,
    Silence,
    SoundMessage,
)
from edge.delivery.messages import Node

LOWEST_DB = -100.0  # of byte 1
STEP_DB = 0.4  # byte 255 is 1.6 dB, more than a full-scale tone
SCORE_STEPS = 254

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class MelScale:
    """What the columns and scores of one bed mean; the same in each of its messages."""

    rate_hz: int
    column_samples: int
    """Samples of a column, those of one score frame."""
    lowest_hz: float
    """Centre of the lowest band."""
    highest_hz: float
    """Centre of the highest; those between lie evenly on the mel scale."""
    classes: tuple[str, ...]
    """Of the scores."""
    thresholds: Mapping[str, float]
    """Score that opens an event on this stream, by class."""


@dataclass(frozen=True, slots=True)
class MelTile:
    """A segment of one bed."""

    first: int
    """Absolute index of its first sample."""
    first_s: float
    """When that was recorded, seconds since 1970."""
    mel: Bytes
    """(T, M) levels, as `level_bytes` makes them."""
    scores: Bytes
    """(T, C) of the classes, as `score_bytes` makes them."""


def level_bytes(levels_db: NDArray[np.float32], is_valid: NDArray[np.bool_]) -> Bytes:
    """(T, M) levels, dB, as bytes; 0 in the columns without sound, (T,)."""
    steps = np.clip(np.rint((levels_db - LOWEST_DB) / STEP_DB), 0, 254)
    return np.where(is_valid[:, None], steps + 1, 0).astype(np.uint8)


def score_bytes(scores: NDArray[np.float32], valid: NDArray[np.bool_]) -> Bytes:
    """(T, C) scores, 0 to 1, as bytes; 0 in the score frames that mean nothing, (T,)."""
    steps = np.clip(np.rint(scores * SCORE_STEPS), 0, SCORE_STEPS)
    return np.where(valid[:, None], steps + 1, 0).astype(np.uint8)


def mel_topic(node: Node, stream: str) -> str:
    """Where it is published."""
    return node.topic("s", stream, "mel")


def mel_body(node: Node, stream: str, scale: MelScale, tile: MelTile, wall_s: float) -> Body:
    """The message of one segment, made `wall_s` seconds after 1970."""
    columns, bands = tile.mel.shape
    return MelMessage.model_construct(
        node=node.node,
        stream=stream,
        site=node.site,
        boot_id=node.boot_id,
        mode=node.mode,
        ts=wall_s,
        sample=Grid.model_construct(rate=scale.rate_hz, first=tile.first, column=scale.column_samples),
        time=tile.first_s,
        columns=columns,
        bands=bands,
        lowest_hz=round(scale.lowest_hz, 2),
        highest_hz=round(scale.highest_hz, 2),
        db=Levels.model_construct(lowest=LOWEST_DB, step=STEP_DB),
        mel=b64encode(tile.mel.tobytes()).decode(),
        classes=list(scale.classes),
        scores=b64encode(tile.scores.tobytes()).decode(),
        thresholds={name: round(value, 4) for name, value in scale.thresholds.items()},
    ).body()


@dataclass(frozen=True, slots=True)
class ListenPermit:
    """One person who listens."""

    user: str
    by: str
    since_s: float
    """Wall time, seconds since 1970."""
    until_s: float
    """Monotonic, seconds."""


def listening_body(node: Node, people: Sequence[ListenPermit], now_s: float, wall_s: float) -> Body:
    """Who listens to a bed, on the clock of `ListenPermit` and in seconds since 1970."""
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
