"""The tracker finds what its rules say, in whatever pieces the scores come, and however much of them it skips."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.detector.tracker import Tracker
from edge.model.specs import GroupSpec
from edge.types import Event, Scores
from tests.edge.detector.plain_tracker import Found, plain_events

CLASSES = ("wheeze", "rhonchus", "fine_crackle", "breath")
HOP = 256
GROUPS = (
    GroupSpec("continuous", ("wheeze", "rhonchus"), median_frames=5, keep=0.5, confirm_frames=4, quiet_frames=3),
    GroupSpec("discontinuous", ("fine_crackle",), median_frames=1, keep=1.0, confirm_frames=2, quiet_frames=1),
)
THRESHOLDS = {"wheeze": 0.5, "rhonchus": 0.6, "fine_crackle": 0.4}
CHUNK = 15  # score frames that come together


def _found(events: list[Event]) -> set[Found]:
    ended = [event for event in events if event.kind == "end"]
    assert all(event.end is not None for event in ended)
    return {(e.label, e.onset // HOP, (e.end or 0) // HOP, e.peak, round(e.mean, 9), e.end_reason) for e in ended}


def _tracked(scores: Scores, bridged: NDArray[np.bool_], edges: list[int]) -> list[Event]:
    tracker = Tracker(GROUPS, CLASSES, THRESHOLDS, HOP)
    events = []
    for a, b in pairwise(edges):
        events += tracker.push(Scores(scores.start + a, scores.values[a:b], scores.valid[a:b]), bridged[a:b])
    return events + tracker.flush()


def _recording(seed: int, quiet: float, lost: float, concealed: float, frames: int) -> tuple[Scores, NDArray[np.bool_]]:
    """Runs of scores of a level each, most of them far below any threshold; lost and concealed sound comes in runs."""
    rng = np.random.default_rng(seed)

    def runs(length: int) -> NDArray[np.float64]:
        return np.repeat(rng.random(frames), rng.integers(1, length, frames))[:frames]

    values = (0.9 * rng.random((frames, len(CLASSES)))).astype(np.float32)
    level = runs(40)
    values[level < quiet] *= np.float32(0.1)
    values[(level >= quiet) & (level < quiet + 0.3)] *= np.float32(0.4)  # opens nothing, and lets what is open last
    return Scores(10**10, values, runs(12) >= lost), runs(6) < concealed


@given(
    seed=st.integers(0, 2**32),
    quiet=st.sampled_from([0.0, 0.5, 0.9]),
    lost=st.sampled_from([0.0, 0.1, 0.4]),
    concealed=st.sampled_from([0.0, 0.1]),
    cuts=st.lists(st.integers(0, 200), max_size=30),
    frames=st.integers(1, 200),
)
def test_events_are_those_of_the_rules_for_any_scores_losses_and_cuts(
    seed: int, quiet: float, lost: float, concealed: float, cuts: list[int], frames: int
) -> None:
    scores, bridged = _recording(seed, quiet, lost, concealed, frames)
    edges = [0, *sorted(min(cut, frames) for cut in cuts), frames]
    events = _tracked(scores, bridged, edges)
    assert _found(events) == plain_events(GROUPS, CLASSES, THRESHOLDS, scores, bridged)
    assert events == _tracked(scores, bridged, list(range(frames + 1)))


@given(
    levels=st.lists(st.sampled_from([0.0, 0.1, 0.39, 0.4, 0.5, 0.9]), min_size=1, max_size=90),
    lost=st.sets(st.integers(0, 89), max_size=4),
)
@example(levels=[0.0] * 15 + [0.5] * 15 + [0.0] * 15, lost=set())  # the quiet chunk is what smooths the first frame
@example(levels=[0.0] * 13 + [0.5] * 4 + [0.0] * 28, lost=set())  # the end of one chunk and the begin of the next
@example(levels=[0.9] * 15 + [0.39] * 30 + [0.0] * 15, lost=set())  # an event is open in a chunk that opens none
@example(levels=[0.0] * 15 + [0.9] * 7 + [0.0] * 23, lost={12, 13})  # a gap in a quiet chunk
def test_events_are_those_of_the_rules_when_scores_come_a_chunk_at_a_time(levels: list[float], lost: set[int]) -> None:
    values = np.zeros((len(levels), len(CLASSES)), np.float32)
    values[:, 0] = values[:, 2] = levels
    scores = Scores(0, values, np.array([t not in lost for t in range(len(levels))], np.bool_))
    bridged = np.zeros(len(levels), np.bool_)
    events = _tracked(scores, bridged, [*range(0, len(levels), CHUNK), len(levels)])
    assert _found(events) == plain_events(GROUPS, CLASSES, THRESHOLDS, scores, bridged)


def test_the_first_frame_of_a_stream_is_behind_concealed_sound_also_when_it_came_alone() -> None:
    values = np.zeros((20, len(CLASSES)), np.float32)
    values[1:, 0] = 0.52  # the threshold is 0.5, and 0.55 behind concealed sound
    scores, first, none = Scores(0, values, np.ones(20, np.bool_)), np.arange(20) == 0, np.zeros(20, np.bool_)
    assert _tracked(scores, first, [0, 1, 20]) == []
    found = _found(_tracked(scores, none, [0, 1, 20]))
    assert {event[:3] for event in found} == {("wheeze", 0, 20)}


@pytest.mark.parametrize("level", [0.4, 0.6])
def test_the_rules_find_by_hand_what_they_should(level: float) -> None:
    values = np.zeros((60, len(CLASSES)), np.float32)
    values[20:30, 2] = level
    found = plain_events(GROUPS, CLASSES, THRESHOLDS, Scores(0, values, np.ones(60, np.bool_)), np.zeros(60, np.bool_))
    peak = float(np.float32(level))
    assert found == {("fine_crackle", 20, 30, peak, round(peak, 9), "quiet")}
