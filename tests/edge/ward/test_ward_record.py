"""Five minutes of a bed from what was remembered of each minute: gaps are unknown, clocks may step."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edge.delivery.minutes import Minute
from edge.ward.alarm_budget import MOST_MINUTES, beds_of
from tests.edge.ward.scoring import MINUTE, burden, part, random_scores

NOON_S = 1_800_000_000.0


def _minutes(expected: list[float], measured: float = 60.0, stream: str = "bed1", step_s: float = 60.0) -> list[Minute]:
    return [
        Minute(stream, "continuous", NOON_S + step_s * number, seconds, measured, 0.0)
        for number, seconds in enumerate(expected)
    ]


def test_a_bed_is_known_from_the_third_minute_on() -> None:
    known = beds_of(_minutes([6.0] * 6))["bed1"]
    assert np.isnan(known.burden["continuous"]).tolist() == [True, True, False, False, False, False]
    assert known.burden["continuous"][2:] == pytest.approx([6.0] * 4)
    assert known.known_s == 240.0


def test_minutes_without_a_row_are_not_measured() -> None:
    rows = _minutes([6.0] * 12)
    found = beds_of(rows[:5] + rows[9:])["bed1"].burden["continuous"]
    assert len(found) == 12
    assert np.isnan(found).tolist() == [True] * 2 + [False] * 5 + [True] * 4 + [False]


def test_minutes_that_were_hardly_measured_are_unknown() -> None:
    assert beds_of(_minutes([1.0] * 9, measured=20.0)) == {}


@pytest.mark.parametrize("step_s", [-3600.0, 0.0, 1e9])
def test_a_clock_that_steps_does_not_lose_the_bed(step_s: float) -> None:
    rows = _minutes([6.0] * 5)
    later = [Minute(r.stream, r.group, r.at_s + 300 + step_s, r.expected_s, r.measured_s, 0.0) for r in rows]
    found = beds_of(rows + later)["bed1"].burden["continuous"]
    assert len(found) == 10
    assert found[2:] == pytest.approx([6.0] * 8)


def test_a_bed_is_looked_at_for_three_days_at_most() -> None:
    rows = _minutes([6.0] * 400, step_s=60.0 * 60)
    assert len(beds_of([*rows, *_minutes([6.0] * 5)])["bed1"].burden["continuous"]) == MOST_MINUTES


def test_beds_are_apart() -> None:
    beds = beds_of(_minutes([6.0] * 5) + _minutes([12.0] * 5, stream="bed2"))
    assert {name: bed.burden["continuous"][-1] for name, bed in beds.items()} == {"bed1": 6.0, "bed2": 12.0}


def test_the_minutes_of_a_bed_give_its_burden_over_five() -> None:
    scores, one = random_scores(12 * MINUTE, seed=3, valid=0.8), burden()
    readings = [r for a, b in pairwise(range(0, 12 * MINUTE + 1, 999)) for r in one.push(part(scores, a, b))]
    rows = [
        Minute("bed1", "continuous", NOON_S + r.stop, r.windows[0].groups[0].expected_s, r.windows[0].measured_s, 0.0)
        for r in readings
        if r.stop % MINUTE == 0
    ]
    rows = [Minute(r.stream, r.group, NOON_S + 60 * n, r.expected_s, r.measured_s, 0.0) for n, r in enumerate(rows)]
    at_minutes = [r.over(300).of("continuous").s_per_min for r in readings if r.stop % MINUTE == 0]
    assert beds_of(rows)["bed1"].burden["continuous"][4:] == pytest.approx(at_minutes[4:], abs=1e-6)
