"""Targets are the share of the score frame that the annotation covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS, frame_targets


def _recording(*events: Annotation) -> Recording:
    return Recording(Path("one.flac"), "p", "CAS", events)


def test_a_frame_half_covered_has_half_a_target() -> None:
    targets = frame_targets(_recording(Annotation(0.25, 0.5, ("wheeze",))), 6, 0.1)
    np.testing.assert_allclose(targets[:, COLUMNS.continuous], [0, 0, 0.5, 1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(targets[:, COLUMNS.which_continuous.start], targets[:, COLUMNS.continuous])
    np.testing.assert_allclose(targets[:, COLUMNS.breath], targets[:, COLUMNS.continuous])
    assert not targets[:, COLUMNS.discontinuous].any()


def test_a_normal_phase_is_breath_and_nothing_else() -> None:
    targets = frame_targets(_recording(Annotation(0.0, 0.2, ())), 2, 0.1)
    assert targets[:, COLUMNS.breath].tolist() == [1, 1]
    assert targets.sum() == 2


def test_a_crackle_of_unknown_kind_has_no_kind() -> None:
    targets = frame_targets(_recording(Annotation(0.0, 0.1, ("wheeze", "crackle"))), 1, 0.1)
    assert targets[0, COLUMNS.discontinuous] == 1
    assert targets[0, COLUMNS.continuous] == 1
    assert not targets[0, COLUMNS.which_discontinuous].any()


def test_an_event_beyond_the_end_is_cut_there() -> None:
    targets = frame_targets(_recording(Annotation(0.1, 9.0, ("stridor",))), 3, 0.1)
    assert targets[:, COLUMNS.continuous].tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("label", "columns"),
    [
        ("wheeze", (0, 1, 3)),
        ("rhonchus", (0, 1, 4)),
        ("stridor", (0, 1, 5)),
        ("fine_crackle", (0, 2, 6)),
        ("coarse_crackle", (0, 2, 7)),
        ("crackle", (0, 2)),
    ],
)
def test_each_sound_has_its_column_beside_breath_and_its_group(label: str, columns: tuple[int, ...]) -> None:
    targets = frame_targets(_recording(Annotation(0.0, 0.1, (label,))), 1, 0.1)
    assert (targets.shape, targets.dtype) == ((1, 8), np.float32)
    assert tuple(np.flatnonzero(targets[0])) == columns
    assert targets.sum() == len(columns)


def test_where_two_annotations_overlap_the_one_that_covers_more_counts() -> None:
    one, other = Annotation(0.0, 0.075, ("wheeze",)), Annotation(0.05, 0.1, ("stridor",))
    for events in ((one, other), (other, one)):
        assert frame_targets(_recording(*events), 1, 0.1)[0].round(4).tolist() == [0.75, 0.75, 0, 0.75, 0, 0.5, 0, 0]
