"""What is known of a recording, frame by frame: targets, how sure each of them is, and what is only known of a stretch.

Annotators marked part of the breaths. In an adventitious recording the rest is unknown, not silent; a Normal one is
silent throughout; of Poor Quality nobody said anything. Not for what this costs
(`training.detector.loss`) nor for judging, where targets alone are used (`training.datasets.targets`).

A cycle of ICBHI is a whole breath with its pause. One labelled normal is silent; of one labelled wheeze it is known
that there is no crackle in it, and nothing else of any frame: a wheeze fills a part of it or all. So its frames weigh
nothing for the group that is there (taking all of them for wheezing would teach pauses as wheeze; a part of the weight
only teaches it less), for breath and for the kind of sound, and `somewhere` says the rest to
`training.detector.loss.somewhere_loss`. Sounds of HF_Lung have onset and end: they are known as a phase is, silence
only within a labelled breath. Neither set labels a recording as a whole, so none is silent throughout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.errors import ConfigError
from training.datasets import Recording
from training.datasets.targets import COLUMNS, PRESENCE, WIDTH, columns_of

POOR = "Poor Quality"
SURE = ("Normal",)  # labels of chest recordings in which nothing is to be heard, annotated or not
SOUNDS = slice(COLUMNS.continuous, COLUMNS.discontinuous + 1)  # presence of the two groups
GROUPS = 2
PIECES = 2  # sounds in a stretch: its own, and one that is mixed in
ABSENT, PRESENT, DOUBTED = 0.1, 0.5, 0.3  # probabilities of an earlier network
BELIEVED_WEIGHT = 0.5
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """How much is believed where nobody annotated; 1 and 1 take all of it for silent."""

    unannotated: float = 0.0
    """Weight of "no adventitious sound" in the unannotated time of adventitious recordings, 0 to 1."""
    poor_quality: float = 0.0
    """The same in recordings of Poor Quality, 0 to 1. With 1, one that is mixed in leaves the breaths known, too."""

    def __post_init__(self) -> None:
        """Refuse weights that are none."""
        for name in self.__slots__:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"recipe: labels.{name} = {getattr(self, name)}, expected 0 to 1")


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of T score frames of one recording, or of two that sound together."""

    targets: Array
    """(T, K) as `training.datasets.targets`."""
    weights: Array
    """(T, 3) how sure the presence of breath, continuous and discontinuous sound is, 0 to 1."""
    phases: Array
    """(T, PIECES) number of the annotated breath phase, from 1; 0 where there is none."""
    shares: Array
    """(T, PIECES) share of that phase which lies in this frame; those of a whole phase add to 1."""
    somewhere: Array
    """(T, PIECES, GROUPS) 1 where the frame's phase is a cycle of which it is only known that the group is in it."""

    def joined(self, other: Truth, labels: LabelSpec) -> Truth:
        """Both sounding together: a sound is there when it is in one of them, and absent when it is in neither.

        Presence is as sure as it is where the sound is annotated; absence must be known of both. Breath is known where
        it is known of both.
        """
        mine, its = self.targets[:, SOUNDS], other.targets[:, SOUNDS]
        sure, its_sure = self.weights[:, SOUNDS], other.weights[:, SOUNDS]
        breath = COLUMNS.breath
        breath_known = self.weights[:, breath] * np.maximum(other.weights[:, breath], labels.poor_quality)
        weights = np.concatenate([breath_known[:, None], _sure_together(mine, sure, its, its_sure)], 1)
        return Truth(
            np.maximum(self.targets, other.targets),
            weights.astype(np.float32),
            np.stack([self.phases[:, 0], other.phases[:, 0]], 1),
            np.stack([self.shares[:, 0], other.shares[:, 0]], 1),
            np.stack([self.somewhere[:, 0], other.somewhere[:, 0]], 1),
        )


@dataclass(frozen=True, slots=True)
class Believed:
    """What a network says of a recording whose patient it never heard: soft targets where nobody annotated.

    In the unannotated time of adventitious recordings it counts half where it is sure (below `ABSENT` or above
    `PRESENT`); in Normal recordings a sound that it hears (above `DOUBTED`) is no longer taken for silence.
    """

    probability: Array
    """(S, GROUPS) that continuous and discontinuous sound is there, in score frames from the begin."""
    frame_s: float
    """Seconds to one of them."""

    def fill(self, recording: Recording, targets: Array, weights: Array, middles: NDArray[np.float64]) -> None:
        """Complete (T, K) targets and (T, 3) weights of score frames with these middles, seconds; in place."""
        place = np.floor(middles / self.frame_s).astype(np.int64)
        inside = (place >= 0) & (place < len(self.probability)) & (targets[:, COLUMNS.breath] < 0.5)
        probability = self.probability[np.clip(place, 0, len(self.probability) - 1)]
        if recording.record_label in SURE:
            weights[:, SOUNDS][inside[:, None] & (probability > DOUBTED)] = 0.0
        elif recording.record_label != POOR:
            is_sure = inside[:, None] & ((probability < ABSENT) | (probability > PRESENT))
            targets[:, SOUNDS] = np.where(is_sure, probability, targets[:, SOUNDS])
            weights[:, SOUNDS] = np.where(is_sure, BELIEVED_WEIGHT, weights[:, SOUNDS])


class Timeline:
    """What is known of one recording at any time of it: score frames may begin anywhere and be of any length.

    Args:
        recording: with its annotations.
        labels: how much is believed where nobody annotated.
        duration_s: of the recording; nothing is known before 0 and after it.
        believed: what an earlier network says of it that never heard its patient, if there is one.
    """

    def __init__(
        self, recording: Recording, labels: LabelSpec, duration_s: float = np.inf, believed: Believed | None = None
    ) -> None:
        self._recording, self._labels, self._duration_s, self._believed = recording, labels, duration_s, believed
        events = recording.events
        self._starts_s = np.array([e.start_s for e in events], np.float64)[:, None]
        self._ends_s = np.array([e.end_s for e in events], np.float64)[:, None]
        self._columns = np.zeros((len(events), WIDTH), np.bool_)
        for row, event in zip(self._columns, events, strict=True):
            row[[COLUMNS.breath, *(c for label in event.labels for c in columns_of(label))]] = True
        self._somewhere = np.zeros((len(events) + 1, GROUPS), np.float32)  # row 0: no phase
        if recording.covers == "cycle":
            self._somewhere[1:] = self._columns[:, SOUNDS]
            self._columns[:, PRESENCE.stop :] = False  # nobody knows in which frames a sound of this kind is

    def truth(self, start_s: float, count: int, frame_s: float) -> Truth:
        """What is known of some score frames.

        Args:
            start_s: where the first begins, seconds of the recording; may lie outside.
            count: T.
            frame_s: seconds of the recording to one score frame; those of sound played faster are longer.

        Returns:
            (T, ...) as of frames [start_s + k frame_s, start_s + (k + 1) frame_s); nothing is known of a frame whose
            middle lies outside the recording.
        """
        edges = start_s + np.arange(count + 1) * frame_s
        near = np.flatnonzero((self._ends_s[:, 0] > edges[0]) & (self._starts_s[:, 0] < edges[-1]))
        starts, ends, columns = self._starts_s[near], self._ends_s[near], self._columns[near]
        overlap = np.maximum(np.minimum(edges[1:], ends) - np.maximum(edges[:-1], starts), 0)
        covered = np.minimum(overlap / frame_s, 1).astype(np.float32)
        targets = np.zeros((count, WIDTH), np.float32)
        for column in np.flatnonzero(columns.any(0)):
            targets[:, column] = covered[columns[:, column]].max(0)
        phases, shares = np.zeros((count, PIECES), np.float32), np.zeros((count, PIECES), np.float32)
        if len(near):
            latest = len(near) - 1 - np.argmax(overlap[::-1] > 0, axis=0)  # a frame of two phases counts to the later
            share = overlap[latest, np.arange(count)] / (ends - starts)[latest, 0]
            phases[:, 0], shares[:, 0] = np.where(share > 0, near[latest] + 1, 0), share
        middles = (edges[1:] + edges[:-1]) / 2
        there = (middles >= 0) & (middles < self._duration_s)
        weights = _weights(self._recording, targets, self._labels) * there[:, None]
        if self._believed is not None:
            self._believed.fill(self._recording, targets, weights, middles)
        return Truth(targets, weights, phases, shares, self._somewhere[phases.astype(np.int64)])


def truth_of(recording: Recording, count: int, frame_s: float, labels: LabelSpec) -> Truth:
    """What is known of the first `count` score frames of a recording, wherever it ends; see `Timeline`."""
    return Timeline(recording, labels).truth(0.0, count, frame_s)


def _weights(recording: Recording, targets: Array, labels: LabelSpec) -> Array:
    weights = np.ones((len(targets), PRESENCE.stop), np.float32)
    is_poor = recording.record_label == POOR
    weights[:, COLUMNS.breath] = not (recording.is_negative or is_poor)
    if is_poor:
        weights[:, SOUNDS] = labels.poor_quality
    elif recording.covers != "phase" or not (
        recording.is_negative or recording.is_synthetic or recording.record_label in SURE
    ):
        annotated = targets[:, [COLUMNS.breath]]
        weights[:, SOUNDS] = annotated + (1 - annotated) * labels.unannotated
    if recording.covers == "sound":  # half of the exhalations have no label
        weights[:, COLUMNS.breath] = targets[:, COLUMNS.breath]
    if recording.covers == "cycle":
        weights[:, COLUMNS.breath] = 0
        weights[:, SOUNDS] *= targets[:, SOUNDS] == 0
    return weights


def _sure_together(target: Array, sure: Array, other: Array, other_sure: Array) -> Array:
    both = sure * other_sure
    return np.asarray(np.maximum(both, np.maximum(target * sure, other * other_sure)), np.float32)


def placed(source: NDArray[np.floating], start: int, count: int) -> Array:
    """source[start : start + count] as (count, ...) float32, 0 where it does not reach."""
    into = np.zeros((count, *source.shape[1:]), np.float32)
    low, high = max(0, start), min(len(source), start + count)
    if high > low:
        into[low - start : high - start] = source[low:high]
    return into
