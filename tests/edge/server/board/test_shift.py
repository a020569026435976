"""What a shift hands over: means over what was measured, gaps that stay gaps, a CSV that no spreadsheet carries out."""

from __future__ import annotations

import csv
import io

import pytest

from edge.contract import parse
from edge.server.board.latest import Arrival
from edge.server.board.shift import Shift, minutes_of, shifts_of, to_csv
from edge.server.board.ward import Ward
from edge.server.board.ward_view import tiles_of
from tests.edge.server.board import ward_messages as made

HOUR_S = 3600.0
END_S = 100_000.0


def shift_of(minutes: list[tuple[float, float | None, float]], bed: str = "bed1") -> Shift:
    """Of one hour; each minute is (seconds before its end, burden, coverage)."""
    ward = Ward()
    for ago_s, value, coverage in sorted(minutes, key=lambda minute: -minute[0]):
        body = made.trend(continuous=value, discontinuous=0.0, coverage=coverage)
        heard = parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/{bed}/trend", made.bytes_of(body))
        ward.push(heard, Arrival(END_S - ago_s, made.WALL_S))
    (shift,) = shifts_of(minutes_of(ward, tiles_of(ward, END_S)), 1, END_S)
    return shift


def test_a_mean_is_over_what_was_measured() -> None:
    shift = shift_of([(120.0, 6.0, 1.0), (60.0, 2.0, 0.5), (1.0, None, 0.0)])
    assert shift.burden["Wheezing"] == pytest.approx((6.0 * 1.0 + 2.0 * 0.5) / 1.5)
    assert shift.highest["Wheezing"] == 6.0
    assert shift.coverage == pytest.approx(1.5 / 60)


def test_a_quarter_of_an_hour_without_a_word_is_not_measured_and_not_quiet() -> None:
    shift = shift_of([(60.0 * minute + 1.0, 3.0, 1.0) for minute in range(15)])
    assert [slot.coverage for slot in shift.slots] == [0.0, 0.0, 0.0, 1.0]
    assert [slot.s_per_min["continuous"] for slot in shift.slots] == [None, None, None, 3.0]


def test_what_is_older_than_the_shift_does_not_count() -> None:
    assert shift_of([(HOUR_S + 1.0, 30.0, 1.0), (1.0, 1.0, 1.0)]).highest["Wheezing"] == 1.0


def test_the_csv_has_a_row_for_each_quarter_of_an_hour_and_empty_cells_for_what_is_unknown() -> None:
    rows = list(csv.reader(io.StringIO(to_csv([shift_of([(1.0, 2.5, 1.0)])]))))
    assert rows[0] == [
        "site",
        "node",
        "bed",
        "minutes_ago",
        "coverage",
        "continuous_s_per_min",
        "discontinuous_s_per_min",
    ]
    assert rows[1] == ["ward", "box", "bed1", "60", "0.000", "", ""]
    assert rows[4] == ["ward", "box", "bed1", "15", "0.067", "2.50", "0.00"]


def test_a_name_that_a_spreadsheet_would_carry_out_is_text() -> None:
    assert "'-1" in to_csv([shift_of([(1.0, 2.5, 1.0)], "-1")])
