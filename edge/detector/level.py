"""The chunks of one stream as the model hears them: equalised for its device, at a level that training knew.

Levels are in dB, so an equaliser and a gain are sums. The gain brings the level of the stream (`sound_statistics`) to
the nearest end of the range of the recordings that the model was trained on, and is 0 within it: such a stream is
heard bit for bit as it is. The level is that of the last `WINDOW_S` up to the chunk that is heard. Where a stream
begins, its first `HOLD_S` wait until that much is measured, so a short recording is heard at one gain and no event
begins on a step; from then on the gain moves by `SLEW_DB_PER_S` at most, which no breath notices. It is constant within
a chunk and depends on the chunks alone: any cut of the sound gives the same.

Frames are made with a floor that lies as far below the model's as they may be raised, and cut at the model's own floor
afterwards: a faint stream keeps its faint bands. What the converter lost cannot be brought back; beyond
`MOST_RAISED_DB` its noise is as loud as the breath. Not for what was clipped (`edge.detector.sample_counts`), nor for
whether the sound is known (`edge.detector.sound_check`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge.artefact.adaptation import LARGEST_BOOST_DB, Adaptation
from edge.artefact.known import MOST_LOWERED_DB, MOST_RAISED_DB, KnownSound
from edge.artefact.specs import ChunkSpec
from edge.detector.chunks import Chunks
from edge.detector.equaliser import band_curve_db
from edge.detector.sound_statistics import FrameLevels, is_measurable
from edge.features import FeatureSpec, Log
from edge.features.compress import affine
from edge.types import Chunk, Frames

WINDOW_S = 30.0  # some ten breaths
HOLD_S = 3.4  # about a breath: with it, 1 of 120 recordings of the training's level is heard with a gain
LEAST_S = 1.0  # of valid frames; a level of less is not acted on
SLEW_DB_PER_S = 1.0


class Hears(Protocol):
    """What is needed of a model."""

    spec: FeatureSpec
    chunk: ChunkSpec
    known: KnownSound | None


def is_levelled(model: Hears) -> bool:
    """Whether the model says which levels it knows, and its frames are levels."""
    return model.known is not None and is_measurable(model.spec) and not model.spec.deltas


def gain_for(level_db: float, known: KnownSound) -> float:
    """What brings a level, dBFS, to the nearest end of the range of the recordings, dB; 0 within it."""
    low, _, high = known.level_db
    raised = min(max(low - level_db, 0.0), MOST_RAISED_DB)
    return raised - min(max(level_db - high, 0.0), MOST_LOWERED_DB)


class LevelledChunks:
    """Cuts the frames of one stream into chunks and brings them to the level that the model knows.

    Args:
        model: what will hear them; a model that does not say what it knows hears them as they are.
        adaptation: of the stream's device; checked to be of this model.
    """

    def __init__(self, model: Hears, adaptation: Adaptation | None = None) -> None:
        """No frame has come yet."""
        self._chunks = Chunks(model.chunk, model.spec.width)
        self._known = model.known if is_levelled(model) else None
        self.spec = model.spec
        """What frames must be pushed: the model's, with a lower floor where they are levelled."""
        if self._known is not None and isinstance(compression := model.spec.compression, Log):
            floor = compression.floor - MOST_RAISED_DB - LARGEST_BOOST_DB
            self.spec = replace(model.spec, compression=replace(compression, floor=floor))
            offset, self._per_db = (each.astype(np.float32) for each in affine(model.spec))
            self._floor = (np.float32(compression.floor) - offset) * self._per_db  # as the front-end makes it
            curve_db = 0.0 if adaptation is None else band_curve_db(adaptation.equaliser_db, model.spec)
            self._curve = np.asarray(curve_db * self._per_db, np.float32)
        chunk_s = model.chunk.chunk_frames * model.spec.hop_samples / model.spec.rate_hz
        self._window, self._hold = (max(round(seconds / chunk_s), 1) for seconds in (WINDOW_S, HOLD_S))
        self._slew_db = SLEW_DB_PER_S * chunk_s
        self._least_frames = LEAST_S * model.spec.rate_hz / model.spec.hop_samples
        self._begin()

    @property
    def gain_db(self) -> float:
        """What is added to the newest chunk, dB."""
        return self._gain_db or 0.0

    def push(self, frames: Frames) -> list[Chunk]:
        """Take frames of any number; return the chunks that can be heard, oldest first."""
        return [heard for chunk in self._chunks.push(frames) for heard in self._take(chunk)]

    def flush(self) -> list[Chunk]:
        """End of stream: the chunks that still have frames to decide."""
        heard = [heard for chunk in self._chunks.flush() for heard in self._take(chunk)]
        return [*heard, *self._release()]

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._chunks.reset()
        self._begin()

    def _begin(self) -> None:
        """No level was measured."""
        self._gain_db: float | None = None
        self._levels = FrameLevels(self.spec) if self._known is not None else None  # of the window
        self._recent: deque[FrameLevels] = deque()  # of each chunk in it
        self._held: list[Chunk] | None = []  # None: the begin was released

    def _take(self, chunk: Chunk) -> Iterator[Chunk]:
        if self._known is None:
            yield chunk
            return
        if chunk.restart:
            yield from self._release()
            self._begin()
        chunk = self._equalised(chunk)
        self._measure(chunk)
        if self._held is None:
            yield self._raised(chunk)
            return
        self._held.append(chunk)
        if len(self._held) >= self._hold:
            yield from self._release()

    def _release(self) -> list[Chunk]:
        """The chunks that waited for the level of the begin."""
        held, self._held = self._held or [], None
        return [self._raised(chunk) for chunk in held]

    def _equalised(self, chunk: Chunk) -> Chunk:
        return replace(chunk, values=np.where(chunk.valid[:, None], chunk.values + self._curve, np.float32(0)))

    def _measure(self, chunk: Chunk) -> None:
        """The gain for the window that ends with this chunk."""
        assert self._known is not None
        assert self._levels is not None
        newest = FrameLevels(self.spec)
        newest.push(chunk.values, chunk.valid)
        self._recent.append(newest)
        self._levels.add(newest)
        if len(self._recent) > self._window:
            self._levels.subtract(self._recent.popleft())
        if self._levels.frames < self._least_frames:
            return
        wanted_db = gain_for(self._levels.level_db, self._known)
        if self._gain_db is None or self._held is not None:
            self._gain_db = wanted_db
        else:
            step_db = min(max(wanted_db - self._gain_db, -self._slew_db), self._slew_db)
            self._gain_db += step_db

    def _raised(self, chunk: Chunk) -> Chunk:
        values = chunk.values + np.float32(self.gain_db) * self._per_db if self.gain_db else chunk.values
        values = np.where(chunk.valid[:, None], np.maximum(values, self._floor), np.float32(0))
        return replace(chunk, values=values, gain_db=self.gain_db)
