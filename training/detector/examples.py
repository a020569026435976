"""Stretches for training, cut from continuous recordings.

A stretch is a stream from its begin: the network has heard nothing before. It may reach beyond the recording: what is
not there is not valid, as at the bedside. How they are made harder: `training.detector.augment`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.datasets import Recording
from training.datasets.records import record_label
from training.detector.augment import Changes, add_powers, beside
from training.detector.disturbances import Disturbances
from training.detector.model import STRIDE
from training.detector.sets import no_set_first
from training.detector.truth import LabelSpec, Timeline, Truth
from training.detector.warp import Warp


@dataclass(frozen=True, slots=True)
class Example:
    """One training stretch."""

    frames: NDArray[np.float32]
    """(T, M) features."""
    valid: NDArray[np.float32]
    """(T,) 1 where valid."""
    truth: Truth
    """What is known of its score frames."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some stretch of a recording as levels."""

    levels: NDArray[np.float32]
    """(T, M) dB."""
    valid: NDArray[np.bool_]
    """(T,) where there is sound."""
    truth: Truth
    """Of its score frames."""


class StretchSampler:
    """Draws training stretches from some recordings.

    Args:
        recordings: chest recordings and negatives.
        frames: (T, M) of each.
        timelines: what is known of each.
        length: T, feature frames in a stretch.
        changes: how they are made harder.
        labels: how much is believed where nobody annotated.
    """

    def __init__(
        self,
        recordings: list[Recording],
        frames: list[NDArray[np.float16]],
        timelines: list[Timeline],
        length: int,
        changes: Changes,
        labels: LabelSpec,
    ) -> None:
        self._frames, self._timelines, self._labels = frames, timelines, labels
        self._length, self._changes, self._augment = length, changes, changes.augment
        self._disturbances = Disturbances(changes.spec, changes.augment.disturbances, changes.augment.device)
        seconds = np.sqrt([len(f) for f in frames])
        kinds = np.array([r.record_label or record_label(r.events) for r in recordings])
        negative = np.array([r.is_negative for r in recordings])
        weight = np.array([self._augment.weight.get(k, self._augment.adventitious_weight) for k in kinds])
        weight *= [self._augment.infants if 0 <= r.age_years < 1 else 1.0 for r in recordings]
        self._chest = _normalised(no_set_first(recordings, np.where(negative, 0, weight) * seconds))
        self.has_cycles = any(r.covers == "cycle" for r in recordings)
        """Whether of some breaths it is only known that a sound is somewhere in them."""
        shares = {k: seconds[kinds == k].sum() for k in set(kinds)}  # every kind of negative is drawn equally often
        self._negative = _normalised(np.where(negative, seconds, 0) / np.array([shares[k] for k in kinds]))

    def draw(self, rng: np.random.Generator) -> Example:
        """One stretch."""
        augment, changes = self._augment, self._changes
        is_chest = rng.random() >= augment.negative or not self._negative.any()
        piece = self._cut(self._chest if is_chest else self._negative, rng)
        levels, valid, truth = piece.levels, piece.valid, piece.truth
        if is_chest:
            levels = self._disturbances.amplified(levels, rng.normal(0, augment.gain_db), rng)
        else:
            levels += rng.uniform(-35, 5)
        if rng.random() < augment.disturb:
            levels = self.disturb(levels, valid, augment.disturb_db, rng)
        levels = self._disturbances.add(levels, valid, rng)
        if is_chest and rng.random() < augment.mix:
            levels, valid, truth = self._mix(levels, valid, truth, rng)
        levels = changes.colour(changes.device(levels, rng), rng)
        changes.blank(levels, valid, rng)
        levels, valid = changes.losses.draw(levels, valid, rng)
        return Example(changes.frames(levels, valid), valid.astype(np.float32), truth)

    def disturb(
        self,
        levels: NDArray[np.float32],
        valid: NDArray[np.bool_],
        between_db: tuple[float, float],
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Add a negative, its peak so far over the `reference` of this one, dB; as many frames as `levels` has."""
        if not self._negative.any():
            return levels
        other = self._cut(self._negative, rng)
        first = (len(other.levels) - len(levels)) // 2
        middle, other_valid = other.levels[first:][: len(levels)], other.valid[first:][: len(levels)]
        louder = self._changes.over_reference(middle, other_valid, levels, valid, rng.uniform(*between_db))
        return beside(levels, valid, louder, other_valid)

    def _cut(self, weights: NDArray[np.float64], rng: np.random.Generator) -> Piece:
        """A stretch of one recording, perhaps faster or slower, higher or lower; up to half of it may lie outside."""
        i = int(rng.choice(len(weights), p=weights))
        frames, length, spec = self._frames[i], self._length, self._changes.spec
        warp = Warp.drawn(self._augment.warp, rng)
        start = warp.start(-(length // 4), len(frames) - int(warp.speed * length) // 2, rng)
        cut, valid = warp.frames(frames, start, length, spec)
        start_s, frame_s = warp.times(start, STRIDE, spec)
        truth = self._timelines[i].truth(start_s, length // STRIDE, frame_s)
        return Piece(self._changes.levels(cut), valid, truth)

    def _mix(
        self,
        levels: NDArray[np.float32],
        valid: NDArray[np.bool_],
        truth: Truth,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], Truth]:
        """Add another chest stretch and join the labels; only where both are valid, if that is enough."""
        other = self._cut(self._chest, rng)
        both = valid & other.valid
        if both.sum() < len(both) // 6:
            return levels, valid, truth
        levels = add_powers(levels, other.levels + rng.normal(0, self._augment.gain_db))
        return levels, both, truth.joined(other.truth, self._labels)


def _normalised(weights: NDArray[np.floating]) -> NDArray[np.float64]:
    total = float(weights.sum())
    return np.asarray(weights / total if total else weights, np.float64)
