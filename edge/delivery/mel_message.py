"""The topic `mel`: a segment of log-mel columns and scores of a bed that somebody looks at, as bytes in JSON.

Not for making columns of sound (`edge.node.spectrogram_tiles`), nor for who looks (`edge.node.live_view`). A byte of 0
says that something is not known: sound that was not heard, a score that was not given; silence is a level, and has its
own byte.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.contract.fields import Body
from edge.contract.spectrogram import Grid, Levels, MelMessage
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
    """(T, M) levels, dB, as bytes; 0 in the columns that were not heard, (T,)."""
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
