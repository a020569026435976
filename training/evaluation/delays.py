"""What a streaming detector said of whole recordings, and when it said so.

`StreamDetector` is the contract between detectors and the streaming metrics; `StreamedRecording` is what it gives of
one recording: scores, events, and the moment at which each was confirmed in the time of the stream, lookahead
included. Not for clips (`training.metrics.predictions`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edge.types import Event
from training.datasets import Recording
from training.metrics.estimates import is_adventitious
from training.metrics.psds import Spans
from training.metrics.streaming import GROUP_OF, Detection, ScoredRecording


@dataclass(frozen=True, slots=True)
class StreamedRecording:
    """One recording with what was reported of it."""

    scored: ScoredRecording
    events: tuple[Event, ...]
    """Ends only, in the order in which they were reported."""
    confirmed_s: tuple[float, ...]
    """For each event, seconds of the stream that had been pushed when it was confirmed."""

    @property
    def patient(self) -> str:
        """Name of the patient, as the data set has it."""
        return self.scored.recording.patient

    @property
    def dataset(self) -> str:
        """Which set it belongs to; `negatives` for every kind of them."""
        return "negatives" if self.scored.recording.is_negative else self.scored.recording.dataset

    @property
    def is_adventitious(self) -> bool:
        """True for chest recordings that have a label, neither Normal nor Poor Quality."""
        return is_adventitious(self.scored)


@runtime_checkable
class StreamDetector(Protocol):
    """A detector of continuous sound."""

    name: str
    """What tables call it."""
    detection: Detection
    """How its scores become events."""

    def detect(self, recordings: Sequence[Recording]) -> list[StreamedRecording]:
        """Hear whole recordings, each as a stream of its own.

        Raises:
            LaennecError: if one cannot be read; the message names the file.
        """
        ...


@dataclass(frozen=True, slots=True)
class Delays:
    """How late annotated events were noticed. An event is noticed when a reported one of its group overlaps it."""

    seconds: tuple[float, ...]
    """From the annotated onset to the confirmation, of the events that began before they were noticed."""
    already: int
    """Events that began while an earlier report of their group still lasted."""
    missed: int
    """Events that nothing overlapped."""

    def plus(self, other: Delays) -> Delays:
        """The delays of both together."""
        return Delays(self.seconds + other.seconds, self.already + other.already, self.missed + other.missed)


def delays(streamed: StreamedRecording, rate_hz: int) -> Delays:
    """Delays of one recording, each group for itself.

    Args:
        streamed: with annotations.
        rate_hz: of the sample indices in the events.
    """
    late: list[float] = []
    already = missed = 0
    for annotation in streamed.scored.recording.events:
        for group in sorted({GROUP_OF[label] for label in annotation.labels}):
            moments = [
                at
                for event, at in zip(streamed.events, streamed.confirmed_s, strict=True)
                if GROUP_OF[event.label] == group
                and event.onset < annotation.end_s * rate_hz
                and (event.end or 0) > annotation.start_s * rate_hz
            ]
            if not moments:
                missed += 1
            elif min(moments) < annotation.start_s:
                already += 1
            else:
                late.append(min(moments) - annotation.start_s)
    return Delays(tuple(late), already, missed)


def annotated_spans(streamed: StreamedRecording, group: str) -> Spans:
    """(n, 2) start and end of the annotated events of a group, s, cut at the end of the recording."""
    rows = [
        (annotation.start_s, annotation.end_s)
        for annotation in streamed.scored.recording.events
        if group in {GROUP_OF[label] for label in annotation.labels}
    ]
    return np.array(rows, np.float64).reshape(-1, 2)


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float | None:
    """The smallest value that at least `share` of the weight does not exceed; None without weight."""
    if not len(values) or not weights.sum():
        return None
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, share * reached[-1] - 1e-9)])
