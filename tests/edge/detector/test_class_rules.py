"""What an operator may ask of a class: each number by hand, of that class alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.detector.class_rules import ClassChange, ClassRule, class_rules, frames_of
from edge.detector.tracker import Tracker
from edge.model.specs import GroupSpec
from edge.types import Scores

CLASSES = ("wheeze", "rhonchus", "fine_crackle")
GROUPS = (
    GroupSpec("continuous", ("wheeze", "rhonchus"), median_frames=1, keep=0.5, confirm_frames=3, quiet_frames=3),
    GroupSpec("discontinuous", ("fine_crackle",), median_frames=1, keep=0.7, confirm_frames=1, quiet_frames=2),
)
THRESHOLDS = {"wheeze": 0.5, "rhonchus": 0.5, "fine_crackle": 0.5}
HOP_S = 0.032
RECEIVED = {  # of which class, and its scores
    "wheeze": [0.0] * 3 + [0.8] * 4 + [0.3] * 3 + [0.1] * 2 + [0.8] * 2 + [0.0] * 9,
    "rhonchus": [0.0] * 30 + [0.8] * 4 + [0.3] * 3 + [0.1] * 2 + [0.8] * 2 + [0.0] * 9,
}


def spans(**changes: ClassChange) -> list[tuple[str, int, int]]:
    values = np.zeros((50, 3), np.float32)
    for column, name in enumerate(CLASSES[:2]):
        values[: len(RECEIVED[name]), column] = RECEIVED[name]
    rules = class_rules(GROUPS, changes, HOP_S)
    tracker = Tracker(GROUPS, CLASSES, THRESHOLDS, 1, rules)
    events = tracker.push(Scores(0, values, np.ones(50, np.bool_))) + tracker.flush()
    return [(event.label, event.onset, event.end or 0) for event in events if event.kind == "end"]


def test_without_a_change_each_class_has_the_numbers_of_its_group() -> None:
    rules = class_rules(GROUPS, {}, HOP_S)
    assert rules["wheeze"] == rules["rhonchus"] == ClassRule(0.5, 3, 3)
    assert rules["fine_crackle"] == ClassRule(0.7, 1, 2)
    assert spans() == [("wheeze", 3, 14), ("rhonchus", 30, 41)]  # above .25 but for two frames


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (ClassChange(keep=0.8), [("wheeze", 3, 7)]),  # .3 is below .4, so quiet for more than 3; the rest is too short
        (ClassChange(minimum_s=0.4), []),  # 13 frames: it has 11
        (ClassChange(minimum_s=0.352), [("wheeze", 3, 14)]),  # 11 frames
        (ClassChange(quiet_s=0.064), [("wheeze", 3, 10)]),  # 2 frames, and the rest is too short
        (ClassChange(quiet_s=0.064, minimum_s=0.04), [("wheeze", 3, 10), ("wheeze", 12, 14)]),
    ],
)
def test_each_number_changes_what_is_found_of_its_class_and_of_no_other(
    change: ClassChange, expected: list[tuple[str, int, int]]
) -> None:
    assert spans(wheeze=change) == [*expected, ("rhonchus", 30, 41)]


def test_an_event_obeys_the_class_that_it_has_most_of_so_far() -> None:
    values = np.zeros((12, 3), np.float32)
    values[:, 0] = [0.8, 0.8, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0]
    values[:, 1] = [0.0, 0.0, 0.6, 0.8, 0.8, 0.8, 0.8, 0.0, 0.0, 0.0, 0.0, 0.0]
    found = {}
    for name in ("wheeze", "rhonchus"):
        rules = class_rules(GROUPS, {name: ClassChange(minimum_s=0.2)}, HOP_S)  # 7 frames
        tracker = Tracker(GROUPS, CLASSES, THRESHOLDS, 1, rules)
        events = [(e.kind, e.label) for t in range(12) for e in tracker.push(Scores(t, values[t : t + 1], ALL))]
        found[name] = events
    assert found == {
        "wheeze": [("onset", "rhonchus"), ("end", "rhonchus")],  # confirmed once rhonchus leads
        "rhonchus": [("onset", "wheeze"), ("end", "wheeze")],
    }


ALL = np.ones(1, np.bool_)


@given(st.integers(1, 2000), st.sampled_from([0.032, 0.04, 0.016, 0.01]))
def test_so_many_frames_last_as_long_as_they_do_and_a_little_more_needs_one_more(frames: int, hop_s: float) -> None:
    assert frames_of(frames * hop_s, hop_s) == frames
    assert frames_of((frames + 0.01) * hop_s, hop_s) == frames + 1


def test_there_is_always_one_frame() -> None:
    assert frames_of(1e-9, HOP_S) == 1
