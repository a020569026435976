"""How good are these scores? Streaming metrics on recordings, with the field's own evaluators.

Frame average precision (scikit-learn), event-based F1 and 1-s segment F1 (sed_eval: Mesaros et al., Metrics for
polyphonic sound event detection, Applied Sciences 6(6), 2016), record-level ROC AUC, false alarms per hour. Events come
from `edge.detector.tracker`, the one that runs at the bedside. Poor Quality recordings are left out: nobody annotated
them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from edge.detector.tracker import Tracker
from edge.model.specs import GroupSpec
from edge.types import Event, Scores
from training.datasets import CLASSES, CONTINUOUS, DISCONTINUOUS, Recording
from training.datasets.targets import COLUMNS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # sed_eval's dependencies warn of their own age
    import sed_eval
    from dcase_util.containers import MetaDataContainer
logging.getLogger("sed_eval").setLevel(logging.ERROR)

COLLAR_S = 0.2  # onset within this; offset within this or OFFSET_SHARE of the event, the larger
OFFSET_SHARE = 0.5
SEGMENT_S = 1.0
GROUP_OF = {**dict.fromkeys(CONTINUOUS, "continuous"), **dict.fromkeys((*DISCONTINUOUS, "crackle"), "discontinuous")}
MEMBERS = {"continuous": CONTINUOUS, "discontinuous": DISCONTINUOUS}
GROUPS = tuple(MEMBERS)
RECORD_SHARE = 0.05  # a record is as suspect as the mean of this share of its frames, the highest


@dataclass(frozen=True, slots=True)
class ScoredRecording:
    """One recording with what the detector says of it."""

    recording: Recording
    scores: NDArray[np.float32]
    """(T, C) calibrated scores of the streaming detector."""
    targets: NDArray[np.float32]
    """(T, K) as `training.datasets.targets`."""

    @property
    def is_annotated_chest(self) -> bool:
        """True for the recordings that events are counted on."""
        return is_annotated_chest(self.recording)


def is_annotated_chest(recording: Recording) -> bool:
    """True for chest recordings that somebody annotated: nobody did those of Poor Quality."""
    return not recording.is_negative and recording.record_label != "Poor Quality"


@dataclass(frozen=True, slots=True)
class Detection:
    """How scores become events: what the tracker needs."""

    groups: tuple[GroupSpec, ...]
    thresholds: dict[str, float]
    hop_samples: int
    """Samples to one score frame."""
    rate_hz: int

    def events(
        self,
        scores: NDArray[np.float32],
        valid: NDArray[np.bool_] | None = None,
        bridged: NDArray[np.bool_] | None = None,
    ) -> list[Event]:
        """The events that the edge would report, ends only.

        Args:
            scores: (T, C).
            valid: (T,) false where sound was lost; None for nowhere.
            bridged: (T,) true where concealed sound was heard; None for nowhere.
        """
        tracker = Tracker(self.groups, CLASSES, self.thresholds, self.hop_samples)
        measurable = np.ones(len(scores), np.bool_) if valid is None else valid
        found = tracker.push(Scores(0, scores, measurable), bridged) + tracker.flush()
        return [event for event in found if event.kind == "end"]

    @property
    def frame_s(self) -> float:
        """Seconds to one score frame."""
        return self.hop_samples / self.rate_hz


def evaluate(scored: list[ScoredRecording], events: list[list[Event]], detection: Detection) -> dict[str, float]:
    """All metrics by name; a metric without examples is left out.

    Args:
        scored: recordings with scores.
        events: what the tracker found in each, ends only.
        detection: for the length of a frame.
    """
    chest = [s for s in scored if s.is_annotated_chest]
    metrics = frame_metrics(chest)
    pairs = [(s, e) for s, e in zip(scored, events, strict=True) if s.is_annotated_chest]
    metrics |= {name: counts.f1() for name, counts in event_counts(pairs, detection.rate_hz).items()}
    metrics |= record_metrics(chest)
    metrics |= false_alarms(zip(scored, events, strict=True), detection.frame_s)
    return {name: round(float(value), 4) for name, value in metrics.items()}


def frame_metrics(scored: list[ScoredRecording]) -> dict[str, float]:
    """Average precision over all frames, for each class and for each group (the sum of its classes)."""
    scores = np.concatenate([s.scores for s in scored])
    targets = np.concatenate([s.targets for s in scored])
    named = {name: frame_columns(name, scores, targets) for name in (*CLASSES, *GROUPS)}
    return {f"frame AP {name}": average_precision_score(t, s) for name, (s, t) in named.items() if t.any()}


def frame_columns(
    name: str, scores: NDArray[np.float32], targets: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(T,) score and (T,) truth of one class or group: true where more than half of a frame is covered."""
    if name in GROUPS:
        return group_score(scores, name), targets[:, getattr(COLUMNS, name)] > 0.5
    return scores[:, CLASSES.index(name)], targets[:, _target_column(name)] > 0.5


class Counts(NamedTuple):
    """What an F1 is made of; counts of disjoint recordings add."""

    hits: float = 0.0
    found: float = 0.0
    true: float = 0.0

    def f1(self) -> float:
        """2 hits / (found + true); 0 when there is nothing."""
        return 2 * self.hits / (self.found + self.true) if self.found + self.true else 0.0


EventCounts = dict[str, Counts]


def event_counts(pairs: list[tuple[ScoredRecording, list[Event]]], rate_hz: int) -> EventCounts:
    """Hits of the two groups by event and by segment, counted by sed_eval.

    Args:
        pairs: recordings with the events found in them.
        rate_hz: of the sample indices in the events.
    """
    by_event = sed_eval.sound_event.EventBasedMetrics(
        event_label_list=list(GROUPS), t_collar=COLLAR_S, percentage_of_length=OFFSET_SHARE
    )
    by_segment = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=list(GROUPS), time_resolution=SEGMENT_S)
    for scored, events in pairs:
        truth = [
            _row(group, annotation.start_s, annotation.end_s)
            for annotation in scored.recording.events
            for group in sorted({GROUP_OF[label] for label in annotation.labels})
        ]
        found = [_row(GROUP_OF[e.label], e.onset / rate_hz, (e.end or 0) / rate_hz) for e in events]
        if truth or found:
            by_event.evaluate(MetaDataContainer(truth), MetaDataContainer(found))
            by_segment.evaluate(MetaDataContainer(truth), MetaDataContainer(found))
    return {
        f"{title} {group}": Counts(*(float(evaluator.class_wise[group][n]) for n in ("Ntp", "Nsys", "Nref")))
        for title, evaluator in (("event F1", by_event), ("segment F1", by_segment))
        for group in GROUPS
    }


def add_counts(several: Iterable[EventCounts]) -> EventCounts:
    """Counts of all recordings together."""
    total: EventCounts = {}
    for counts in several:
        for name, c in counts.items():
            before = total.get(name, Counts())
            total[name] = Counts(before.hits + c.hits, before.found + c.found, before.true + c.true)
    return total


def record_metrics(scored: list[ScoredRecording]) -> dict[str, float]:
    """ROC AUC of Normal against adventitious recordings."""
    truth = [s.recording.record_label != "Normal" for s in scored]
    if len(set(truth)) < 2:
        return {}
    return {"record AUC": roc_auc_score(truth, [record_score(s.scores) for s in scored])}


def record_score(scores: NDArray[np.float32]) -> float:
    """How suspect a whole recording is: the mean of its highest frames, the worse group of the two."""
    if not len(scores):
        return 0.0
    worst = np.maximum(*(group_score(scores, group) for group in GROUPS))
    count = max(1, round(RECORD_SHARE * len(worst)))
    return float(np.sort(worst)[-count:].mean())


def false_alarms(pairs: Iterable[tuple[ScoredRecording, Sized]], frame_s: float) -> dict[str, float]:
    """Events per hour on recordings that hold none, by kind: Normal and each kind of negative."""
    hours: dict[str, float] = {}
    alarms: dict[str, int] = {}
    for scored, events in pairs:
        kind = scored.recording.record_label
        if scored.recording.is_negative or kind == "Normal":
            hours[kind] = hours.get(kind, 0.0) + len(scored.scores) * frame_s / 3600
            alarms[kind] = alarms.get(kind, 0) + len(events)
    return {f"false alarms per hour {kind}": alarms[kind] / hours[kind] for kind in sorted(hours) if hours[kind] > 0}


def _row(label: str, onset_s: float, offset_s: float) -> dict[str, object]:
    return {"filename": "one", "event_label": label, "onset": onset_s, "offset": offset_s}


def group_score(scores: NDArray[np.float32], group: str) -> NDArray[np.float32]:
    """(T,) score of a group: the sum over its classes, which exclude each other."""
    return np.asarray(scores[:, [CLASSES.index(c) for c in MEMBERS[group]]].sum(axis=1))


def _target_column(name: str) -> int:
    if name == "breath":
        return COLUMNS.breath
    if name in CONTINUOUS:
        return COLUMNS.which_continuous.start + CONTINUOUS.index(name)
    return COLUMNS.which_discontinuous.start + DISCONTINUOUS.index(name)
