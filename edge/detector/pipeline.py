"""One stream, from blocks to events: features, windows, model, tracker in a row. No threads, no I/O, no clock.

Any cut of the sound into blocks gives the same scores and the same events; running a file at full speed is pushing it
and flushing. Sound that was lost or masked is never spliced over: its scores are invalid or absent, and no event
touches them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edge.artefact.model import Model
from edge.detector.tracker import Tracker
from edge.detector.windows import Windows
from edge.errors import ConfigError
from edge.features import FrontEnd
from edge.types import Block, Event, Frames, Scores, Window

# Gap penalty: log-odds above its threshold that an event needs to begin where sound was lost; natural logarithm.
# Chosen with tests/benchmarks/gaps.py
GAP_PENALTY = 0.2  # anywhere in a window that lost something
NEAR_GAP_PENALTY, NEAR_GAP_S = 0.4, 1.0  # instead of that, so near to a gap, s
LOST_SHARE_PENALTY = 2.0  # and this times the share of the window that was lost


class Pipeline:
    """The detector of one stream.

    Args:
        model: loaded artefact, may be shared between streams.
        thresholds: scores that open an event, where they differ from the model's.
        observe: called with all scores, in order.
        classes: classes that become events; all event classes of the model when None.

    Raises:
        ConfigError: if a threshold or class is not one of the model's.
    """

    def __init__(
        self,
        model: Model,
        thresholds: Mapping[str, float] | None = None,
        observe: Callable[[Scores], None] | None = None,
        classes: tuple[str, ...] | None = None,
    ) -> None:
        """Build the stages; no sound has come yet."""
        unknown = sorted({*(thresholds or {}), *(classes or ())} - set(model.event_classes))
        if unknown:
            raise ConfigError(
                f"class {', '.join(unknown)}: not in the model, which has {', '.join(model.event_classes)}"
            )
        self._model = model
        self._observe = observe
        self._reported = set(model.event_classes if classes is None else classes)
        self._features = FrontEnd(model.spec)
        self._windows = Windows(model.window, model.spec.width)
        self._tracker = Tracker(
            model.groups, model.classes, {**model.thresholds, **(thresholds or {})}, model.score_hop_samples
        )

    def push(self, block: Block) -> list[Event]:
        """Take one block of any length; return the events it decides.

        Raises:
            ValueError: if the block overlaps an earlier one.
        """
        return self._run(self._features.push(block))

    def flush(self) -> list[Event]:
        """End of stream: decide what is left, close what is open."""
        return [event for events in self.flush_stepwise() for event in events]

    def flush_stepwise(self) -> Iterator[list[Event]]:
        """As `flush`, one window after the other."""
        yield self._run(self._features.flush())
        for window in self._windows.flush():
            yield self._score([window])
        yield self._reported_only(self._tracker.flush())

    def abort(self) -> list[Event]:
        """End of stream when the model fails: close what is open, decide nothing more."""
        return self._reported_only(self._tracker.flush())

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._features.reset()
        self._windows.reset()
        self._tracker.reset()

    def _run(self, frames: list[Frames]) -> list[Event]:
        return [event for some in frames for event in self._score(self._windows.push(some))]

    def _score(self, windows: list[Window]) -> list[Event]:
        events = []
        for window in windows:
            scores = self._model.score(window)
            if self._observe is not None:
                self._observe(scores)
            penalty = gap_penalty(self._model, window, scores)
            events += self._reported_only(self._tracker.push(scores, penalty))
        return events

    def _reported_only(self, events: list[Event]) -> list[Event]:
        return [event for event in events if event.label in self._reported]


def gap_penalty(model: Model, window: Window, scores: Scores) -> NDArray[np.float64]:
    """(T,) log-odds above its threshold that an event needs to begin in each score frame, for what its window lost.

    Frames before the stream began and after it ended were not lost.

    Args:
        model: whose window it is.
        window: what the model saw.
        scores: what it made of it.
    """
    spec, stop = model.window, len(window.valid) - window.after
    valid = window.valid[window.before : stop]
    if valid.all():
        return np.zeros(len(scores.valid))
    penalty = np.full(len(scores.valid), GAP_PENALTY)
    begin = scores.start * spec.score_frames - window.start + spec.score_frames * np.arange(len(penalty))
    near = NEAR_GAP_S * model.rate_hz / model.spec.hop_samples
    edges = np.flatnonzero(np.diff(valid, prepend=True, append=True)) + window.before
    for lost, back in edges.reshape(-1, 2):
        penalty[(begin + spec.score_frames > lost - near) & (begin < back + near)] = NEAR_GAP_PENALTY
    return penalty + LOST_SHARE_PENALTY * (1.0 - float(valid.mean()))
