"""Whether a segment of sound is like what the model was trained on, and how it is not, in one line.

A stream is compared as the model gets it, so its level is outside only where `edge.detector.level` cannot bring it to
one of the recordings. Its spectrum is compared at a level that training reached: it is moved towards the median level
of the recordings as far as the gain of the training's augmentation goes. What a recording had at or below the floor of
the features is not known, only that it was not above; a stream has more there when it rises above that floor, moved as
the stream is.

Outside is what lies further outside the range of 1 to 99 % of the recordings than the margin, which training chose so
that at most one in a hundred recordings of patients that were left out is called outside. It is no statement about
what the model finds: a sound inside may be missed, one outside found. Not for samples (`edge.detector.statistics`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edge.detector.statistics import Measured, floor_db, group_edges_hz
from edge.features import FeatureSpec
from edge.model.training_domain import TrainingDomain

NEAR_FLOOR_DB = 3.0  # a mean level so near to the floor is that of frames that touched it
RETURN_DB = 1.0  # hysteresis: a stream at the edge must not be called in and out in turn
MOST_NOISE_DB = 20.0  # how far over the floor training's own noise reached, so that of a faint stream may
UNKNOWN_DB = -200.0  # level, relative to a recording's, of a band that lay at the floor


@dataclass(frozen=True, slots=True)
class Excess:
    """How far a segment lies outside the range of 1 to 99 %, dB; 0 inside."""

    level_db: float
    """Above 0: too loud; below: too faint."""
    contrast_db: float
    """Above 0: silence between loud sounds; below: noise that never pauses."""
    spectrum_db: NDArray[np.float64]
    """(GROUPS,) above 0: more than known in a group of bands; below: less."""
    from_middle_db: NDArray[np.float64]
    """(GROUPS,) how far above the middle of the recordings, dB."""

    @property
    def scores(self) -> tuple[float, float, float]:
        """Of level, contrast and spectrum: what the margins are compared with, dB."""
        return abs(self.level_db), abs(self.contrast_db), float(np.abs(self.spectrum_db).mean())


def relative_spectrum(measured: Measured, spec: FeatureSpec) -> NDArray[np.float64]:
    """(GROUPS,) levels of the groups relative to the level, dB; `UNKNOWN_DB` where a group lay at the floor."""
    seen = measured.spectrum_db > floor_db(spec) + NEAR_FLOOR_DB
    return np.where(seen, measured.spectrum_db - measured.level_db, UNKNOWN_DB)


def excess(measured: Measured, known: TrainingDomain, spec: FeatureSpec, added_db: float = 0.0) -> Excess:
    """How far a segment lies outside what the model knows; the margins are not taken off.

    Args:
        measured: of the frames that the model scored.
        known: what it was trained on.
        spec: what a frame is.
        added_db: gain of the segment.
    """
    level_db, floor = measured.level_db, floor_db(spec)
    gain_db = float(np.clip(level_db - known.level_db[1], *known.gain_db))
    low, middle, high = np.array(known.spectrum_db).T + level_db
    floor_there = floor + max(gain_db, min(added_db, MOST_NOISE_DB), 0.0)  # of a recording that was amplified so
    high, low = np.maximum(high, floor_there + NEAR_FLOOR_DB), np.maximum(low, floor)
    return Excess(
        _outside(level_db - added_db, *known.reach_db),
        _outside(measured.contrast_db, known.contrast_db[0], known.contrast_db[2]),
        np.maximum(measured.spectrum_db - high, 0) + np.minimum(measured.spectrum_db - low, 0),
        measured.spectrum_db - np.maximum(middle, floor_there),
    )


def reasons(
    measured: Measured, known: TrainingDomain, spec: FeatureSpec, added_db: float = 0.0, was_outside: bool = False
) -> list[str]:
    """Why a segment is outside what the model knows, most telling first, for a person; nothing when it is inside.

    Args:
        measured: of the frames that the model scored.
        known: what it was trained on.
        spec: what a frame is.
        added_db: gain of the segment.
        was_outside: the stream was outside until now: inside is then only what is so by `RETURN_DB`.
    """
    if was_outside:
        known = _narrower(known)
    found = excess(measured, known, spec, added_db)
    is_outside = [score > margin for score, margin in zip(found.scores, known.margin_db, strict=True)]
    out = []
    if is_outside[0]:
        low, high = known.reach_db
        which = "too low" if found.level_db < 0 else "too high"
        out.append(f"level {measured.level_db - added_db:.0f} dBFS: {which}, expected {low:.0f} to {high:.0f}")
    if is_outside[1]:
        low, high = known.contrast_db[0], known.contrast_db[2]
        what = "hardly" if found.contrast_db < 0 else "too far"
        above = f"sound {what} above its noise floor: {measured.contrast_db:.0f} dB"
        out.append(f"{above}, expected {low:.0f} to {high:.0f}")
    if is_outside[2]:
        out.append(f"spectrum outside what the model knows: {_where(found, group_edges_hz(spec))}")
    return out


def _narrower(known: TrainingDomain) -> TrainingDomain:
    """What must be reached to be inside again: level and contrast by `RETURN_DB`, the spectrum by half its margin."""
    level_db, contrast_db = (
        (min(low + RETURN_DB, middle), middle, max(high - RETURN_DB, middle))
        for low, middle, high in (known.level_db, known.contrast_db)
    )
    level, contrast, spectrum = known.margin_db
    return replace(known, level_db=level_db, contrast_db=contrast_db, margin_db=(level, contrast, spectrum / 2))


def _outside(value: float, low: float, high: float) -> float:
    return max(value - high, 0.0) + min(value - low, 0.0)


def _where(found: Excess, edges_hz: NDArray[np.float64]) -> str:
    """The neighbouring groups around the one that is farthest outside, and how much more or less they have."""
    strange = found.spectrum_db
    first = int(np.argmax(np.abs(strange)))
    sign, stop = np.sign(strange[first]), first + 1
    while first > 0 and np.sign(strange[first - 1]) == sign:
        first -= 1
    while stop < len(strange) and np.sign(strange[stop]) == sign:
        stop += 1
    more = float(np.abs(found.from_middle_db[first:stop].mean()))
    low, high = (f"{round(hz, -1):.0f}" for hz in (edges_hz[first], edges_hz[stop]))
    if first == 0:
        where = "in all bands" if stop == len(strange) else f"below {high} Hz"
    else:
        where = f"above {low} Hz" if stop == len(strange) else f"from {low} to {high} Hz"
    return f"{more:.0f} dB {'more' if sign > 0 else 'less'} {where}"
