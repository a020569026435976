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

# Log-odds above its threshold that an event needs to begin where sound was lost; chosen with tests/benchmarks/gaps.py
LACK_NATS = 0.2  # anywhere in a window that lacks something
CLOSE_NATS, CLOSE_S = 0.4, 1.0  # instead of that, so near to a gap, s
SHARE_NATS = 2.0  # and this times the share of the window that is lacking


class Pipeline:
    """The detector of one stream.

    Args:
        model: loaded artefact, may be shared between streams.
        thresholds: scores that open an event, where they differ from the model's.
        observe: called with all scores, in order.
        classes: classes to report; all that the model can tell when None.

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
        """Build the stages; nothing is heard yet."""
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
        self._first: int | None = None  # frame that was heard first
        self._stop = 0  # one past the last frame that was made
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
        return [event for events in self.ending() for event in events]

    def ending(self) -> Iterator[list[Event]]:
        """As `flush`, one window after the other."""
        yield self._run(self._features.flush())
        for window in self._windows.flush():
            yield self._score([window])
        yield self._keep(self._tracker.flush())

    def give_up(self) -> list[Event]:
        """End of stream when the model fails: close what is open, decide nothing more."""
        return self._keep(self._tracker.flush())

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._features.reset()
        self._windows.reset()
        self._tracker.reset()
        self._first = None

    def _run(self, frames: list[Frames]) -> list[Event]:
        for some in frames:
            if self._first is None and some.valid.any():
                self._first = some.start + int(np.argmax(some.valid))
            self._stop = some.start + len(some.valid)
        return [event for some in frames for event in self._score(self._windows.push(some))]

    def _score(self, windows: list[Window]) -> list[Event]:
        events = []
        for window in windows:
            scores = self._model.score(window)
            if self._observe is not None:
                self._observe(scores)
            asked = caution(self._model, window, scores, (self._first or 0) - window.start, self._stop - window.start)
            events += self._keep(self._tracker.push(scores, asked))
        return events

    def _keep(self, events: list[Event]) -> list[Event]:
        return [event for event in events if event.label in self._reported]


def caution(model: Model, window: Window, scores: Scores, first: int, stop: int) -> NDArray[np.float64]:
    """(T,) log-odds that a score frame must have above a threshold to begin an event, for what its window lacks.

    Args:
        model: whose window it is.
        window: what the model saw.
        scores: what it made of it.
        first: frame of the window with which the stream began, below 0 if earlier; before it nothing is lacking.
        stop: frame of the window at which the stream ended, above its length if later; from it on nothing is lacking.
    """
    spec, first = model.window, max(first, 0)
    heard = window.valid[first:stop]
    if heard.all():
        return np.zeros(len(scores.valid))
    needed = np.full(len(scores.valid), LACK_NATS)
    begin = scores.start * spec.score_frames - window.start + spec.score_frames * np.arange(len(needed))
    reach = CLOSE_S * model.rate_hz / model.spec.hop_samples
    edges = np.flatnonzero(np.diff(heard, prepend=True, append=True)) + first
    for lost, back in edges.reshape(-1, 2):
        needed[(begin + spec.score_frames > lost - reach) & (begin < back + reach)] = CLOSE_NATS
    needed += SHARE_NATS * (1.0 - float(heard.mean()))
    return needed
