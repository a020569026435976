"""The answers to an engineer's questions, known by hand; on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from edge.server.history.breath_queries import breath_by_hour, pauses
from edge.server.history.database import open_database, transaction
from edge.server.history.queries import (
    Query,
    alarms,
    burden_by_bed,
    burden_by_hour,
    coverage,
    events,
    missing_numbers,
    show,
)
from edge.server.history.tables import HOUR_MS
from edge.server.history.writer import HistoryWriter
from tests.edge.server.exports.messages import BED, NURSE, WALL_S, event, pause, transition
from tests.edge.server.history.messages import batch, minute

EIGHT_MS = round(WALL_S * 1000)  # 08:00
DAY = Query(EIGHT_MS - 8 * HOUR_MS, EIGHT_MS + 16 * HOUR_MS)
PLACE = ("ward-b", "edge-7", "bed1")
BED2 = BED.replace("bed1", "bed2")


@pytest.fixture
def ward(url: str) -> Iterator[Connection]:
    """Bed 1: an hour of 12.5 s/min, half of one of 6 s/min with 60 s without contact. Bed 2: a minute not known."""
    writer = HistoryWriter(url)
    known = [minute(n) for n in range(60)] + [minute(n, 6.0, {"no_contact": 2.0}) for n in range(60, 90)]
    second = {**event("onset", 1, None, "rhonchus"), "id": "01M82V69XRES0V4E6QY2DZ65JB", "seq": 9, "seq_start": 1}
    numbered = [{**event("onset", 1, None), "seq_start": 1}, {**event("end", 2, 1.5), "seq": 4, "seq_start": 1}]
    writer.write(batch(*known, *numbered, transition("Ack", "acknowledged", 1, by=NURSE)))
    writer.write(batch(minute(0, None), second, bed=BED2))
    writer.close()
    engine = open_database(url)
    with transaction(engine) as connection:
        yield connection
    engine.dispose()


def test_a_sound_is_one_row_as_it_was_said_last(ward: Connection) -> None:
    answer = events(ward, DAY)
    assert len(answer.rows) == 2
    assert tuple(answer.rows[0])[:7] == (EIGHT_MS, *PLACE, "wheeze", 1.5, 0.93)
    assert tuple(answer.rows[0])[8:10] == (True, "end")
    assert [row[5] for row in answer.rows] == [1.5, None], "how long the other was is not known"


def test_a_pause_is_one_row_as_it_was_said_last_and_copies_change_nothing(ward: Connection, url: str) -> None:
    assert pauses(ward, DAY).rows == []
    writer = HistoryWriter(url)
    for bodies in ([pause("onset", seq=5)], [pause("end", 14.0, 6), pause("onset", seq=5)]):
        writer.write(batch(*bodies))
        with transaction(writer._engine) as connection:
            (row,) = pauses(connection, DAY).rows
        assert tuple(row)[:4] == (EIGHT_MS, *PLACE)
        expected = (None, 10.0, False, "onset", None) if len(bodies) == 1 else (14.0, 10.0, False, "end", "breath")
        assert tuple(row)[4:9] == expected
    writer.close()


@pytest.mark.parametrize("bed", ["bed2", "edge-7/bed2", "ward-b/edge-7/bed2"])
def test_a_bed_is_named_as_far_as_one_likes(ward: Connection, bed: str) -> None:
    assert [row[3] for row in events(ward, Query(DAY.begin_ms, DAY.end_ms, bed)).rows] == ["bed2"]
    assert events(ward, Query(DAY.begin_ms, DAY.end_ms, bed, "ward-c")).rows == []
    assert len(events(ward, DAY, "rhonchus").rows) == 1
    assert events(ward, Query(DAY.end_ms, DAY.end_ms + HOUR_MS)).rows == []


def test_burden_by_hour_is_the_mean_of_what_was_judged_and_none_where_too_little_was(ward: Connection) -> None:
    rows = [tuple(row) for row in burden_by_hour(ward, DAY).rows]
    assert rows[0] == (EIGHT_MS, *PLACE, 1.0, 12.5, 0.0)
    assert rows[1] == (EIGHT_MS + HOUR_MS, *PLACE, pytest.approx(29 / 60), None, None), "29 minutes are less than half"
    assert rows[2][3:] == ("bed2", pytest.approx(0.25 / 60), None, None)


def test_burden_by_bed_is_that_of_all_that_was_judged_and_of_the_worst_hour(ward: Connection) -> None:
    first, second = (tuple(row) for row in burden_by_bed(ward, DAY).rows)
    mean = (60 * 12.5 + 29 * 6.0) / 89
    assert first == (*PLACE, pytest.approx(89 / 60), pytest.approx(mean, rel=1e-4), 12.5, 0.0, 0.0)
    assert second[4:] == (None, None, None, None)


def test_breath_by_hour_is_of_the_minutes_that_know_it_and_none_where_too_few_do(ward: Connection) -> None:
    rows = [tuple(row) for row in breath_by_hour(ward, DAY).rows]
    assert rows[0] == (EIGHT_MS, *PLACE, 24.5, 1.0, 0.25, 0.0, 0.5, 0.0)
    assert rows[1] == (EIGHT_MS + HOUR_MS, *PLACE, 24.5, 0.5, 0.25, 0.0, 0.5, 0.0)
    assert rows[2][4:] == (None, 0.0, None, None, None, None), "a minute of bed 2 that is not known"


def test_coverage_says_what_was_measured_what_was_lost_and_what_was_not_told(ward: Connection) -> None:
    first, second = (tuple(row) for row in coverage(ward, DAY).rows)
    assert first == (*PLACE, pytest.approx(89 / 60 / 24), pytest.approx(89 / 60), 22.5, "no_contact 0.02 h")
    assert second[5:] == (pytest.approx(24 - 1 / 60), "no_contact 0.01 h")


def test_who_answered_an_alarm_is_in_its_row(ward: Connection) -> None:
    (row,) = alarms(ward, DAY).rows
    assert tuple(row) == (
        EIGHT_MS + 10_000,
        *PLACE,
        "continuous",
        "Me",
        "acknowledged",
        "Ack",
        "nurse K (board)",
        "seen",
        "Operational",
    )


def test_holes_are_the_numbers_that_did_not_come(ward: Connection) -> None:
    assert [tuple(row)[2:5] for row in missing_numbers(ward).rows] == [(2, 3, 2), (5, 8, 4)]


def test_what_was_lost_before_a_restart_is_a_hole_once_the_node_speaks_again(url: str) -> None:
    again = {**event("onset", 1, None), "id": "01M82V69XRES0V4E6QY2DZ65JC", "seq": 40, "seq_start": 40, "seq_before": 5}
    writer = HistoryWriter(url)
    writer.write(batch({**event("onset", 1, None), "seq": 3, "seq_start": 1, "seq_before": 0}))
    writer.write(batch(again))
    assert writer.write(batch(again))["copies"] == 1
    writer.close()
    engine = open_database(url)
    with transaction(engine) as connection:
        assert [tuple(row)[2:5] for row in missing_numbers(connection).rows] == [(4, 5, 2)]
    engine.dispose()


def test_answers_are_printed_for_people_and_for_programs(ward: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    answer = burden_by_hour(ward, DAY)
    show(answer, "table")
    table = capsys.readouterr().out.splitlines()
    assert (len(table), table[2].split()[-2:]) == (4, ["?", "?"])
    show(answer, "csv")
    assert capsys.readouterr().out.splitlines()[1] == "2027-01-15T08:00:00.000Z,ward-b,edge-7,bed1,1.0,12.5,0.0"
    show(answer, "jsonl")
    assert '"continuous_s_per_min": null' in capsys.readouterr().out.splitlines()[1]
