"""Scores in, events out: which stretch of scores is one sound, and which sound it is. Pure; no clock, no I/O.

Sounds of one group (continuous: wheeze, rhonchus, stridor; discontinuous: crackles) exclude each other, so a group is
tracked as one: its score is the sum over its classes. That sum is smoothed by a running median; an event opens when it
reaches the threshold of its strongest class, lasts while it stays above `keep` times that, is confirmed (and named
after the class with the greatest sum of scores so far) once it has lasted `confirm_frames`, and ends when it has been
quiet for `quiet_frames`. Unconfirmed events are dropped without a word.

Invariants: an `end` follows every `onset`; no event begins, lasts through, is confirmed or ends on frames that were not
heard: at such a frame everything open is closed where the sound was last heard. Any cut of the scores gives the same
events. Next to a gap the running median counts what was not heard as quiet, so with the same scores a gap can only take
events away: where the median of fewer frames is taken instead, 5 of 4400 s of normal breath with lost packets raised
events of which nothing was heard without the loss. At the begin and end of a stream, the median is of what there is.
Where the model lacked what it usually sees, an event opens only with as many log-odds more as the caller says; it lasts
as any other, or else one sound would become several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from math import exp
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.artefact.specs import GroupSpec
from edge.types import Event, Scores

EndReason = Literal["quiet", "gap", "stream_end"]


@dataclass(slots=True)
class _Open:
    """An event under way, confirmed or not."""

    first: int  # score frame
    last: int  # last score frame above the bar
    threshold: float  # that it was opened with
    bar: float  # below it there is quiet
    label: str = ""  # set when confirmed
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    peak: float = 0.0
    total: float = 0.0
    tail: list[float] = field(default_factory=list)  # scores of the pause that may yet belong to it


class _Group:
    """Tracks one group through one stretch of heard frames after another."""

    def __init__(self, spec: GroupSpec, columns: list[int], thresholds: list[float], hop_samples: int) -> None:
        self.spec = spec
        self.columns = columns
        self.thresholds = thresholds
        self.hop_samples = hop_samples
        self.recent: deque[NDArray[np.float64]] = deque(maxlen=spec.median_frames)  # newest class scores of the stretch
        self.levels: deque[float] = deque(maxlen=spec.median_frames)  # and their sums
        self.caution: deque[float] = deque(maxlen=spec.median_frames)  # and what is asked above the threshold, log-odds
        self.bar = min(thresholds)  # below it nothing can open
        self.next = 0  # score frame to decide next
        self.seen = 0  # one past the last score frame taken
        self.first = 0  # of this stretch
        self.is_torn = False  # whether it begins behind a gap
        self.open: _Open | None = None

    def take(self, frame: int, scores: NDArray[np.float64], caution: float) -> list[Event]:
        """One heard score frame."""
        if not self.recent:
            self.first = self.next = self.seen = frame
        self.recent.append(scores)
        self.levels.append(float(scores.sum()))
        self.caution.append(caution)
        self.seen = frame + 1
        half = self.spec.median_frames // 2
        return self._decide() if self.seen - self.next > half else []

    def close(self, reason: EndReason) -> list[Event]:
        """The stretch is over: decide what is left of it, then end what is open."""
        events: list[Event] = []
        is_gap = reason == "gap"
        while self.recent and self.next < self.seen:
            events += self._decide(is_gap)
        events += self._end(reason)
        self.recent.clear()
        self.levels.clear()
        self.caution.clear()
        self.is_torn = is_gap
        return events

    def _decide(self, is_gap: bool = False) -> list[Event]:
        """Smooth the next frame over what is around it, and take the step it asks for; a gap may follow the stretch."""
        frame = self.next
        self.next += 1
        if self.open is None and max(self.levels) < self.bar:
            return []
        half = self.spec.median_frames // 2
        oldest = self.seen - len(self.levels)
        around = list(islice(self.levels, max(frame - half - oldest, 0), frame + half + 1 - oldest))
        unheard = max(half - (frame - self.first), 0) if self.is_torn else 0
        unheard += max(frame + half + 1 - self.seen, 0) if is_gap else 0
        around = sorted([0.0] * unheard + around)
        middle = len(around) // 2
        level = around[middle] if len(around) % 2 else (around[middle - 1] + around[middle]) / 2
        here = self.recent[frame - oldest]
        if self.open is None:
            usual = self.thresholds[int(np.argmax(here))]
            threshold = raised(usual, self.caution[frame - oldest])
            if level < threshold:
                return []
            self.open = _Open(frame, frame, threshold, self.spec.keep * usual, sums=np.zeros(len(here)))
        return self._step(frame, level, here, self.open)

    def _step(self, frame: int, level: float, here: NDArray[np.float64], event: _Open) -> list[Event]:
        if level < event.bar:
            event.tail.append(level)
            return self._end("quiet") if len(event.tail) >= self.spec.quiet_frames else []
        event.last = frame
        event.total += level + sum(event.tail)
        event.tail.clear()
        event.peak = max(event.peak, level)
        event.sums += here
        if event.label or frame + 1 - event.first < self.spec.confirm_frames:
            return []
        event.label = self.spec.classes[int(np.argmax(event.sums))]
        return [self._event("onset", event, None, "")]

    def _end(self, reason: EndReason) -> list[Event]:
        event, self.open = self.open, None
        if event is None or not event.label:
            return []
        return [self._event("end", event, (event.last + 1) * self.hop_samples, reason)]

    def _event(
        self, kind: Literal["onset", "end"], event: _Open, end: int | None, reason: EndReason | Literal[""]
    ) -> Event:
        mean = event.total / (event.last + 1 - event.first)
        return Event(kind, event.label, event.first * self.hop_samples, end, event.peak, mean, event.threshold, reason)


def raised(threshold: float, caution: float) -> float:
    """The threshold with some log-odds more, 0 to 1; with 0.5, 0.42 becomes 0.54."""
    return 1.0 / (1.0 + (1.0 / threshold - 1.0) * exp(-caution)) if caution else threshold


class Tracker:
    """The tracker of one stream.

    Args:
        groups: how events are found.
        classes: C, names of the score columns.
        thresholds: score that opens an event, for each class that a group names.
        hop_samples: samples to one score frame.
    """

    def __init__(
        self, groups: tuple[GroupSpec, ...], classes: tuple[str, ...], thresholds: Mapping[str, float], hop_samples: int
    ) -> None:
        """Start with nothing open."""
        self._groups = [
            _Group(g, [classes.index(c) for c in g.classes], [thresholds[c] for c in g.classes], hop_samples)
            for g in groups
        ]
        self._next: int | None = None

    def push(self, scores: Scores, caution: NDArray[np.float64] | None = None) -> list[Event]:
        """Take scores of any number of frames; return the events they decide.

        Args:
            scores: the next ones.
            caution: (T,) log-odds that an event needs above its threshold to begin; None for none.
        """
        events: list[Event] = []
        if self._next is not None and scores.start > self._next and len(scores.valid):
            events += self._close("gap")
        for t, heard in enumerate(scores.valid):
            if not heard:
                events += self._close("gap")
                continue
            row = scores.values[t].astype(np.float64)
            asked = 0.0 if caution is None else float(caution[t])
            for group in self._groups:
                events += group.take(scores.start + t, row[group.columns], asked)
        if len(scores.valid):
            self._next = scores.start + len(scores.valid)
        return events

    def flush(self) -> list[Event]:
        """End of stream: close what is open."""
        return self._close("stream_end")

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._close("stream_end")
        self._next = None

    def _close(self, reason: EndReason) -> list[Event]:
        return [event for group in self._groups for event in group.close(reason)]
