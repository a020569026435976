"""A trial of the edge recipe in minutes: few recordings, few steps, three networks instead of twelve.

All that a training does is done, so its run can be exported and judged: two folds of patients give calibration and
thresholds, the third network is the one that is exported. One network alone would have nobody to be calibrated on.
What such a model is worth says nothing about the recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.datasets import Recording
from training.datasets.draw import draw
from training.detector.sets import main_sets

FOLDS = 2
LEAST_PATIENTS = 2 * FOLDS  # of each record label, so that both folds have some
RECORDINGS_TO_A_BATCH = 30  # of SPRSound's 1949 an epoch has 64 batches
RECORDINGS_TO_A_SYNTHETIC = 6  # 1949 beside 300


def trial_changes(limit: int) -> dict[str, Any]:
    """What a trial with so many recordings changes of the recipe, by dotted key."""
    steps, synthetic = -(-limit // RECORDINGS_TO_A_BATCH), -(-limit // RECORDINGS_TO_A_SYNTHETIC)
    alone = {"teachers": 0, "finals": 1, "earlier": ""}
    return {"folds": FOLDS, "shifts": [], **alone, "steps": steps, "synthetic": synthetic}


def few(recordings: Sequence[Recording], limit: int, seed: int) -> tuple[Recording, ...]:
    """Recordings for a trial, in their order; all when there are no more than `limit`.

    Chest recordings of the main set are drawn at random, but some patients of each label are among them, even if that
    makes more than `limit`; of every other set and each kind of other sounds the same share is kept, and at least
    `LEAST_PATIENTS`; synthetic ones all.

    Args:
        recordings: that could be trained on.
        limit: chest recordings of the main set, at least 1.
        seed: of the draw.
    """
    rng, main = np.random.default_rng(seed), main_sets(recordings)
    chest = [r for r in recordings if r.is_real_chest and r.dataset in main]
    if limit >= len(chest):
        return tuple(recordings)
    kept = {r.path for r in draw(chest, limit, LEAST_PATIENTS, rng)}
    kinds: dict[tuple[str, str], list[Recording]] = {}
    for r in recordings:
        if r.is_negative or (r.is_real_chest and r.dataset not in main):
            kinds.setdefault((r.dataset, r.record_label if r.is_negative else ""), []).append(r)
    for _, of_kind in sorted(kinds.items()):
        kept |= {r.path for r in draw(of_kind, round(limit / len(chest) * len(of_kind)), LEAST_PATIENTS, rng)}
    return tuple(r for r in recordings if r.is_synthetic or r.path in kept)
