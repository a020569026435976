"""Delays are counted from the annotated onset to the confirmation."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.evaluation.made import RATE_HZ, recording, scores_of
from training.datasets import Annotation
from training.evaluation.delays import Delays, annotated_spans, delays, weighted_quantile

WHEEZE = Annotation(2.0, 3.0, ("wheeze",), "Wheeze")


def test_the_delay_is_from_the_annotated_onset_to_the_confirmation() -> None:
    found = delays(scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 2.5, 3.5)], late_s=1.25), RATE_HZ)
    assert found == Delays((pytest.approx(1.75),), 0, 0)


def test_the_first_confirmation_counts() -> None:
    long = Annotation(2.0, 8.0, ("wheeze",), "Wheeze")
    found = delays(scores_of(recording("a", "CAS", long), [("wheeze", 6, 7), ("wheeze", 3, 4)]), RATE_HZ)
    assert found.seconds == (2.0,)


def test_a_report_of_the_other_group_notices_nothing() -> None:
    found = delays(scores_of(recording("a", "CAS", WHEEZE), [("fine_crackle", 2, 3)]), RATE_HZ)
    assert found == Delays((), 0, 1)


def test_a_report_that_ended_before_notices_nothing() -> None:
    assert delays(scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 1.0, 2.0)]), RATE_HZ).missed == 1


def test_what_begins_while_a_report_lasts_is_told_apart() -> None:
    found = delays(scores_of(recording("a", "CAS", WHEEZE), [("wheeze", 0.5, 2.5)]), RATE_HZ)
    assert found == Delays((), 1, 0)


def test_normal_breath_has_no_delay() -> None:
    breath = Annotation(2.0, 3.0, (), "Normal")
    assert delays(scores_of(recording("a", "Normal", breath), [("wheeze", 2, 3)]), RATE_HZ) == Delays((), 0, 0)


def test_both_sounds_at_once_are_two_events() -> None:
    both = Annotation(2.0, 3.0, ("wheeze", "crackle"), "Wheeze+Crackle")
    one = scores_of(recording("a", "CAS & DAS", both), [("wheeze", 2, 3)])
    assert delays(one, RATE_HZ) == Delays((1.0,), 0, 1)
    assert annotated_spans(one, "discontinuous").tolist() == [[2.0, 3.0]]


def test_a_weighted_quantile_is_that_of_the_repeated_values() -> None:
    values, weights = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 1.0])
    assert weighted_quantile(values, weights, 0.5) == 1.0
    assert weighted_quantile(values, weights, 0.51) == 2.0
    assert weighted_quantile(values, weights, 1.0) == 3.0
    assert weighted_quantile(values, np.zeros(3), 0.5) is None


def test_what_was_reported_before_its_onset_is_told_apart_though_a_later_report_overlaps_too() -> None:
    long = Annotation(2.0, 5.0, ("wheeze",), "Wheeze")
    found = scores_of(recording("a", "CAS", long), [("wheeze", 1.0, 2.5), ("wheeze", 3.0, 4.0)], late_s=0.5)
    assert delays(found, RATE_HZ) == Delays((), 1, 0)
