"""What a whole recording is called, from its streaming scores: Normal, CAS, DAS, both, or Poor Quality. Pure.

Not for pieces of a recording, and not fitted here (`training.detector.answers` does, and uses these formulas): a few
statistics of each group of sounds, one logistic regression that tells Poor Quality from the rest, one among the rest.
The official tasks 2-1 and 2-2 of SPRSound ask this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = ("Normal", "CAS", "DAS", "CAS & DAS", "Poor Quality")
TASK = "2-2"
SHARES = (0.02, 0.05, 0.1, 0.2)  # of a recording's frames, the highest
SMALLEST = 1e-4  # probability below which a logit says no more


def statistics_of(scores: NDArray[np.float32], groups: Sequence[Sequence[int]]) -> NDArray[np.float64]:
    """What a recording's streaming scores look like as a whole.

    Args:
        scores: (T, C); a frame that was never scored has 0 everywhere and is left out.
        groups: columns of breath, continuous and discontinuous sound.

    Returns:
        (S,): for each group the means of the highest frames (`SHARES`), the mean, the same of the logits of the highest
        twentieth and fifth, mean and deviation of the logits; log seconds last.
    """
    scores = scores[scores.any(axis=1)]
    parts = [scores[:, list(columns)].sum(1) for columns in groups]
    presence = np.stack(parts, 1).astype(np.float64) if len(scores) else np.zeros((1, len(groups)))
    bounded = np.clip(presence, SMALLEST, 1 - SMALLEST)
    logits = np.log(bounded / (1 - bounded))
    ordered, ordered_logits = np.sort(presence, 0)[::-1], np.sort(logits, 0)[::-1]
    tops = [ordered[: max(1, round(share * len(ordered)))].mean(0) for share in SHARES]
    top_logits = [ordered_logits[: max(1, round(share * len(ordered)))].mean(0) for share in (0.05, 0.2)]
    found = [*tops, presence.mean(0), *top_logits, logits.mean(0), logits.std(0), [np.log(len(ordered))]]
    return np.concatenate(found)


def log_probabilities(statistics: NDArray[np.float64], fitted: Mapping[str, Any]) -> NDArray[np.float64]:
    """Log-probabilities of `LABELS`.

    Args:
        statistics: (n, S).
        fitted: `mean` (S,), `scale` (S,), `weights` (L, S) and `bias` (L,), as `laennec.tasks` has them in `record`.

    Returns:
        (n, L).
    """
    mean, scale, weights, bias = (np.array(fitted[name]) for name in ("mean", "scale", "weights", "bias"))
    logits = (statistics - mean) / scale @ weights.T + bias
    kind, poor = logits[:, :-1], logits[:, -1:]
    kind = kind - np.logaddexp.reduce(kind, 1, keepdims=True) - np.logaddexp(0, poor)
    return np.concatenate([kind, -np.logaddexp(0, -poor)], 1)
