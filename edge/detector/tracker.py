"""Scores in, events out: which segment of scores is one sound, and which sound it is. Pure; no clock, no I/O.

Where a model says so, events are found by change points (`edge.detector.change_points`), else as here.

Sounds of one group (continuous: wheeze, rhonchus, stridor; discontinuous: crackles) exclude each other, so a group is
tracked as one: its score is the sum over its classes. That sum is smoothed by a running median; an event opens when it
reaches the threshold of its strongest class, lasts while it stays above `keep` times that, is confirmed (and named
after the class with the greatest sum of scores so far) once it has lasted `confirm_frames`, and ends when it has been
quiet for `quiet_frames`. These numbers belong to a class: `keep` to that which opened it, the others to that which it
has most of so far. Unconfirmed events are dropped and never reported; of one that lasts, an `update` comes every so
often. While nothing is open and no score comes near a threshold, as on most of normal breath, frames are only
remembered.

Invariants: an `end` follows every `onset`; no event begins, lasts through, is confirmed or ends on frames that are not
valid: at such a frame everything open is closed after its last frame that was not quiet. Any cut of the scores gives
the same events. Next to a gap the running median counts what was lost as quiet, so with the same scores a gap can only
take events away: where the median of fewer frames is taken instead, 5 of 4400 s of normal breath with lost packets
raised events that were not found without the loss. At the begin and end of a stream, the median is of what there is.
Behind a gap the model knows less than usual and is as sure of itself: for a second an event opens only with
`AFTER_GAP_LOG_ODDS` more, and with `AFTER_BRIDGE_LOG_ODDS` more behind a hole that was concealed, which is no gap
(`edge.detector.concealment`). It lasts as any other, or else one sound would become several.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.detector.change_points import ChangePoints
from edge.detector.class_rules import (
    AFTER_BRIDGE_LOG_ODDS,
    AFTER_GAP_LOG_ODDS,
    CAREFUL_FRAMES,
    ClassRule,
    class_rules,
    raised,
)
from edge.kernels import plain
from edge.model.specs import GroupSpec
from edge.types import Event, Scores

EndReason = Literal["quiet", "gap", "stream_end"]


@dataclass(slots=True)
class _Open:
    """An event under way, confirmed or not."""

    first: int  # score frame
    last: int  # last score frame that was not quiet
    threshold: float  # that it was opened with
    quiet_below: float  # smoothed score below which a frame is quiet
    label: str = ""  # set when confirmed
    sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))  # of the scores of each class
    peak: float = 0.0
    total: float = 0.0  # of its smoothed scores
    pause: list[float] = field(default_factory=list)  # smoothed scores of the quiet that may yet belong to it
    updates: int = 0  # whole intervals of updates that it had lasted when it was reported last

    @property
    def leader(self) -> int:
        """The class that it has most of so far, column of its group."""
        return int(np.argmax(self.sums))


class _Group:
    """Tracks one group through one segment of valid frames after another."""

    def __init__(
        self,
        spec: GroupSpec,
        thresholds: list[float],
        hop_samples: int,
        rules: list[ClassRule],
        update_frames: int | None,
        columns: list[int],
    ) -> None:
        self.spec, self.thresholds, self.rules, self.columns = spec, thresholds, rules, columns
        self.hop_samples, self.update_frames = hop_samples, update_frames
        self.half = spec.median_frames // 2  # frames on each side of the one that is smoothed
        # Of the newest score frames of this segment:
        self.recent: deque[NDArray[np.float64]] = deque(maxlen=spec.median_frames)  # scores of each class
        self.sums: deque[float] = deque(maxlen=spec.median_frames)  # their sums over the classes
        self.bridged: deque[bool] = deque(maxlen=spec.median_frames)  # whether concealed sound lies closely before them
        self.lowest = min(thresholds)  # below it nothing can open
        self.next = 0  # score frame to decide next
        self.stop = 0  # one past the last score frame taken
        self.first = 0  # of this segment
        self.follows_gap = False  # whether this segment does
        self.open: _Open | None = None

    def push(self, frame: int, rows: NDArray[np.float32], bridged: list[bool]) -> list[tuple[int, Event]]:
        """Take consecutive valid score frames; return the events that they decide, each with the frame that does.

        Args:
            frame: absolute index of the first.
            rows: (T, C) scores of all classes of the model.
            bridged: T, whether concealed sound lies in or closely before each.
        """
        scores = rows.take(self.columns, axis=1).astype(np.float64)
        sums = _summed(scores)
        # A median is not above the greatest of its numbers, so none of these frames can reach a threshold.
        if self.open is None and sums.max() < self.lowest and max(self.sums, default=0.0) < self.lowest:
            self._skip(frame, scores, sums, bridged)
            return []
        changes: list[tuple[int, Event]] = []
        for t in range(len(sums)):
            changes += [(frame + t, event) for event in self._step(frame + t, scores[t], float(sums[t]), bridged[t])]
        return changes

    def _skip(self, frame: int, scores: NDArray[np.float64], sums: NDArray[np.float64], bridged: list[bool]) -> None:
        """Take valid score frames that are quiet, while nothing is open: nothing can open by them."""
        if not self.recent:
            self.first = self.next = frame
        newest = slice(-self.spec.median_frames, None)
        self.recent.extend(scores[newest])
        self.sums.extend(sums[newest].tolist())
        self.bridged.extend(bridged[newest])
        self.stop = frame + len(sums)
        self.next = max(self.next, self.stop - self.half)

    def _step(self, frame: int, scores: NDArray[np.float64], total: float, is_bridged: bool) -> list[Event]:
        """Take one valid score frame: (C,) scores, and their sum."""
        if not self.recent:
            self.first = self.next = frame
        self.recent.append(scores)
        self.sums.append(total)
        self.bridged.append(is_bridged)
        self.stop = frame + 1
        return self._decide() if self.stop - self.next > self.half else []

    def close(self, reason: EndReason) -> list[Event]:
        """The segment is over: decide what is left of it, then end what is open."""
        events: list[Event] = []
        is_gap = reason == "gap"
        while self.recent and self.next < self.stop:
            events += self._decide(is_gap)
        events += self._end(reason)
        self.recent.clear()
        self.sums.clear()
        self.bridged.clear()
        self.follows_gap = is_gap
        return events

    def _decide(self, gap_follows: bool = False) -> list[Event]:
        """Smooth the next frame by the median of what is around it, and open, go on with or end an event by that."""
        frame = self.next
        self.next += 1
        if self.open is None and max(self.sums) < self.lowest:
            return []
        half, oldest = self.half, self.stop - len(self.sums)
        # How many places of the median lie in the gap before this segment, and how many in the one that follows.
        lost = max(half - (frame - self.first), 0) if self.follows_gap else 0
        lost += max(frame + half + 1 - self.stop, 0) if gap_follows else 0
        around = sorted([0.0] * lost + list(self.sums)[max(frame - half - oldest, 0) :])
        middle = len(around) // 2
        score = around[middle] if len(around) % 2 else (around[middle - 1] + around[middle]) / 2
        of_classes = self.recent[frame - oldest]
        if self.open is None:
            strongest = int(np.argmax(of_classes))
            usual = self.thresholds[strongest]
            threshold = self._threshold_at(usual, frame, self.bridged[frame - oldest])
            if score < threshold:
                return []
            # Of the usual threshold, also where a raised one opened it: a sound behind a gap would end early and open
            # again.
            quiet_below = self.rules[strongest].keep * usual
            self.open = _Open(frame, frame, threshold, quiet_below, sums=np.zeros(len(of_classes)))
        return self._extend(frame, score, of_classes, self.open)

    def _threshold_at(self, threshold: float, frame: int, is_bridged: bool) -> float:
        """What the score of a frame must reach to open an event."""
        if self.follows_gap and frame - self.first < CAREFUL_FRAMES:
            return raised(threshold, AFTER_GAP_LOG_ODDS)
        return raised(threshold, AFTER_BRIDGE_LOG_ODDS) if is_bridged else threshold

    def _extend(self, frame: int, score: float, of_classes: NDArray[np.float64], event: _Open) -> list[Event]:
        """Go on with an event by one frame, or end it after too many quiet ones."""
        if score < event.quiet_below:
            event.pause.append(score)
            return self._end("quiet") if len(event.pause) >= self.rules[event.leader].quiet_frames else []
        event.last = frame
        # A pause counts in the mean once the sound has come back; the quiet behind its end never does.
        event.total += score + sum(event.pause)
        event.pause.clear()
        event.peak = max(event.peak, score)
        event.sums += of_classes
        return self._report(frame + 1 - event.first, event)

    def _report(self, frames: int, event: _Open) -> list[Event]:
        """What is to be reported of an event that has lasted so many score frames and is not quiet."""
        # Intervals are counted from the onset: a pause may swallow updates, and those behind it come when they would
        # have.
        before, event.updates = event.updates, frames // self.update_frames if self.update_frames else 0
        if event.label:
            end = (event.last + 1) * self.hop_samples
            return [self._event("update", event, end, "")] if event.updates > before else []
        if frames < self.rules[event.leader].confirm_frames:
            return []
        event.label = self.spec.classes[event.leader]
        return [self._event("onset", event, None, "")]

    def _end(self, reason: EndReason) -> list[Event]:
        event, self.open = self.open, None
        if event is None or not event.label:
            return []
        return [self._event("end", event, (event.last + 1) * self.hop_samples, reason)]

    def _event(
        self, kind: Literal["onset", "update", "end"], event: _Open, end: int | None, reason: EndReason | Literal[""]
    ) -> Event:
        mean = event.total / (event.last + 1 - event.first)
        return Event(kind, event.label, event.first * self.hop_samples, end, event.peak, mean, event.threshold, reason)


def _summed(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T,) sums over the classes, (T, C): one class after the other, so that T does not change the bits."""
    sums = scores[:, 0].copy()
    for column in range(1, scores.shape[1]):
        sums += scores[:, column]
    return sums


class Tracker:
    """The tracker of one stream.

    Args:
        groups: how events are found.
        classes: C, names of the score columns.
        thresholds: score that opens an event, for each class that a group names.
        hop_samples: samples to one score frame.
        rules: of each of these classes; None: those of their groups.
        update_frames: score frames from one update of an event to the next, from its first; None: there are none.
    """

    def __init__(
        self,
        groups: tuple[GroupSpec, ...],
        classes: tuple[str, ...],
        thresholds: Mapping[str, float],
        hop_samples: int,
        rules: Mapping[str, ClassRule] | None = None,
        update_frames: int | None = None,
    ) -> None:
        rules = class_rules(groups, {}, 1.0) if rules is None else rules
        self._groups = [
            (ChangePoints if g.step_frames else _Group)(
                g,
                [thresholds[c] for c in g.classes],
                hop_samples,
                [rules[c] for c in g.classes],
                update_frames,
                [classes.index(c) for c in g.classes],
            )
            for g in groups
        ]
        self._next: int | None = None
        self._bridge: int | None = None  # the last score frame with concealed sound

    def push(self, scores: Scores, bridged: NDArray[np.bool_] | None = None) -> list[Event]:
        """Take scores of any number of frames; return the events they decide.

        Args:
            scores: the next ones.
            bridged: (T,) true where concealed sound was scored; None for nowhere.
        """
        total, valid = len(scores.valid), scores.valid
        if not total:
            return []
        events = self._close("gap") if self._next is not None and scores.start > self._next else []
        self._next = scores.start + total
        rows = plain(scores.values, np.float32)
        concealed = np.zeros(total, np.bool_) if bridged is None else bridged
        edges = [] if valid.all() else (np.flatnonzero(valid[1:] != valid[:-1]) + 1).tolist()  # nearly always none
        for first, stop in pairwise([0, *edges, total]):
            if not valid[first]:
                events += self._close("gap")
                continue
            near = self._near_bridges(scores.start + first, concealed[first:stop])
            events += self._step(scores.start + first, rows[first:stop], near)
        return events

    def _step(self, frame: int, rows: NDArray[np.float32], bridged: list[bool]) -> list[Event]:
        """Take consecutive valid score frames, the first of them `frame`."""
        changes: list[tuple[int, Event]] = []
        for group in self._groups:
            changes += group.push(frame, rows, bridged)
        # Each group went through all frames by itself. The sort is stable: at one frame, groups stay in their order.
        return [event for _, event in sorted(changes, key=lambda each: each[0])] if changes else []

    def _near_bridges(self, frame: int, bridged: NDArray[np.bool_]) -> list[bool]:
        """Whether concealed sound lies in or closely before each of some frames, the first of them `frame`."""
        if not bridged.any() and (self._bridge is None or frame - self._bridge > CAREFUL_FRAMES):
            return [False] * len(bridged)
        near = []
        for t, is_bridged in enumerate(bridged.tolist()):
            if is_bridged:
                self._bridge = frame + t
            near.append(self._bridge is not None and frame + t - self._bridge <= CAREFUL_FRAMES)
        return near

    def flush(self) -> list[Event]:
        """End of stream: close what is open."""
        return self._close("stream_end")

    def reset(self) -> None:
        """Forget everything, as a new object; open events are dropped, so flush first."""
        self._close("stream_end")
        self._next = self._bridge = None

    def _close(self, reason: EndReason) -> list[Event]:
        return [event for group in self._groups for event in group.close(reason)]
