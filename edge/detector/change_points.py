"""Where a sound begins and ends by how its score changes, whatever its threshold: extents that no threshold moves.

A step filter runs over the score of a group, the sum over its classes: at each boundary of two frames, the mean of the
`step_frames` after it less that of those before. A sound begins where that is highest until it is no longer above 0,
and ends where it is lowest until it is above 0 again, or until `quiet_frames` behind have less than `keep` of its mean.
A pause of less than `quiet_frames` with `keep` of the mean before it, or more, makes one sound of two. A sound is an
event if it lasts `confirm_frames` and its mean score, what it has so far, reaches the threshold of the class that it
has most of; so a higher threshold takes events away and moves none.

Frames before and after a stretch of valid ones count as 0, so nothing lasts through a gap. Behind lost sound no more is
asked: a mean over a third of a second or more is not raised by a frame that was (of 120 recordings with four kinds of
loss, one of those without a sound had a new event). Onset and end are decided at most a few `step_frames` after they
were heard. Pure, for one group; any cut of the scores gives the same. What is a gap: `edge.detector.tracker`.

Source: Ebbers et al., Sound event bounding boxes, Interspeech 2024 (2406.04212), here decided as the scores come.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.detector.class_rules import ClassRule
from edge.model.specs import GroupSpec
from edge.types import Event

EndReason = Literal["quiet", "gap", "stream_end"]


class _Boundary(NamedTuple):
    """What a stretch has summed up to before one of its frames."""

    frame: int
    """The score frame behind it, absolute index."""
    total: float
    """Of the scores before it."""
    of_classes: tuple[float, ...]
    """The same of each class."""


@dataclass(slots=True)
class _Sound:
    """A sound that has begun and is not over."""

    begin: _Boundary
    end: _Boundary | None = None
    """Where it may be over; None while it lasts."""
    peak: float = 0.0
    label: str = ""
    """Set when it is an event."""
    threshold: float = 0.0
    """That it reached then."""
    updates: int = 0
    """Whole intervals of updates that it had lasted when it was told of last."""

    def mean(self, until: _Boundary) -> float:
        """Of its scores before a boundary behind its begin."""
        return (until.total - self.begin.total) / (until.frame - self.begin.frame)

    def leader(self, until: _Boundary) -> int:
        """The class that it has most of, column of its group."""
        sums = [b - a for a, b in zip(self.begin.of_classes, until.of_classes, strict=True)]
        return sums.index(max(sums))


class ChangePoints:
    """Finds the events of one group through one stretch of valid frames after another.

    Args:
        spec: of the group; `step_frames` is 1 or more.
        thresholds: of each class.
        hop_samples: samples to one score frame.
        rules: of each class.
        update_frames: score frames from one update of an event to the next; None: there are none.
    """

    def __init__(
        self,
        spec: GroupSpec,
        thresholds: Sequence[float],
        hop_samples: int,
        rules: Sequence[ClassRule],
        update_frames: int | None,
    ) -> None:
        self._spec, self._thresholds, self._rules = spec, thresholds, rules
        self._hop_samples, self._update_frames = hop_samples, update_frames
        self._half = spec.step_frames
        self._boundaries: deque[_Boundary] = deque()  # from `step_frames` before the next that is decided
        self._levels: deque[float] = deque()  # scores from there on
        self._forget()

    def _forget(self) -> None:
        self._boundaries.clear()
        self._levels.clear()
        self._sound: _Sound | None = None
        self._lasts = False  # whether it does, or nothing has begun
        self._step = 0.0  # highest while nothing lasts, lowest while something does
        self._edge: _Boundary | None = None  # where that was
        self._peak = 0.0  # of the scores since then
        self._next = 0  # boundary to be decided next

    def push(self, frame: int, scores: NDArray[np.float64], total: float, is_bridged: bool) -> list[Event]:
        """Take one valid score frame.

        Args:
            frame: its absolute index.
            scores: (C,) of the classes of this group.
            total: the sum of them.
            is_bridged: whether concealed sound lies in it or closely before it; of no account here.
        """
        if not self._boundaries:
            self._boundaries.append(_Boundary(frame, 0.0, (0.0,) * len(scores)))
            self._next = frame
        last = self._boundaries[-1]
        summed = tuple(a + b for a, b in zip(last.of_classes, scores.tolist(), strict=True))
        self._boundaries.append(_Boundary(frame + 1, last.total + total, summed))
        self._levels.append(total)
        return self._decide() if frame + 1 - self._next >= self._half else []

    def close(self, reason: EndReason) -> list[Event]:
        """The stretch is over: decide what is left of it, then end what lasts."""
        events: list[Event] = []
        while self._boundaries and self._next <= self._boundaries[-1].frame:
            events += self._decide()
        if self._lasts and self._edge is not None:
            events += self._over(self._edge)
        events += self._end(reason)
        self._forget()
        return events

    def _decide(self) -> list[Event]:
        """Look at the step at the next boundary."""
        while self._boundaries[0].frame < self._next - self._half:
            self._boundaries.popleft()
        before, after = self._boundaries[0], self._boundaries[-1]
        here = self._boundaries[self._next - before.frame]
        step = ((after.total - here.total) - (here.total - before.total)) / self._half
        self._next += 1
        events = self._lasting(here, step) if self._lasts else self._waiting(here, step)
        if self._levels:
            self._peak = max(self._peak, self._levels.popleft())
        return events

    def _waiting(self, here: _Boundary, step: float) -> list[Event]:
        """Nothing lasts: find where something begins, or what lasted is over."""
        if step > self._step:
            self._rises(here, step)
        elif step <= 0 and self._edge is not None:
            events = self._begin(self._edge)
            self._lasts, self._step, self._edge = True, step, here
            return events
        sound = self._sound
        if sound is None or sound.end is None:
            return []
        end, quiet = sound.end, self._rules[sound.leader(sound.end)].quiet_frames
        may_go_on = self._edge is not None and self._edge.frame - end.frame < quiet
        return [] if may_go_on or here.frame - end.frame < quiet else self._end("quiet")

    def _rises(self, here: _Boundary, step: float) -> None:
        """Something may begin here."""
        self._step, self._edge, self._peak = step, here, 0.0

    def _begin(self, edge: _Boundary) -> list[Event]:
        """Something begins, or goes on."""
        sound, events = self._sound, list[Event]()
        if sound is not None and sound.end is not None:
            rule, pause = self._rules[sound.leader(sound.end)], edge.frame - sound.end.frame
            least = rule.keep * sound.mean(sound.end) * pause
            if pause < rule.quiet_frames and edge.total - sound.end.total >= least:
                sound.end = None
                return []
            events = self._end("quiet")
        self._sound = _Sound(edge)
        return events

    def _lasting(self, here: _Boundary, step: float) -> list[Event]:
        """Something lasts: find where it ends, and tell of it."""
        sound, edge = self._sound, self._edge
        assert sound is not None
        assert edge is not None
        if step < self._step:
            sound.peak, self._peak = max(sound.peak, self._peak), 0.0
            self._step, self._edge = step, here
            return self._begun_or_updated(here)
        if step > 0:
            events = self._over(edge)
            self._rises(here, step)
            return events
        rule, behind = self._rules[sound.leader(edge)], here.frame - edge.frame
        if here.total - edge.total >= rule.keep * sound.mean(edge) * behind:
            return self._begun_or_updated(here)
        if behind < rule.quiet_frames:
            return self._begun_or_updated(edge)
        events = self._over(edge) + self._end("quiet")
        self._step, self._edge = 0.0, None
        return events

    def _over(self, end: _Boundary) -> list[Event]:
        """What lasted may be over: all of it is known."""
        sound = self._sound
        assert sound is not None
        events = self._begun_or_updated(end)
        sound.end, self._lasts = end, False
        return events

    def _begun_or_updated(self, until: _Boundary) -> list[Event]:
        """What is to be told of what lasts, by what it is so far."""
        sound = self._sound
        assert sound is not None
        frames = until.frame - sound.begin.frame
        before, sound.updates = sound.updates, frames // self._update_frames if self._update_frames else 0
        if sound.label:
            return [self._event("update", sound, until, "")] if sound.updates > before else []
        leader = sound.leader(until) if frames else 0
        if frames < self._rules[leader].confirm_frames:
            return []
        threshold = self._thresholds[leader]
        if sound.mean(until) < threshold:
            return []
        sound.label, sound.threshold = self._spec.classes[leader], threshold
        return [self._event("onset", sound, until, "")]

    def _end(self, reason: EndReason) -> list[Event]:
        sound, self._sound = self._sound, None
        if sound is None or not sound.label or sound.end is None:
            return []
        return [self._event("end", sound, sound.end, reason)]

    def _event(
        self, kind: Literal["onset", "update", "end"], sound: _Sound, until: _Boundary, reason: EndReason | Literal[""]
    ) -> Event:
        peak = max(sound.peak, self._peak) if kind != "end" else sound.peak
        end = None if kind == "onset" else until.frame * self._hop_samples
        begin = sound.begin.frame * self._hop_samples
        return Event(kind, sound.label, begin, end, peak, sound.mean(until), sound.threshold, reason)
