"""Some of many recordings, drawn at random so that no label is lost. Not for folds (`training.datasets.folds`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.records import Recording


def draw(recordings: Sequence[Recording], count: int, each: int, rng: np.random.Generator) -> list[Recording]:
    """At least `count` of the recordings: of every record label first those of `each` patients, then any others.

    Args:
        recordings: to draw from.
        count: how many; more only where the labels need more.
        each: patients of a label.
        rng: decides.

    Returns:
        The drawn ones in their order.
    """
    order = [int(i) for i in rng.permutation(len(recordings))]
    patients: dict[str, set[str]] = {}
    first = []
    for i in order:
        known = patients.setdefault(recordings[i].record_label, set())
        if len(known) < each and recordings[i].patient not in known:
            known.add(recordings[i].patient)
            first.append(i)
    kept = list(dict.fromkeys([*first, *order]))[: max(count, len(first))]
    return [recordings[i] for i in sorted(kept)]
