"""What the tracker should find, worked out from whole recordings: no state, no shortcut, one definition after another.

Not a tracker to use: it wants all scores at once, and looks at each frame as often as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from edge.detector.class_rules import AFTER_BRIDGE_LOG_ODDS, AFTER_GAP_LOG_ODDS, CAREFUL_FRAMES, raised
from edge.model.specs import GroupSpec
from edge.types import Scores

Found = tuple[str, int, int, float, float, str]
"""An event that ended: class, first score frame, one past the last, highest and mean score, why it ended."""
Segment = tuple[int, int]
"""First of some valid frames that follow each other, and one past the last."""


def plain_events(
    groups: tuple[GroupSpec, ...],
    classes: tuple[str, ...],
    thresholds: Mapping[str, float],
    scores: Scores,
    bridged: NDArray[np.bool_],
) -> set[Found]:
    """Every event of one whole recording."""
    found: set[Found] = set()
    near = [bool((bridged & scores.valid)[max(t - CAREFUL_FRAMES, 0) : t + 1].any()) for t in range(len(bridged))]
    for group in groups:
        rows = scores.values[:, [classes.index(name) for name in group.classes]].astype(np.float64)
        usual = [thresholds[group.classes[int(np.argmax(row))]] for row in rows]
        for segment in _segments(scores.valid):
            requested = {t: raised(usual[t], _more(t, near[t], segment)) for t in range(*segment)}
            smooth = _smoothed(rows.sum(axis=1), group.median_frames // 2, segment)
            opening = {t: group.keep * usual[t] for t in range(*segment) if smooth[t] >= requested[t]}
            found |= _of_segment(group, rows, opening, smooth, segment)
    return {(label, scores.start + first, scores.start + stop, *rest) for label, first, stop, *rest in found}


def _segments(valid: NDArray[np.bool_]) -> list[Segment]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], valid, [False]]).astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _smoothed(sums: NDArray[np.float64], half: int, segment: Segment) -> dict[int, float]:
    """The running median: what was lost beside a segment counts as quiet, and beyond the recording there is nothing."""
    first, stop = segment

    def around(t: int) -> list[float]:
        before = [sums[i] if i >= first else 0.0 for i in range(t - half, t) if i >= first or first > 0]
        behind = [sums[i] if i < stop else 0.0 for i in range(t, t + half + 1) if i < stop or stop < len(sums)]
        return [*before, *behind]

    return {t: float(median(around(t))) for t in range(first, stop)}


def _more(t: int, is_near_bridge: bool, segment: Segment) -> float:
    """What an event needs above its threshold to open at a frame, natural logarithm of the odds."""
    if segment[0] > 0 and t - segment[0] < CAREFUL_FRAMES:
        return AFTER_GAP_LOG_ODDS
    return AFTER_BRIDGE_LOG_ODDS if is_near_bridge else 0.0


def _of_segment(
    group: GroupSpec, rows: NDArray[np.float64], opening: dict[int, float], smooth: dict[int, float], segment: Segment
) -> set[Found]:
    """Events of one group in one segment; `opening`: frames that can open one, and what then is no longer quiet."""
    found: set[Found] = set()
    free_from, (_, stop) = 0, segment
    for first, keep in opening.items():
        if first < free_from:
            continue
        loud = [i for i in range(first, stop) if smooth[i] >= keep or i == first]
        last = next((i for i, after in pairwise(loud) if after - i > group.quiet_frames), loud[-1])
        loud = [i for i in loud if i <= last]
        has_ended = last + group.quiet_frames < stop
        free_from = last + group.quiet_frames + 1 if has_ended else stop
        long_enough = [i for i in loud if i + 1 - first >= group.confirm_frames]
        if long_enough:
            sums = rows[[i for i in loud if i <= long_enough[0]]].sum(axis=0)
            reason = "quiet" if has_ended else "gap" if stop < len(rows) else "stream_end"
            scores = [smooth[i] for i in range(first, last + 1)]
            label = group.classes[int(np.argmax(sums))]
            found.add((label, first, last + 1, max(scores), round(sum(scores) / len(scores), 9), reason))
    return found
