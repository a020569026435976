"""What is known of a frame, by hand: annotated, unknown, silent; alone, cut, faster, with another sound beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import ConfigError
from training.datasets import Annotation, Recording
from training.datasets.targets import COLUMNS, frame_targets
from training.detector.truth import LabelSpec, Timeline, truth_of

BREATH, CONTINUOUS, DISCONTINUOUS = COLUMNS.breath, COLUMNS.continuous, COLUMNS.discontinuous
HALF_UNKNOWN = LabelSpec(unannotated=0.5, poor_quality=0.25)
AS_BEFORE = LabelSpec(1.0, 1.0)
FRAME_S = 0.1


def _recording(label: str, *events: Annotation, **more: bool) -> Recording:
    return Recording(Path("one.flac"), "p", label, events, **more)


WHEEZES = _recording("CAS", Annotation(0.1, 0.3, ("wheeze",)), Annotation(0.35, 0.5, ()))


def test_in_an_adventitious_recording_only_annotated_time_is_known() -> None:
    truth = truth_of(WHEEZES, 6, FRAME_S, HALF_UNKNOWN)
    # Frame 3 is half annotated: .5 + .5 x .5
    expected = [0.5, 1.0, 1.0, 0.75, 1.0, 0.5]
    np.testing.assert_allclose(truth.weights[:, CONTINUOUS], expected, atol=1e-6)
    np.testing.assert_allclose(truth.weights[:, DISCONTINUOUS], expected, atol=1e-6)
    assert truth.weights[:, BREATH].tolist() == [1.0] * 6


@pytest.mark.parametrize("more", [{}, {"is_negative": True}, {"is_synthetic": True}])
def test_normal_recordings_other_sounds_and_synthetic_patients_are_known_throughout(more: dict[str, bool]) -> None:
    truth = truth_of(_recording("CAS" if more else "Normal", **more), 4, FRAME_S, HALF_UNKNOWN)
    assert truth.weights[:, [CONTINUOUS, DISCONTINUOUS]].tolist() == [[1.0, 1.0]] * 4
    assert truth.weights[:, BREATH].tolist() == [0.0 if "is_negative" in more else 1.0] * 4


def test_of_poor_quality_nobody_said_anything() -> None:
    truth = truth_of(_recording("Poor Quality"), 4, FRAME_S, LabelSpec(0.5, 0.0))
    assert not truth.weights.any()
    some = truth_of(_recording("Poor Quality"), 4, FRAME_S, HALF_UNKNOWN)
    assert some.weights.tolist() == [[0.0, 0.25, 0.25]] * 4


def test_with_ones_all_time_is_known_as_before() -> None:
    for label in ("Normal", "CAS", "Poor Quality"):
        truth = truth_of(_recording(label), 3, FRAME_S, AS_BEFORE)
        assert truth.weights[:, [CONTINUOUS, DISCONTINUOUS]].all()
        assert truth.weights[:, BREATH].all() == (label != "Poor Quality")


def test_the_shares_of_a_phase_add_to_one_and_say_where_it_lies() -> None:
    truth = truth_of(WHEEZES, 6, FRAME_S, HALF_UNKNOWN)
    assert truth.phases[:, 0].tolist() == [0, 1, 1, 2, 2, 0]
    np.testing.assert_allclose(truth.shares[:, 0], [0, 0.5, 0.5, 1 / 3, 2 / 3, 0], atol=1e-6)
    assert not truth.phases[:, 1].any()


def test_a_sound_played_faster_has_its_annotation_earlier_and_the_same_in_all() -> None:
    speed = 1.25  # 0.125 s of the recording to each frame
    truth = truth_of(WHEEZES, 5, FRAME_S * speed, LabelSpec(0.0, 0.0))
    # .1 to .3 s and .35 to .5 s of the recording in frames of .125 s: how much of each frame one phase covers at most
    np.testing.assert_allclose(truth.weights[:, CONTINUOUS], [0.2, 1.0, 0.4, 1.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(truth.targets[:, CONTINUOUS], [0.2, 1.0, 0.4, 0.0, 0.0], atol=1e-6)
    # Frame 2 holds .05 s of the first phase and .025 s of the second: it is counted to the later one, 1/6 of it
    assert truth.phases[:, 0].tolist() == [1, 1, 2, 2, 0]
    np.testing.assert_allclose(truth.shares[:, 0], [0.125, 0.625, 1 / 6, 5 / 6, 0], atol=1e-6)


def test_two_sounds_together_have_what_either_has_and_lack_only_what_both_are_known_to_lack() -> None:
    crackles = truth_of(_recording("DAS", Annotation(0.2, 0.3, ("fine_crackle",))), 4, FRAME_S, LabelSpec(0.0, 0.0))
    wheezes = truth_of(WHEEZES, 4, FRAME_S, LabelSpec(0.0, 0.0))
    both = wheezes.joined(crackles, LabelSpec(0.0, 0.0))
    # Frame 1: the wheeze is annotated, the other recording is unknown; frame 2: both are annotated
    assert both.targets[:3, [CONTINUOUS, DISCONTINUOUS]].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert both.weights[:3, [CONTINUOUS, DISCONTINUOUS]].tolist() == [[0, 0], [1, 0], [1, 1]]
    assert both.phases[:3].tolist() == [[0, 0], [1, 0], [1, 1]]


def test_a_normal_recording_mixed_in_leaves_the_unknown_unknown() -> None:
    normal = truth_of(_recording("Normal"), 4, FRAME_S, HALF_UNKNOWN)
    wheezes = truth_of(WHEEZES, 4, FRAME_S, HALF_UNKNOWN)
    for both in (normal.joined(wheezes, HALF_UNKNOWN), wheezes.joined(normal, HALF_UNKNOWN)):
        np.testing.assert_allclose(both.weights, wheezes.weights)


def test_a_window_mixed_with_poor_quality_does_not_claim_to_know_breath_or_silence() -> None:
    poor = truth_of(_recording("Poor Quality"), 4, FRAME_S, LabelSpec(0.5, 0.0))
    wheezes = truth_of(WHEEZES, 4, FRAME_S, LabelSpec(0.5, 0.0))
    for both in (poor.joined(wheezes, LabelSpec(0.5, 0.0)), wheezes.joined(poor, LabelSpec(0.5, 0.0))):
        assert not both.weights[:, BREATH].any()
        assert both.weights[:3, CONTINUOUS].tolist() == [0, 1, 1]  # what is annotated is there all the same
        assert not both.weights[:, DISCONTINUOUS].any()
    before = truth_of(WHEEZES, 4, FRAME_S, AS_BEFORE).joined(
        truth_of(_recording("Poor Quality"), 4, FRAME_S, AS_BEFORE), AS_BEFORE
    )
    assert before.weights.all()


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_weight_is_a_share(value: float) -> None:
    with pytest.raises(ConfigError, match=r"labels\.unannotated"):
        LabelSpec(unannotated=value)


@pytest.mark.parametrize(("start_s", "frame_s"), [(0.0, 0.032), (0.0217, 0.032), (-0.3, 0.04), (0.333, 0.0256)])
def test_a_timeline_agrees_with_the_targets_of_a_recording_that_begins_there(start_s: float, frame_s: float) -> None:
    later = tuple(Annotation(e.start_s - start_s, e.end_s - start_s, e.labels) for e in WHEEZES.events)
    truth = Timeline(WHEEZES, HALF_UNKNOWN).truth(start_s, 30, frame_s)
    np.testing.assert_allclose(truth.targets, frame_targets(_recording("CAS", *later), 30, frame_s), atol=1e-5)


def test_a_timeline_knows_nothing_outside_the_recording_and_a_label_as_much_as_lies_inside() -> None:
    truth = Timeline(WHEEZES, AS_BEFORE, duration_s=0.6).truth(-0.24, 6, FRAME_S)
    # Middles at -.19, -.09, .01, .11, .21 and .31 s; .36 s of .6 s lie inside
    assert truth.weights[:2].tolist() == [[0, 0, 0]] * 2
    assert truth.weights[2:].tolist() == [[1, 1, 1]] * 4
