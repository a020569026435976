"""What sets know that do not annotate breath phases: by hand, and on the real recordings of ICBHI."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training.datasets import Annotation, Recording, read_icbhi
from training.datasets.targets import COLUMNS, PRESENCE
from training.detector.truth import LabelSpec, truth_of

BREATH, CONTINUOUS, DISCONTINUOUS = COLUMNS.breath, COLUMNS.continuous, COLUMNS.discontinuous
UNKNOWN = LabelSpec(0.0, 0.0)
FRAME_S = 0.125  # a power of two: sums of it are exact
WHEEZE = Annotation(0.125, 0.375, ("wheeze",), "Wheeze")
NORMAL = Annotation(0.375, 0.625, (), "Normal")
CYCLES = Recording(Path("a.wav"), "p", "CAS", (WHEEZE, NORMAL), covers="cycle")


def test_a_normal_cycle_is_silent_and_of_a_wheezing_one_only_that_it_has_no_crackle_is_known_by_frame() -> None:
    truth = truth_of(CYCLES, 6, FRAME_S, UNKNOWN)
    assert truth.weights[:, CONTINUOUS].tolist() == [0, 0, 0, 1, 1, 0]
    assert truth.weights[:, DISCONTINUOUS].tolist() == [0, 1, 1, 1, 1, 0]
    assert not truth.targets[:, DISCONTINUOUS].any()
    assert not truth.targets[3:5, CONTINUOUS].any()


def test_that_the_wheeze_is_somewhere_in_its_cycle_is_said_of_that_cycle() -> None:
    truth = truth_of(CYCLES, 6, FRAME_S, UNKNOWN)
    assert truth.phases[:, 0].tolist() == [0, 1, 1, 2, 2, 0]
    assert truth.somewhere[:, 0].tolist() == [[0, 0], [1, 0], [1, 0], [0, 0], [0, 0], [0, 0]]


def test_no_frame_of_a_cycle_says_which_sound_it_is_nor_where_the_breath_is() -> None:
    truth = truth_of(CYCLES, 6, FRAME_S, UNKNOWN)
    assert not truth.targets[:, PRESENCE.stop :].any()
    assert not truth.weights[:, BREATH].any()


def test_a_recording_of_normal_cycles_is_unknown_outside_them() -> None:
    normal = Recording(Path("a.wav"), "p", "Normal", (NORMAL,), covers="cycle")
    assert truth_of(normal, 6, FRAME_S, UNKNOWN).weights[:, CONTINUOUS].tolist() == [0, 0, 0, 1, 1, 0]


def test_mixed_with_another_recording_a_cycle_says_the_same_and_the_other_keeps_its_phases() -> None:
    other = truth_of(Recording(Path("b.wav"), "q", "Normal", (Annotation(0.0, 0.75, ()),)), 6, FRAME_S, UNKNOWN)
    both = truth_of(CYCLES, 6, FRAME_S, UNKNOWN).joined(other, UNKNOWN)
    assert both.somewhere[:, 0, 0].tolist() == [0, 1, 1, 0, 0, 0]
    assert not both.somewhere[:, 1].any()
    assert both.weights[:, CONTINUOUS].tolist() == [0, 0, 0, 1, 1, 0]


def test_a_sound_with_onset_and_end_is_known_and_silence_only_within_a_labelled_breath() -> None:
    events = (Annotation(0.125, 0.375, ()), Annotation(0.25, 0.375, ("wheeze",)), Annotation(0.5, 0.625, ("crackle",)))
    truth = truth_of(Recording(Path("a.wav"), "p", "CAS & DAS", events, covers="sound"), 6, FRAME_S, UNKNOWN)
    np.testing.assert_allclose(truth.targets[:, CONTINUOUS], [0, 0, 1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(truth.targets[:, DISCONTINUOUS], [0, 0, 0, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(truth.weights, np.repeat([[0], [1], [1], [0], [1], [0]], 3, axis=1), atol=1e-6)
    assert not truth.somewhere.any()
    assert not truth.targets[:, COLUMNS.which_discontinuous].any()  # the kind of crackle is not annotated


def test_the_real_cycles_are_known_as_they_were_labelled(real_data: Path) -> None:
    recordings = {r.path.stem: r for r in read_icbhi(real_data / "icbhi")}
    truth = truth_of(recordings["103_2b2_Ar_mc_LittC2SE"], 640, 0.032, UNKNOWN)
    seconds = truth.weights.sum(0) * 0.032
    # Normal cycles last 3.386 + 2.986 s; all six 19.615 s; frames at borders count in part
    np.testing.assert_allclose(seconds, [0, 6.372, 19.615], atol=0.15)
    assert truth.somewhere[:, 0].max(0).tolist() == [1, 0]
    normal = truth_of(recordings["101_1b1_Al_sc_Meditron"], 640, 0.032, UNKNOWN)
    assert not normal.somewhere.any()
    assert normal.weights[:, [CONTINUOUS, DISCONTINUOUS]].sum() * 0.032 > 2 * 19
