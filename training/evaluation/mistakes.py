"""Which answers were most confidently wrong: of clips, and of a streaming detector. Draws nothing.

A clip is the worse, the higher the probability of the wrong label stands above that of the right one. A false alarm is
the worse, the higher its peak; a miss, the lower the highest score within the annotated event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.types import Event
from training.datasets import Annotation
from training.evaluation.delays import StreamedRecording
from training.evaluation.split_scores import Row
from training.metrics.predictions import Predictions
from training.metrics.streaming import GROUP_OF, GROUPS, Detection, group_score
from training.tasks import Clip


@dataclass(frozen=True, slots=True)
class WrongClip:
    """One clip that was called something else."""

    clip: Clip
    decided: str
    probabilities: tuple[tuple[str, float], ...]
    """Each label with its probability, the highest first."""


@dataclass(frozen=True, slots=True)
class WrongEvent:
    """One event that was reported where none is, or not reported where one is."""

    streamed: StreamedRecording
    kind: str
    """`false alarm` or `missed`."""
    label: str
    """What was reported or annotated."""
    group: str
    start_s: float
    end_s: float
    level: float
    """Peak of the event, or the highest score in what was missed, 0 to 1."""


def worst_clips(row: Row, most: int) -> list[WrongClip]:
    """The most confident mistakes of one row, the worst first; labels that the task ignores are left out."""
    answered = row.predictions
    wrong = [
        i
        for i, clip in enumerate(answered.clips)
        if clip.label not in answered.task.ignored and answered.task.labels[answered.decided[i]] != clip.label
    ]
    chosen = sorted(wrong, key=lambda i: -_surplus(answered, i))[:most]
    return [
        WrongClip(answered.clips[i], answered.task.labels[answered.decided[i]], _ranked(answered, i)) for i in chosen
    ]


def _surplus(answered: Predictions, i: int) -> float:
    p = answered.probabilities[i]
    return float(p[answered.decided[i]] - p[answered.truth[i]])


def _ranked(answered: Predictions, i: int) -> tuple[tuple[str, float], ...]:
    pairs = zip(answered.task.labels, answered.probabilities[i].tolist(), strict=True)
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def false_reports(streamed: Sequence[StreamedRecording], rate_hz: int, most: int) -> list[WrongEvent]:
    """Events that overlap no annotated event of their group, the highest peak first."""
    found = [
        WrongEvent(
            one, "false alarm", e.label, GROUP_OF[e.label], e.onset / rate_hz, (e.end or e.onset) / rate_hz, e.peak
        )
        for one in streamed
        if one.scored.is_annotated_chest or one.scored.recording.is_negative
        for e in one.events
        if not any(_overlap(e, a, rate_hz) for a in one.scored.recording.events)
    ]
    return sorted(found, key=lambda wrong: -wrong.level)[:most]


def missed_events(streamed: Sequence[StreamedRecording], detection: Detection, most: int) -> list[WrongEvent]:
    """Annotated adventitious events that nothing reported overlaps, the most overlooked first."""
    found = [
        _missed(one, annotation, group, detection)
        for one in streamed
        if one.scored.is_annotated_chest
        for annotation in one.scored.recording.events
        for group in GROUPS
        if group in {GROUP_OF[label] for label in annotation.labels}
        and not any(GROUP_OF[e.label] == group and _overlap(e, annotation, detection.rate_hz) for e in one.events)
    ]
    return sorted(found, key=lambda wrong: wrong.level)[:most]


def _missed(one: StreamedRecording, annotation: Annotation, group: str, detection: Detection) -> WrongEvent:
    first, stop = int(annotation.start_s / detection.frame_s), int(annotation.end_s / detection.frame_s) + 1
    level = float(group_score(one.scored.scores[first:stop], group).max(initial=0.0))
    return WrongEvent(one, "missed", annotation.name, group, annotation.start_s, annotation.end_s, level)


def _overlap(event: Event, annotation: Annotation, rate_hz: int) -> bool:
    """True when the event lies on an annotation of its own group."""
    if GROUP_OF[event.label] not in {GROUP_OF[label] for label in annotation.labels}:
        return False
    return event.onset < annotation.end_s * rate_hz and (event.end or 0) > annotation.start_s * rate_hz
