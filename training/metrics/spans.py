"""Events of whole recordings as spans, and how many of them are right: compiled, for searches that try many numbers.

The spans are those of the events that `edge.detector.tracker` reports of valid scores, and the counts those of sed_eval
with the same limits; the tests hold them against both. Without a stream, the running median of a recording is taken
once, and one recording takes microseconds, not milliseconds. Not for gaps, and not for what is reported: that is
found by the tracker and counted by sed_eval themselves (`training.metrics.streaming`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from edge.artefact.specs import GroupSpec
from training.datasets import CLASSES, Recording
from training.metrics.streaming import COLLAR_S, GROUP_OF, OFFSET_SHARE, SEGMENT_S, Counts, EventCounts

Spans = NDArray[np.int64]
"""(E, 2) first score frame of each event, and one past its last."""
NONE: Spans = np.zeros((0, 2), np.int64)


class GroupScores:
    """Scores of one group in one recording, with the running medians that were asked for.

    Args:
        scores: (T, C) of all classes.
        classes: those of the group.
    """

    def __init__(self, scores: NDArray[np.float32], classes: Sequence[str]) -> None:
        of_classes = scores[:, [CLASSES.index(c) for c in classes]].astype(np.float64)
        self._sums = of_classes.sum(axis=1)
        self._strongest = of_classes.argmax(axis=1)
        self._medians: dict[int, tuple[NDArray[np.float64], float]] = {}

    def spans(self, spec: GroupSpec, thresholds: Mapping[str, float]) -> Spans:
        """The events that the tracker reports of these scores.

        Args:
            spec: of the group.
            thresholds: by class.
        """
        if spec.median_frames not in self._medians:
            smoothed = running_median(self._sums, spec.median_frames)
            self._medians[spec.median_frames] = smoothed, float(smoothed.max(initial=0.0))
        smoothed, highest = self._medians[spec.median_frames]
        of_classes = np.array([thresholds[c] for c in spec.classes])
        if highest < of_classes.min():
            return NONE
        return _spans(smoothed, of_classes[self._strongest], spec.keep, spec.confirm_frames, spec.quiet_frames)


@njit
def running_median(sums: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """(T,) median of so many frames around each; at the begin and the end, of what there is."""
    half = frames // 2
    medians = np.empty(len(sums))
    around = np.empty(frames + 1)  # sorted
    for t in range(len(sums)):
        stop = min(t + half + 1, len(sums))
        start = max(t - half, stop - frames, 0)
        for i in range(stop - start):
            place = i
            while place > 0 and around[place - 1] > sums[start + i]:
                around[place] = around[place - 1]
                place -= 1
            around[place] = sums[start + i]
        middle = (stop - start) // 2
        medians[t] = around[middle] if (stop - start) % 2 else (around[middle - 1] + around[middle]) / 2
    return medians


@njit
def _spans(
    smoothed: NDArray[np.float64], thresholds: NDArray[np.float64], keep: float, confirm_frames: int, quiet_frames: int
) -> Spans:
    """Step by step as the tracker; `thresholds` are (T,), of the strongest class of each frame."""
    found = np.empty((len(smoothed), 2), np.int64)
    count, first, last, quiet = 0, -1, 0, 0
    is_confirmed, quiet_below = False, 0.0
    for t in range(len(smoothed)):
        if first < 0:
            if smoothed[t] < thresholds[t]:
                continue
            first, last, quiet, is_confirmed, quiet_below = t, t, 0, False, keep * thresholds[t]
        if smoothed[t] >= quiet_below:
            last, quiet = t, 0
            is_confirmed = is_confirmed or t + 1 - first >= confirm_frames
            continue
        quiet += 1
        if quiet >= quiet_frames:
            if is_confirmed:
                found[count, 0], found[count, 1] = first, last + 1
                count += 1
            first = -1
    if first >= 0 and is_confirmed:
        found[count, 0], found[count, 1] = first, last + 1
        count += 1
    return found[:count].copy()


Stretch = tuple[float, float]
"""Begin and end, s."""


def annotated_stretches(recording: Recording, group: str) -> list[Stretch]:
    """What is annotated of the sounds of one group."""
    return [(e.start_s, e.end_s) for e in recording.events if group in {GROUP_OF[label] for label in e.labels}]


def stretches(spans: Spans, hop_samples: int, rate_hz: int) -> list[Stretch]:
    """Begin and end of spans of score frames."""
    return [(begin * hop_samples / rate_hz, end * hop_samples / rate_hz) for begin, end in spans.tolist()]


def group_counts(group: str, true: Sequence[Stretch], found: Sequence[Stretch]) -> EventCounts:
    """Hits of one group in one recording by event and by segment, as `training.metrics.streaming.event_counts`."""
    return {f"event F1 {group}": _event_counts(true, found), f"segment F1 {group}": _segment_counts(true, found)}


def _event_counts(true: Sequence[Stretch], found: Sequence[Stretch]) -> Counts:
    """Most pairs of an annotation and an event that lie within the limits, each in one pair at most."""
    partner: dict[int, int] = {}  # annotation to event
    fits = [[r for r, one in enumerate(true) if _is_hit(one, event)] for event in found]
    hits = sum(_pair(fits, event, set(), partner) for event in range(len(found)))
    return Counts(hits, len(found), len(true))


def _is_hit(true: Stretch, found: Stretch) -> bool:
    limit = max(COLLAR_S, OFFSET_SHARE * (true[1] - true[0]))
    return abs(true[0] - found[0]) <= COLLAR_S and abs(true[1] - found[1]) <= limit


def _pair(fits: list[list[int]], event: int, asked: set[int], partner: dict[int, int]) -> bool:
    """Find an annotation for an event, moving others where that makes room (augmenting paths: Kuhn 1955)."""
    for r in fits[event]:
        if r not in asked:
            asked.add(r)
            if r not in partner or _pair(fits, partner[r], asked, partner):
                partner[r] = event
                return True
    return False


def _segment_counts(true: Sequence[Stretch], found: Sequence[Stretch]) -> Counts:
    """Segments with both, with something found, with something annotated."""
    annotated, heard = _segments(true), _segments(found)
    return Counts(len(annotated & heard), len(heard), len(annotated))


def _segments(several: Sequence[Stretch]) -> set[int]:
    return {n for begin, end in several for n in range(floor(begin / SEGMENT_S), ceil(end / SEGMENT_S))}
