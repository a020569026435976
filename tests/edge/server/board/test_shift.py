"""What a shift hands over: means over what was measured, gaps that stay gaps, a CSV that no spreadsheet carries out."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from typing import Any

import pytest

from edge.contract import parse
from edge.contract.fields import rfc3339
from edge.server.board.latest import Arrival, Minute
from edge.server.board.shift import Rate, Shift, received_of, shifts_of, to_csv
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
        received = parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/{bed}/trend", made.bytes_of(body))
        ward.push(received, Arrival(END_S - ago_s, made.WALL_S))
    (shift,) = shifts_of(received_of(ward, tiles_of(ward, END_S)), 1, END_S)
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


def test_the_csv_has_a_row_for_each_quarter_of_an_hour_of_which_something_was_heard() -> None:
    rows = list(csv.reader(io.StringIO(to_csv([shift_of([(1.0, 2.5, 1.0)])], made.WALL_S - END_S))))
    figures = [
        "coverage",
        "continuous_s_per_min",
        "discontinuous_s_per_min",
        "breaths_per_min",
        "alarms",
        "acknowledged",
    ]
    assert rows[0] == ["site", "node", "bed", "begin", *figures]
    begin = rows[1].pop(3)
    assert datetime.fromisoformat(begin).timestamp() == made.WALL_S - 900.0
    assert rows[1] == ["ward", "box", "bed1", "0.067", "2.50", "0.00", "", "0", "0"]
    assert len(rows) == 2, "of the three before nothing was heard"


def alarm_at(ward: Ward, ago_s: float, **changed: Any) -> None:
    """One message of the alarm of a bed, made so many seconds before the end."""
    wall_s = made.WALL_S - ago_s
    body = made.alarm(wall_s=wall_s, **changed)
    received = parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/bed1/alarm/continuous", made.bytes_of(body))
    ward.push(received, Arrival(END_S - ago_s, wall_s))


def alarms_of(ward: Ward) -> list[tuple[float, float | None, str, float | None]]:
    """When each began, was over, by whom and when it was acknowledged, seconds before the end."""
    (shift,) = shifts_of(received_of(ward, tiles_of(ward, END_S)), 1, END_S)

    def ago(at_s: float | None) -> float | None:
        return None if at_s is None else END_S - at_s

    return [(END_S - each.began_s, ago(each.over_s), each.by, ago(each.seen_s)) for each in shift.alarms]


def at(ago_s: float) -> str:
    return rfc3339(made.WALL_S - ago_s)


def test_alarms_of_the_hours_say_when_they_began_who_acknowledged_them_and_when_they_were_over() -> None:
    ward = Ward()
    alarm_at(ward, 1000.0, rev=1, episode=1, since=at(1000.0))
    seen = {"by": "nurse K", "at": at(900.0), "why": ""}
    alarm_at(ward, 900.0, rev=2, episode=1, since=at(900.0), signal="Ack", audible=False, acknowledged=seen)
    alarm_at(ward, 700.0, rev=3, **made.OFF)
    alarm_at(ward, 300.0, rev=4, episode=2, since=at(300.0))
    assert alarms_of(ward) == [(300.0, None, "", None), (1000.0, 700.0, "nurse K", 900.0)]
    csv_rows = list(csv.reader(io.StringIO(to_csv(shifts_of(received_of(ward, tiles_of(ward, END_S)), 1, END_S), 0.0))))
    assert [row[-2:] for row in csv_rows[1:]] == [["1", "1"], ["1", "0"]], "nothing was measured, and alarms are told"


def test_an_alarm_that_was_over_before_the_board_heard_of_it_is_none_of_the_hours() -> None:
    ward = Ward()
    alarm_at(ward, 10.0, rev=7, **{**made.OFF, "episode": 3})
    assert alarms_of(ward) == []


def test_an_alarm_that_is_over_and_unseen_is_over_when_its_node_says() -> None:
    ward = Ward()
    alarm_at(ward, 10.0, rev=2, signal="Latch", presence=False, began=at(800.0), since=at(500.0))
    assert alarms_of(ward) == [(800.0, 500.0, "", None)]


def test_a_respiratory_rate_is_told_with_how_much_of_the_hours_it_was_known() -> None:
    tile, _, _ = received_of(ward := reported(), tiles_of(ward, END_S))[0]
    minutes = tuple(Minute(END_S - 60.0 * n, 1.0, {}, rate) for n, rate in ((3, 14.0), (2, None), (1, 20.0), (0, 15.0)))
    (shift,) = shifts_of([(tile, minutes, ())], 1, END_S)
    assert shift.rate == Rate(15.0, 14.0, 20.0, pytest.approx(3 / 60))
    assert shift.slots[-1].per_min == 15.0


def reported() -> Ward:
    """One bed, of which a minute was heard."""
    ward = Ward()
    received = parse(made.PREFIX, f"{made.PREFIX}/ward/box/s/bed1/trend", made.bytes_of(made.trend()))
    ward.push(received, Arrival(END_S, made.WALL_S))
    return ward


def test_a_name_that_a_spreadsheet_would_carry_out_is_text() -> None:
    assert "'-1" in to_csv([shift_of([(1.0, 2.5, 1.0)], "-1")], 0.0)
