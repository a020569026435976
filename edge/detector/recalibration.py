"""Scores of one kind of device as probabilities: the log-odds of each group of classes, scaled and moved.

A model's calibration is of the recordings that it was validated on. On another device the same score may mean more or
less; `training.adapt` fits the two numbers for each group on labelled recordings. The shares of the classes within a
group stay. Source: Platt 1999, probabilistic outputs (logistic regression on a score).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edge.model.specs import GroupSpec
from edge.types import Scores

LEAST = 1e-6  # probability; the log-odds of 0 and 1 are not finite


class Recalibration:
    """The recalibration of one model's scores.

    Args:
        groups: of the model.
        classes: of the model, in the order of the scores.
        calibration: scale and bias by name of the group; groups that it lacks stay as they are.
    """

    def __init__(
        self, groups: Sequence[GroupSpec], classes: Sequence[str], calibration: Mapping[str, tuple[float, float]]
    ) -> None:
        self._groups = [
            ([classes.index(name) for name in group.classes], *calibration[group.name])
            for group in groups
            if group.name in calibration
        ]

    def apply(self, scores: Scores) -> Scores:
        """The same scores as probabilities of this device."""
        return replace(scores, values=self.values(scores.values)) if self._groups else scores

    def values(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, C) scores of the model to (T, C) probabilities."""
        out = values.astype(np.float64)
        for columns, scale, bias in self._groups:
            group = np.clip(out[:, columns].sum(axis=1), LEAST, 1 - LEAST)
            log_odds = scale * (np.log(group) - np.log1p(-group)) + bias
            # Each class keeps its share of the group.
            out[:, columns] *= (1 / (1 + np.exp(-log_odds)) / group)[:, None]
        return np.clip(out, 0, 1).astype(np.float32)
