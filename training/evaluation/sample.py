"""A few recordings of everything in DATA, for a look at what an evaluation will print. Not for a score to report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets import Recording
from training.datasets.records import draw

SEED = 0  # the same sample each time


def sample(recordings: Sequence[Recording], limit: int) -> list[Recording]:
    """At most `limit` recordings of each split of each set, and of each kind of other sounds, in their order.

    Args:
        recordings: everything in DATA.
        limit: at least 1; with as many as a split has labels, each label is among them.
    """
    groups: dict[tuple[str, str, str], list[Recording]] = {}
    for r in recordings:
        groups.setdefault((r.dataset, r.split, r.record_label if r.is_negative else ""), []).append(r)
    rng = np.random.default_rng(SEED)
    kept = {r.path for group in groups.values() for r in _at_most(group, limit, rng)}
    return [r for r in recordings if r.path in kept]


def _at_most(group: Sequence[Recording], limit: int, rng: np.random.Generator) -> list[Recording]:
    labels = len({r.record_label for r in group})
    return draw(group, limit, int(labels <= limit), rng)
