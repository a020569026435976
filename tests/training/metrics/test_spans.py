"""Compiled events of whole recordings: those of the tracker, and counted as sed_eval counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.model.specs import GroupSpec
from edge.types import Event
from training.datasets import CLASSES, CONTINUOUS, Annotation, Recording
from training.metrics.spans import GroupScores, annotated_stretches, group_counts, running_median, stretches
from training.metrics.streaming import GROUPS, Counts, Detection, ScoredRecording, add_counts, event_counts

Stretches = list[tuple[float, float]]

HOP, RATE_HZ = 256, 8000
SPECS = st.builds(
    GroupSpec,
    st.just("continuous"),
    st.just(CONTINUOUS),
    st.integers(1, 24),
    st.sampled_from([0.3, 0.5, 0.7, 0.85, 1.0]),
    st.integers(1, 12),
    st.integers(1, 8),
    st.sampled_from([0, 0, 1, 3, 8]),
)
LEVELS = st.sampled_from([0.1, 0.3, 0.42, 0.5, 0.62, 0.9])
TENTHS = st.integers(0, 60).map(lambda n: n / 10)
STRETCHES = st.lists(st.tuples(TENTHS, st.sampled_from([0.1, 0.3, 0.4, 1.0, 2.5])), max_size=6)


@given(SPECS, st.tuples(LEVELS, LEVELS, LEVELS), st.integers(0, 400), st.integers(1, 30), st.integers(0, 1 << 30))
def test_the_spans_are_the_events_of_the_tracker(
    spec: GroupSpec, levels: tuple[float, float, float], frames: int, lasting: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    steady = np.repeat(rng.random((frames // lasting + 1, len(CLASSES))), lasting, axis=0)[:frames]
    # Two decimals: scores that equal a threshold or each other are among them
    scores = (np.round(0.35 * steady + rng.normal(0, 0.05, steady.shape), 2)).clip(0).astype(np.float32)
    thresholds = dict(zip(CONTINUOUS, levels, strict=True))
    found = GroupScores(scores, CONTINUOUS).spans(spec, thresholds).tolist()
    events = Detection((spec,), thresholds, HOP, RATE_HZ).events(scores)
    assert found == [[e.onset // HOP, (e.end or 0) // HOP] for e in events]


@pytest.mark.parametrize(
    ("frames", "medians"), [(1, [5, 1, 4, 2, 3]), (3, [3, 4, 2, 3, 2.5]), (4, [4, 3, 2.5, 2.5, 3]), (9, [3] * 5)]
)
def test_the_running_median_is_of_what_there_is(frames: int, medians: list[float]) -> None:
    # With 4: up to two frames before and after, but never five at once
    assert running_median(np.array([5.0, 1.0, 4.0, 2.0, 3.0]), frames).tolist() == medians


def test_a_recording_whose_median_stays_below_every_threshold_has_no_events() -> None:
    scores = np.zeros((40, len(CLASSES)), np.float32)
    scores[20] = 0.9
    spec = GroupSpec("continuous", CONTINUOUS, 3, 0.5, 1, 1)
    assert GroupScores(scores, CONTINUOUS).spans(spec, dict.fromkeys(CONTINUOUS, 0.1)).tolist() == []


@given(STRETCHES, STRETCHES)
def test_hits_are_counted_as_by_sed_eval(
    annotated: list[tuple[float, float]], scored_sounds: list[tuple[float, float]]
) -> None:
    kinds = ("wheeze", "fine_crackle", "stridor", "coarse_crackle")
    truth = tuple(Annotation(s, s + d, (kinds[i % 4], "wheeze")[: 1 + i % 2]) for i, (s, d) in enumerate(annotated))
    events = [
        Event("end", kinds[i % 4], round(s * RATE_HZ), round((s + d) * RATE_HZ), 0.9, 0.9, 0.5, "quiet")
        for i, (s, d) in enumerate(scored_sounds)
    ]
    recording = Recording(Path("one.wav"), "p", "CAS & DAS", truth)
    counted = []
    for group, of in zip(GROUPS, (("wheeze", "stridor"), ("fine_crackle", "coarse_crackle")), strict=True):
        spans = np.array([(e.onset, e.end) for e in events if e.label in of], np.int64).reshape(-1, 2)
        counted.append(group_counts(group, annotated_stretches(recording, group), stretches(spans, 1, RATE_HZ)))
    scored = ScoredRecording(recording, np.zeros((0, len(CLASSES)), np.float32), np.zeros((0, 0), np.float32))
    assert add_counts(counted) == event_counts([(scored, events)], RATE_HZ)


def test_an_event_leaves_its_annotation_to_another_that_has_no_other() -> None:
    # The first event fits both annotations, the second only the one that the first would take
    counts = group_counts("continuous", [(1.0, 2.0), (1.3, 2.3)], [(1.15, 2.1), (0.9, 1.9)])
    assert counts["event F1 continuous"] == Counts(2, 2, 2)
    both = group_counts("continuous", [(1.0, 2.0)], [(1.1, 2.0), (0.9, 2.0)])
    assert both["event F1 continuous"] == Counts(1, 2, 1)
    assert both["segment F1 continuous"] == Counts(1, 2, 1)
