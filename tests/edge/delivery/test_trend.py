"""What is published of a burden obeys its schema; what is unknown is null, and half a window is the border."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from edge.delivery.minutes import minutes_of
from edge.delivery.trends import Trend, trend_body
from edge.ward.burden import WINDOWS_S
from edge.ward.coverage import Coverage
from tests.edge.conftest import SCHEMAS
from tests.edge.streaming import NODE
from tests.edge.ward.scoring import HOP_SAMPLES, MINUTE, RATE_HZ, burden, constant

WALL_S = 1_800_000_000.0


def _body(seconds: float) -> dict[str, Any]:
    scores, coverage = constant(seconds, wheeze=0.2, crackle=1 / 3), Coverage(HOP_SAMPLES, RATE_HZ)
    reading = burden().push(scores)[-1]
    coverage.push(scores)
    covered = [coverage.over(window_s, reading.stop) for window_s in WINDOWS_S]
    return trend_body(NODE, Trend("bed1", reading, covered), HOP_SAMPLES, RATE_HZ, WALL_S)


def test_the_body_obeys_its_schema_and_has_six_digits() -> None:
    body = _body(180)
    SCHEMAS["laennec.trend/1"].validate(body)
    assert [(window["s"], window["known"], window["coverage"]) for window in body["windows"]] == [
        (60, True, 1.0),
        (300, True, 0.6),
        (3600, False, 0.05),
    ]
    assert body["windows"][1]["groups"]["discontinuous"] == {
        "s_per_min": 20.000001,
        "low": 20.000001,
        "high": 20.000001,
    }
    assert [window["missing_s"] for window in body["windows"]] == [{}, {"not_begun": 120.0}, {"not_begun": 3420.0}]
    assert body["sample"] == {"rate": 8000, "stop": 180 * 8000}
    assert body["ts"] == "2027-01-15T08:00:00.000Z"


def test_unknown_is_null_and_the_schema_allows_no_number() -> None:
    window = _body(180)["windows"][2]
    assert window["groups"]["continuous"] == {"s_per_min": None, "low": None, "high": None}
    body = _body(180)
    body["windows"][2]["groups"]["continuous"]["s_per_min"] = 0.0
    with pytest.raises(jsonschema.ValidationError):
        SCHEMAS["laennec.trend/1"].validate(body)


def test_a_minute_is_remembered_with_what_was_measured_of_it() -> None:
    reading = next(r for r in burden().push(constant(60, wheeze=0.2)) if r.stop == MINUTE)
    rows = minutes_of("bed1", reading, WALL_S)
    assert [(row.stream, row.group, row.at_s, row.measured_s) for row in rows] == [
        ("bed1", "continuous", WALL_S, 60.0),
        ("bed1", "discontinuous", WALL_S, 60.0),
    ]
    assert rows[0].expected_s == pytest.approx(12.0, abs=1e-6)
