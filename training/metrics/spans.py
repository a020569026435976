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

from edge.detector.change_point_rules import FALLEN, STEEP
from edge.kernels import kernel, plain
from edge.model.specs import GroupSpec
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
        self._of_classes = plain(of_classes, np.float64)
        self._sums = of_classes.sum(axis=1)
        self._strongest = of_classes.argmax(axis=1)
        self._medians: dict[int, tuple[NDArray[np.float64], float]] = {}

    def spans(self, spec: GroupSpec, thresholds: Mapping[str, float]) -> Spans:
        """The events that the tracker reports of these scores.

        Args:
            spec: of the group.
            thresholds: by class.
        """
        of_classes = np.array([thresholds[c] for c in spec.classes])
        if spec.step_frames:
            if float(self._sums.max(initial=0.0)) < of_classes.min():
                return NONE
            rules = float(spec.keep), spec.confirm_frames, spec.quiet_frames
            return _change_spans(self._sums, self._of_classes, of_classes, spec.step_frames, rules)
        if spec.median_frames not in self._medians:
            smoothed = running_median(self._sums, spec.median_frames)
            self._medians[spec.median_frames] = smoothed, float(smoothed.max(initial=0.0))
        smoothed, highest = self._medians[spec.median_frames]
        if highest < of_classes.min():
            return NONE
        return _spans(smoothed, of_classes[self._strongest], float(spec.keep), spec.confirm_frames, spec.quiet_frames)


@kernel
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


@kernel
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


@kernel
def _change_spans(  # noqa: C901 - one state machine, compiled
    sums: NDArray[np.float64],
    of_classes: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    half: int,
    rules: tuple[float, int, int],
) -> Spans:
    """Step by step as `edge.detector.change_points`; `rules` are keep, confirm_frames and quiet_frames."""
    keep, confirm, quiet = rules
    totals, of_each = _totals(sums, of_classes)
    last = len(sums)
    found = np.empty((last + 1, 2), np.int64)
    count, begin, end, edge, lasts, is_event, extreme = 0, -1, -1, -1, False, False, 0.0
    for b in range(last + 1):
        step = ((totals[min(b + half, last)] - totals[b]) - (totals[b] - totals[max(b - half, 0)])) / half
        until = -1  # what is known of a sound that lasts
        if not lasts and step > extreme:
            extreme, edge = step, b
        elif not lasts and step <= (FALLEN * extreme if extreme >= STEEP else 0.0) and edge >= 0:
            pause = edge - end
            if end < 0 or pause >= quiet or totals[edge] - totals[end] < keep * _mean(totals, begin, end) * pause:
                count += is_event
                begin, is_event = edge, False
            end, lasts, extreme, edge = -1, True, step, b
        elif lasts and step < extreme:
            extreme, edge, until = step, b, b
        elif lasts and step > 0 and extreme <= 0:
            end, until, lasts, extreme = edge, edge, False, step
            edge = b
        elif lasts:
            is_quiet = totals[b] - totals[edge] < keep * _mean(totals, begin, edge) * (b - edge)
            until = edge if is_quiet else b
            if is_quiet and b - edge >= quiet:
                end, lasts, extreme, edge = edge, False, 0.0, -1
        if until >= 0:
            is_event = is_event or _reaches(totals, of_each, (begin, until), thresholds, confirm)
            found[count, 0], found[count, 1] = begin, until
        if lasts and not is_event and edge >= b - half:
            newest = begin, edge, min(b + half, last)
            is_event = _reaches_ahead(sums, totals, of_each, newest, thresholds, rules)
        if not lasts and end >= 0 and b - end >= quiet and (edge < 0 or edge - end >= quiet):
            count += is_event
            end, is_event = -1, False
    if lasts:
        is_event = is_event or _reaches(totals, of_each, (begin, edge), thresholds, confirm)
        found[count, 0], found[count, 1] = begin, edge
    return found[: count + is_event].copy()


@njit
def _totals(
    sums: NDArray[np.float64], of_classes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T + 1,) of the scores before each frame, and (T + 1, C) of those of each class."""
    totals, of_each = np.zeros(len(sums) + 1), np.zeros((len(sums) + 1, of_classes.shape[1]))
    for t in range(len(sums)):
        totals[t + 1] = totals[t] + sums[t]
        of_each[t + 1] = of_each[t] + of_classes[t]
    return totals, of_each


@njit
def _mean(totals: NDArray[np.float64], begin: int, end: int) -> float:
    return (totals[end] - totals[begin]) / (end - begin)


@njit
def _reaches(
    totals: NDArray[np.float64],
    of_each: NDArray[np.float64],
    sound: tuple[int, int],
    thresholds: NDArray[np.float64],
    confirm: int,
) -> bool:
    """Whether what a sound has so far makes it an event."""
    begin, until = sound
    if until - begin < confirm:
        return False
    return _mean(totals, begin, until) >= thresholds[np.argmax(of_each[until] - of_each[begin])]


@njit
def _reaches_ahead(
    sums: NDArray[np.float64],
    totals: NDArray[np.float64],
    of_each: NDArray[np.float64],
    sound: tuple[int, int, int],
    thresholds: NDArray[np.float64],
    rules: tuple[float, int, int],
) -> bool:
    """Whether it is an event with those of the newest frames that are not quiet; `sound`: begin, edge, newest."""
    begin, until, stop = sound
    least = rules[0] * thresholds[np.argmax(of_each[stop] - of_each[begin])]
    for t in range(until, stop):
        if sums[t] >= least:
            until = t + 1
    return _reaches(totals, of_each, (begin, until), thresholds, rules[1])


Segment = tuple[float, float]
"""Begin and end, s."""


def annotated_stretches(recording: Recording, group: str) -> list[Segment]:
    """What is annotated of the sounds of one group."""
    return [(e.start_s, e.end_s) for e in recording.events if group in {GROUP_OF[label] for label in e.labels}]


def stretches(spans: Spans, hop_samples: int, rate_hz: int) -> list[Segment]:
    """Begin and end of spans of score frames."""
    return [(begin * hop_samples / rate_hz, end * hop_samples / rate_hz) for begin, end in spans.tolist()]


def group_counts(group: str, true: Sequence[Segment], found: Sequence[Segment]) -> EventCounts:
    """Hits of one group in one recording by event and by segment, as `training.metrics.streaming.event_counts`."""
    return {f"event F1 {group}": _event_counts(true, found), f"segment F1 {group}": _segment_counts(true, found)}


def _event_counts(true: Sequence[Segment], found: Sequence[Segment]) -> Counts:
    """Most pairs of an annotation and an event that lie within the limits, each in one pair at most."""
    partner: dict[int, int] = {}  # annotation to event
    fits = [[r for r, one in enumerate(true) if _is_hit(one, event)] for event in found]
    hits = sum(_pair(fits, event, set(), partner) for event in range(len(found)))
    return Counts(hits, len(found), len(true))


def _is_hit(true: Segment, found: Segment) -> bool:
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


def _segment_counts(true: Sequence[Segment], found: Sequence[Segment]) -> Counts:
    """Segments with both, with something found, with something annotated."""
    annotated, heard = _segments(true), _segments(found)
    return Counts(len(annotated & heard), len(heard), len(annotated))


def _segments(several: Sequence[Segment]) -> set[int]:
    return {n for begin, end in several for n in range(floor(begin / SEGMENT_S), ceil(end / SEGMENT_S))}
