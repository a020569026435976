"""The breath in the sound of one stream: for each score frame its score, its level, and whether it can be used. Pure.

What follows breathing (`edge.ward.respiratory_rate`) needs the model's breath score beside
the level of the sound, which no model has judged. A chunk brings both at different times: its frames are decided
`lookahead_frames` later. Here they are put side by side. The level is the mean of the chunk's bands in `BREATH_HZ`,
and of those in each of `PARTS_HZ`, in the unit of the features (dB), without the gain of the stream; a gain is no
breath.

Not for gaps: frames that do not come are missing here too.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from edge.features import FeatureSpec, Log, Mel
from edge.features.gammatone import gammatone_centres_hz
from edge.features.logmel import mel_edges_hz
from edge.features.parts import Gammatone
from edge.features.wavelet import cwt_centres_hz
from edge.model.specs import ChunkSpec
from edge.types import BreathSound, Chunk, Fault, Scores

BREATH_HZ = (200.0, 1200.0)  # above hearts, below where a chest lets nothing through
PARTS_HZ = ((200.0, 450.0), (450.0, 800.0), (800.0, 1200.0))  # a heart and hum reach into the first alone
BREATH = "breath"


class Breathes(Protocol):
    """What is needed of a model."""

    spec: FeatureSpec
    chunk: ChunkSpec
    classes: tuple[str, ...]


class BreathSounds:
    """Puts scores and levels of one stream side by side.

    Args:
        model: whose chunks and scores they are.

    Raises:
        ConfigError: if the model has no class `breath`.
    """

    def __init__(self, model: Breathes) -> None:
        if BREATH not in model.classes:
            raise ConfigError(
                f"model: expected a class {BREATH}, found {', '.join(model.classes)}; give another --model"
            )
        self._column = model.classes.index(BREATH)
        self._frames = model.chunk.score_frames
        self._most_levels = model.chunk.lookahead_frames // self._frames + 2 * model.chunk.scores
        self._weights = level_weights(model.spec, model.chunk.score_frames)
        self._has_db = isinstance(model.spec.compression, Log) and model.spec.compression.unit == "db"
        self.reset()

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._first = 0  # score frame of the first level that is kept
        self._levels = np.zeros((0, self._weights.shape[1]), np.float32)

    def push(self, chunk: Chunk, scores: Scores, fault: Fault | None = None) -> BreathSound:
        """The frames that a chunk decides.

        Args:
            chunk: the next one.
            scores: what the model says of the frames that it decides, before anything was masked in them.
            fault: what is known to be wrong with their sound.
        """
        self._keep(chunk)
        count, at = len(scores.valid), scores.start - self._first
        levels_db = np.zeros((count, self._weights.shape[1]), np.float32)
        known = self._levels[max(at, 0) : max(at + count, 0)]
        levels_db[max(-at, 0) : max(-at, 0) + len(known)] = known
        usable = np.asarray(scores.valid, np.bool_)
        score = scores.values[:, self._column] if count else np.zeros(0, np.float32)
        return BreathSound(scores.start, score, levels_db[:, 0], levels_db[:, 1:], usable, fault)

    def _keep(self, chunk: Chunk) -> None:
        """Remember the levels of a chunk until its frames are decided."""
        levels = frame_levels(chunk.values, self._weights)
        if self._has_db:
            # As the device gave it: a gain that moves would look like a swell.
            levels -= np.float32(chunk.gain_db)
        start = chunk.start // self._frames
        if start != self._first + len(self._levels):  # sound was lost for long: nothing before it is decided any more
            self._first, self._levels = start, levels[:0]
        self._levels = np.concatenate([self._levels, levels])
        surplus = max(len(self._levels) - self._most_levels, 0)
        self._first, self._levels = self._first + surplus, self._levels[surplus:]


def frame_levels(values: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """(T, 4) levels of score frames, of (`frames` T, M) frames by `level_weights`."""
    return np.asarray(values.reshape(-1, len(weights)) @ weights)


def level_weights(spec: FeatureSpec, frames: int) -> NDArray[np.float32]:
    """(`frames` M, 4) what each number of a score frame counts in the levels of `BREATH_HZ` and `PARTS_HZ`."""
    scale = np.broadcast_to(np.asarray(spec.scale, np.float32), spec.width)
    bands = [band_weights(spec, hz) * scale for hz in (BREATH_HZ, *PARTS_HZ)]
    return np.ascontiguousarray(np.tile(np.stack(bands, axis=1) / frames, (frames, 1)), np.float32)


def band_weights(spec: FeatureSpec, hz: tuple[float, float] = BREATH_HZ) -> NDArray[np.float32]:
    """(M,) weights of a mean over the bands in `hz`; where there is none, over those of breath, or all."""
    if isinstance(spec.analysis, Mel):
        centres_hz = mel_edges_hz(spec)[1:-1]
    else:
        centres_hz = (gammatone_centres_hz if isinstance(spec.analysis, Gammatone) else cwt_centres_hz)(spec)
    inside = (centres_hz >= hz[0]) & (centres_hz < hz[1])
    if not inside.any() and hz != BREATH_HZ:
        return band_weights(spec)
    weights = np.zeros(spec.width, np.float32)
    weights[: spec.levels] = np.tile(inside if inside.any() else np.ones_like(inside), spec.windows)
    return np.asarray(weights / weights.sum())
