"""Counting alarms, and the lowest limits within a budget: by hand, and against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.ward.alarm_budget import DAY_S, LIMITS, Bed, count_alarms, is_alarming, limits_within, lowest_within
from edge.ward.alarm_rules import HYSTERESIS

UNKNOWN = float("nan")


def _bed(continuous: list[float], discontinuous: list[float], days: float = 1.0) -> Bed:
    return Bed({"continuous": np.array(continuous), "discontinuous": np.array(discontinuous)}, days * DAY_S)


def test_a_burden_that_swings_about_its_limit_is_one_alarm() -> None:
    burden = np.array([0.0, 10.0, 9.0, 7.5, 10.5, 6.9, 8.0, 10.0])
    assert is_alarming(burden, 10.0).tolist() == [False, True, True, True, True, False, False, True]
    assert count_alarms(burden, [10.0]).tolist() == [2]


def test_while_the_burden_is_unknown_nothing_changes() -> None:
    burden = np.array([UNKNOWN, 10.0, UNKNOWN, 9.0, UNKNOWN, 0.0, UNKNOWN])
    assert is_alarming(burden, 10.0).tolist() == [False, True, True, True, True, False, False]
    assert count_alarms(burden, [10.0]).tolist() == [1]


def test_a_bed_that_was_never_known_raises_nothing() -> None:
    assert count_alarms(np.full(5, UNKNOWN)).sum() == 0


@given(st.lists(st.one_of(st.floats(0, 60), st.just(UNKNOWN)), min_size=1, max_size=60))
def test_counts_are_those_of_a_plain_loop(burden: list[float]) -> None:
    limits, expected = (2.0, 10.0, 40.0), []
    for limit in limits:
        on, alarms = False, 0
        for value in burden:
            if not on and value >= limit:
                on, alarms = True, alarms + 1
            elif on and value < HYSTERESIS * limit:
                on = False
        expected.append(alarms)
    assert count_alarms(np.array(burden), limits).tolist() == expected


@pytest.mark.parametrize(
    ("rates", "first"), [([9, 3, 1, 0], 2), ([0, 3, 1, 0], 2), ([0, 0, 0, 0], 0), ([0, 0, 0, 3], None)]
)
def test_every_higher_limit_keeps_the_budget_too(rates: list[float], first: int | None) -> None:
    assert lowest_within(np.array(rates, float), 2.0) == first


def test_each_group_has_its_limit_and_half_of_the_budget() -> None:
    swing = [0.0, 30.0] * 10  # ten alarms in a day for any limit up to 30
    beds = [_bed(swing, [0.0] * 20), _bed([0.0] * 20, [0.0] * 20)]
    expected = limits_within(beds, 2.0)
    assert expected is not None
    assert expected.limits["continuous"] == min(limit for limit in LIMITS if limit > 30.0)
    assert expected.limits["discontinuous"] == LIMITS[0]
    assert (expected.alarms, expected.alarming_beds) == (0.0, 0)


def test_alarms_are_counted_per_bed_and_day_and_their_interval_is_over_beds() -> None:
    beds = [_bed([0.0, 5.0] * 4, [0.0] * 8, days=2.0), *[_bed([0.0], [0.0], days=2.0) for _ in range(3)]]
    expected = limits_within(beds, 1.0)
    assert expected is not None
    assert expected.alarms == pytest.approx(4 / 8)
    assert expected.limits["continuous"] == LIMITS[0]
    assert expected.alarming_beds == 1
    assert expected.low == 0.0
    assert expected.high == pytest.approx(1.5, abs=0.5)


def test_one_bed_has_no_interval() -> None:
    expected = limits_within([_bed([0.0], [0.0])], 1.0)
    assert expected is not None
    assert (expected.low, expected.high) == (None, None)


def test_a_budget_that_no_limit_keeps_is_none() -> None:
    assert limits_within([_bed([0.0, 60.0] * 9, [0.0])], 1.0) is None
