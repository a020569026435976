"""The table of limits survives its JSON, answers for a budget, and nonsense in its place is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from edge.errors import ModelError
from edge.model.alarm_limits import LONGEST_TEXT, BurdenLimits
from tests.edge.ward.limits import TABLE


def test_the_json_of_the_table_is_read_back_as_it_was() -> None:
    assert BurdenLimits.from_json(TABLE.to_json()) == TABLE


@pytest.mark.parametrize(("most", "budget"), [(0.4, None), (0.5, 1.0), (1.4, 1.0), (1.6, 2.0), (2.4, 2.0), (9.0, 4.0)])
def test_a_row_keeps_what_was_measured_and_not_what_was_asked(most: float, budget: float | None) -> None:
    row = TABLE.row(most)
    assert (None if row is None else row.budget) == budget


@pytest.mark.parametrize(
    ("continuous", "discontinuous", "budget"), [(2.5, 6.0, 2.0), (2.6, 3.0, 1.0), (1.0, 1.0, 4.0), (9.0, 1.0, None)]
)
def test_other_limits_find_at_least_what_a_row_with_higher_ones_finds(
    continuous: float, discontinuous: float, budget: float | None
) -> None:
    row = TABLE.row_of_limits({"continuous": continuous, "discontinuous": discontinuous})
    assert (None if row is None else row.budget) == budget


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": []},
        {"rows": [asdict(TABLE.rows[1]), asdict(TABLE.rows[0])]},
        {"rows": [asdict(TABLE.rows[0]) | {"found": [0.9]}]},
        {"rows": [asdict(TABLE.rows[0]) | {"found": [0.9, 0.8, 0.7, 1.6]}]},
        {"rows": [asdict(TABLE.rows[0]) | {"limits": {"continuous": float("nan")}}]},
        {"rows": [asdict(TABLE.rows[0]) | {"limits": [1, 2]}]},
        {"rows": [asdict(TABLE.rows[0]) | {"alarms": -1}]},
        {"rows": 7},
        {"normal_beds": "many"},
    ],
)
def test_numbers_that_cannot_be_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"metadata not understood: laennec\.burden_limits"):
        BurdenLimits.from_json(json.dumps(asdict(TABLE) | changes))


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, TABLE.to_json() + " " * LONGEST_TEXT])
def test_text_that_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"laennec\.burden_limits"):
        BurdenLimits.from_json(text)
