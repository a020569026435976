"""The chunks of one stream as the model gets them: equalised for its device, at a level that training knew.

Levels are in dB, so an equaliser and a gain are sums. The gain brings the level of the stream
(`edge.detector.statistics`) to the nearest end of the range of the recordings that the model was trained on, and is 0
within it: such a stream is left bit for bit as it is. The gain is constant within a step of `STEP_S`, on a grid of
absolute frames, and follows from the last `WINDOW_S` before that step; nothing waits for it, and the first step
of a stream is left as it is. In the first `BEGIN_S`, when little was measured, the range is wider by the gain that
training added, and the gain follows at once; from then on it moves by `SLEW_DB_PER_S` at most, which no breath notices.
Any cut of the sound gives the same, and so does any length and phase of the chunks (of holes of 10 s it depends whether
they are so long that all begins anew).

Frames are made with a floor that lies as far below the model's as they may be raised, and cut at the model's own floor
afterwards: a faint stream keeps its faint bands. What the converter lost cannot be brought back; beyond
`MOST_RAISED_DB` its noise is as loud as the breath, and the further a stream lies below that, the less it is raised, so
that silence stays silent. Not for what was clipped (`edge.detector.statistics`), nor for whether the sound is known
(`edge.detector.sound_check`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge.detector.chunks import Chunks
from edge.detector.equaliser import band_curve_db
from edge.detector.statistics import LOUD, STEPS, floor_db, is_measurable, level_below, level_scale, level_step
from edge.features import FeatureSpec, Log
from edge.features.levels import affine
from edge.features.ring import Bools, Floats
from edge.kernels import kernel, part
from edge.model.adaptation import LARGEST_BOOST_DB, Adaptation
from edge.model.specs import ChunkSpec
from edge.model.training_domain import MOST_LOWERED_DB, MOST_RAISED_DB, TrainingDomain
from edge.types import Chunk, Frames

WINDOW_S = 30.0  # some ten breaths
STEP_S = 0.48
BEGIN_S = 2.0  # of frames that were measured
SLEW_DB_PER_S = 1.0


class LevelledModel(Protocol):
    """What is needed of a model."""

    spec: FeatureSpec
    chunk: ChunkSpec
    known: TrainingDomain | None


def is_levelled(model: LevelledModel) -> bool:
    """Whether the model says which levels it knows, and its frames are levels."""
    return model.known is not None and is_measurable(model.spec) and not model.spec.deltas


def low_floor(spec: FeatureSpec) -> FeatureSpec:
    """The spec of frames that may be raised: as the model's, with a floor that lies that far below."""
    assert isinstance(spec.compression, Log)
    floor = spec.compression.floor - MOST_RAISED_DB - LARGEST_BOOST_DB
    return replace(spec, compression=replace(spec.compression, floor=floor))


def gain_for(level_db: float, known: TrainingDomain, wider: float = 0.0) -> float:
    """What brings a level to the nearest end of the range of the recordings; 0 within it.

    Args:
        level_db: of a stream, dBFS.
        known: what the model was trained on.
        wider: share of the gain of the training by which the range is wider, 0 to 1.

    Returns:
        dB, between -`MOST_LOWERED_DB` and `MOST_RAISED_DB`; it falls to 0 for what cannot be brought there.
    """
    return _gain_for(level_db, _limits(known), wider)


def _limits(known: TrainingDomain) -> tuple[float, float, float, float]:
    """Lowest and highest level of the recordings, dBFS, each with what the training added to it, dB."""
    return known.level_db[0], known.gain_db[0], known.level_db[2], known.gain_db[1]


def _gain_for(level_db: float, limits: tuple[float, ...], wider: float) -> float:
    low, high = limits[0] + wider * limits[1], limits[2] + wider * limits[3]
    # Up to MOST_RAISED_DB, then a dB less for each dB fainter: nothing from 2 MOST_RAISED_DB below `low` on.
    raised = min(low - level_db, MOST_RAISED_DB, level_db - (low - 2 * MOST_RAISED_DB))
    return max(raised, 0.0) - min(max(level_db - high, 0.0), MOST_LOWERED_DB)


class LevelledChunks:
    """Cuts the frames of one stream into chunks and brings them to the level that the model knows.

    Args:
        model: what will score them; a model that does not say what it knows gets them as they are.
        adaptation: of the stream's device; checked to be of this model.
        phase: frames by which the grid of chunks is shifted, whole score frames.

    Raises:
        ValueError: if the phase cuts a score frame.
    """

    def __init__(self, model: LevelledModel, adaptation: Adaptation | None = None, phase: int = 0) -> None:
        self._chunks = Chunks(model.chunk, model.spec.width, phase)
        self._known = model.known if is_levelled(model) else None
        self.spec = model.spec
        """What frames must be pushed: the model's, with a lower floor where they are levelled."""
        if self._known is not None:
            self.spec = low_floor(model.spec)
            offset, per_db = (each.astype(np.float32) for each in affine(model.spec))
            floor = (np.float32(floor_db(model.spec)) - offset) * per_db  # as the front-end makes it
            curve_db = None if adaptation is None else band_curve_db(adaptation.equaliser_db, model.spec)
            self._curve = None if curve_db is None else np.asarray(curve_db * per_db, np.float32)
            frames_hz = model.spec.rate_hz / model.spec.hop_samples
            self._plan = level_scale(self.spec).plan, per_db, floor
            self._step_frames = max(round(STEP_S * frames_hz), 1)
            self._limits = *_limits(self._known), BEGIN_S * frames_hz, SLEW_DB_PER_S * self._step_frames / frames_hz
            steps = max(round(WINDOW_S * frames_hz / self._step_frames), 1)
            self._window = np.zeros((steps + 2, STEPS), np.int32), np.zeros(steps + 2, np.int64)
            """Of each step in the window, of all of them together, and of the step that is not over: (STEPS,) frames of
            each level, and all of them."""
        self.on_gain: Callable[[int, float], None] | None = None
        """Called with each gain, dB, and the frame (absolute index) from which on it is added."""
        self.replay_gains: Sequence[tuple[int, float]] = ()
        """Gains as they were reported before, to score that sound again; empty: they follow from the level."""
        self._reported_db = np.float32(np.nan)
        self._forget()

    @property
    def gain_db(self) -> float:
        """What is added to the next frames, dB."""
        return float(self._gain_db[0])

    @property
    def end(self) -> int | None:
        """Absolute index of the frame with which the next chunk begins; None before the first frame."""
        return self._chunks.end

    @property
    def is_idle(self) -> bool:
        """Whether no chunk is made until something valid comes."""
        return self._chunks.is_idle

    def push(self, frames: Frames) -> list[Chunk]:
        """Take frames of any number; return the chunks that they complete, oldest first."""
        return [self._levelled(chunk) for chunk in self._chunks.push(frames)]

    def flush(self) -> list[Chunk]:
        """End of stream: the chunks that still have frames to decide."""
        return [self._levelled(chunk) for chunk in self._chunks.flush()]

    def reset(self) -> None:
        """Forget everything, as a new object."""
        self._chunks.reset()
        self._forget()

    def _forget(self) -> None:
        """No level was measured."""
        self._gain_db, self._steps = np.zeros(1), np.zeros(1, np.int64)
        if self._known is not None:
            for counts in self._window:
                counts[:] = 0

    def _levelled(self, chunk: Chunk) -> Chunk:
        """The chunk as the model gets it."""
        if self._known is None:
            return chunk
        if chunk.restart:
            self._forget()
        length, values = len(chunk.valid), chunk.values if self._curve is None else chunk.values + self._curve
        levelled, gains_db = np.empty_like(values), np.empty(length, np.float32)
        now = *self._window, self._gain_db, self._steps
        after = chunk.start % self._step_frames, self._step_frames
        _find_gains(self._plan, self._limits, now, values, chunk.valid, after, gains_db)
        if self.replay_gains:
            gains_db = _gains_at(chunk.start + np.arange(length), self.replay_gains)
        _add_gains(self._plan, values, chunk.valid, gains_db, levelled)
        if self.on_gain is not None:
            self._report(self.on_gain, chunk.start, gains_db)
        gain_db = float(gains_db.mean()) if gains_db.any() else 0.0
        return Chunk(chunk.start, levelled, chunk.valid, chunk.decided_valid, chunk.restart, gain_db)

    def _report(self, on_gain: Callable[[int, float], None], start: int, gains_db: NDArray[np.float32]) -> None:
        for place in np.flatnonzero(np.diff(gains_db, prepend=self._reported_db)):
            on_gain(start + int(place), float(gains_db[place]))
        self._reported_db = gains_db[-1]


def _gains_at(frames: NDArray[np.int64], gains: Sequence[tuple[int, float]]) -> NDArray[np.float32]:
    """(T,) gain of each frame, dB, as it was reported; before the first of them as there."""
    begins, gains_db = np.array([frame for frame, _ in gains]), np.array([gain for _, gain in gains], np.float32)
    return gains_db[np.maximum(np.searchsorted(begins, frames, "right") - 1, 0)]


_level_below, _gain_of = part(level_below), part(_gain_for)


@kernel
def _find_gains(plan: Any, limits: Any, now: Any, values: Floats, valid: Bools, after: Any, gains_db: Floats) -> None:
    """The gain of each frame of a chunk, by the levels of the steps before it.

    Args:
        plan: of the levels (`LevelPlan`), and how the gain is added.
        limits: as `_limits`; frames that are a begin; how far a gain moves in a step, dB.
        now: window and gain, which move on.
        values: (H, M).
        valid: (H,).
        after: frames since a step began, and frames of a step.
        gains_db: (H,) receives them.
    """
    counts, frames, gain_db, steps = now
    newest, together = counts.shape[0] - 1, counts.shape[0] - 2
    levels_db, powers = np.empty_like(plan[0][1]), np.empty_like(plan[0][1])
    for t in range(len(valid)):
        if (after[0] + t) % after[1] == 0:
            _end_step(limits, counts, frames, gain_db, steps, newest, together)
        gains_db[t] = gain_db[0]
        if valid[t]:
            counts[newest, level_step(plan[0], values[t], levels_db, powers)] += 1
            frames[newest] += 1


@part
def _end_step(limits, counts, frames, gain_db, steps, newest, together):  # type: ignore[no-untyped-def]
    """A step is over: it becomes the newest of the window, and the gain is that for the window."""
    if steps[0] or frames[newest]:  # the window begins with the first frame, in whichever step that is
        place = steps[0] % together
        # The oldest step leaves the sum as the newest comes into it: whole numbers, so nothing is left over.
        for step in range(STEPS):
            counts[together, step] += counts[newest, step] - counts[place, step]
            counts[place, step], counts[newest, step] = counts[newest, step], 0
        frames[together] += frames[newest] - frames[place]
        frames[place], frames[newest] = frames[newest], 0
        steps[0] += 1
        if frames[together]:
            missing = max(1 - frames[together] / limits[4], 0.0)
            wanted_db = _gain_of(_level_below(counts[together], frames[together], LOUD), limits, missing)
            moves_db = wanted_db - gain_db[0]
            gain_db[0] = wanted_db if missing else gain_db[0] + min(max(moves_db, -limits[5]), limits[5])


@kernel
def _add_gains(plan: Any, values: Floats, valid: Bools, gains_db: Floats, levelled: Floats) -> None:
    """Add the (H,) gains to the (H, M) levels, cut at the model's floor; what is not valid is 0."""
    _, per_db, floor = plan
    for t in range(len(valid)):
        if not valid[t]:
            levelled[t] = np.float32(0)
            continue
        for m in range(len(floor)):
            value = values[t, m] + gains_db[t] * per_db[m]
            levelled[t, m] = floor[m] if value < floor[m] else value
