"""Where a sound begins and ends by how its score changes, whatever its threshold: extents that no threshold moves.

A step filter runs over the score of a group, the sum over its classes: at each boundary of two frames, the mean of the
`step_frames` after it less that of those before. A sound begins where that is highest until it has fallen to `FALLEN`
of it, or to 0 where it is not `STEEP`, and ends where it is lowest until it is above 0 again, or until `quiet_frames`
behind have less than `keep` of its mean. A pause of less than `quiet_frames` with `keep` of the mean before it, or
more, makes one sound of two. A sound is an event if it lasts `confirm_frames` and its mean score, what it has so far,
reaches the threshold of the class that it has most of; so a higher threshold takes events away and moves none. While it
lasts, those of the newest `step_frames` up to the last with `keep` of the threshold count as its own before it is known
where it ends.

Frames before and after a segment of valid ones count as 0, so nothing lasts through a gap. Behind lost sound no more is
asked: a mean over a third of a second or more is not raised by a frame that was (of 120 recordings with four kinds of
loss, one of those without a sound had a new event). Onset and end are decided at most a few `step_frames` after they
were received. Pure, for one group; any cut of the scores gives the same. What is a gap: `edge.detector.tracker`.

Source: Ebbers et al., Sound event bounding boxes, Interspeech 2024 (2406.04212), here decided as the scores come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.detector.change_point_rules import CLASSES, END, EVENT, MOST_FRAMES, NONE, ONSET, RING, STATE, Group, take
from edge.detector.class_rules import ClassRule
from edge.model.specs import GroupSpec
from edge.types import Event

EndReason = Literal["quiet", "gap", "stream_end"]
Kind = Literal["onset", "update", "end"]

KINDS: tuple[Kind, ...] = ("onset", "update", "end")


class ChangePoints:
    """Finds the events of one group through one segment of valid frames after another.

    Args:
        spec: of the group; `step_frames` is 1 or more.
        thresholds: of each class.
        hop_samples: samples to one score frame.
        rules: of each class.
        update_frames: score frames from one update of an event to the next; None: there are none.
        columns: of the scores of each class.
    """

    def __init__(
        self,
        spec: GroupSpec,
        thresholds: Sequence[float],
        hop_samples: int,
        rules: Sequence[ClassRule],
        update_frames: int | None,
        columns: Sequence[int],
    ) -> None:
        self._classes, self._thresholds, self._hop_samples = spec.classes, thresholds, hop_samples
        ring = 2 * spec.step_frames + 1
        limits = [(t, r.keep, r.confirm_frames, r.quiet_frames) for t, r in zip(thresholds, rules, strict=True)]
        self._group = Group(
            np.zeros(1, STATE),
            np.zeros((RING + ring, CLASSES + len(limits) + 1)),
            np.array(limits, np.float64),
            np.zeros(2 * (MOST_FRAMES + ring), EVENT),
            np.array(columns, np.int64),
        )
        self._plain = tuple(self._group)
        self._group.state["stop"], self._group.state["update_frames"] = NONE, update_frames or 0
        self.close("stream_end")  # so that all is compiled before the first score

    def push(self, frame: int, scores: NDArray[np.float32], bridged: Sequence[bool]) -> list[tuple[int, Event]]:
        """Take consecutive valid score frames; return the events that they decide, each with the frame that does.

        Args:
            frame: absolute index of the first.
            scores: (T, C) of all classes of the model.
            bridged: T, whether concealed sound lies in or closely before each; of no account here.
        """
        reported: list[tuple[int, Event]] = []
        for first in range(0, len(scores), MOST_FRAMES):
            if take(self._plain, frame + first, scores[first : first + MOST_FRAMES], False):
                reported += self._events("quiet")
        return reported

    def close(self, reason: EndReason) -> list[Event]:
        """The segment is over: decide what is left of it, then end what lasts."""
        none = np.zeros((0, len(self._classes)), np.float32)
        return [event for _, event in self._events(reason)] if take(self._plain, 0, none, True) else []

    def _events(self, reason: EndReason) -> list[tuple[int, Event]]:
        events: list[tuple[int, Event]] = []
        for row in self._group.reported[: self._group.state["events"][0]].tolist():
            at, kind, column, begin, until, peak, mean, closes = row
            onset, end = begin * self._hop_samples, None if kind == ONSET else until * self._hop_samples
            why: EndReason | Literal[""] = "" if kind != END else reason if closes else "quiet"
            label, threshold = self._classes[column], self._thresholds[column]
            events.append((at, Event(KINDS[kind], label, onset, end, peak, mean, threshold, why)))
        return events
