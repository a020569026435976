"""A batch is written once, however often it comes, and sums stay those of its rows; on both databases."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import delete, func, select, text

from edge.errors import ConfigError, SourceError
from edge.server.history.database import DatabaseAwayError, check_tables, open_database, transaction
from edge.server.history.tables import BEDS, HOUR_MS, HOURS, LOSSES, METADATA, MINUTES, PAUSES, STARTS, Batch, hour_of
from edge.server.history.writer import COUNTED, HistoryWriter
from edge.ward.alarm_records import Person
from tests.edge.server.exports.messages import WALL_S, event, pause, transition, trend
from tests.edge.server.history.messages import batch, gap, minute
from tests.edge.server.history.postgres import Postgres

EIGHT_MS = round(WALL_S * 1000)


@pytest.fixture
def writer(url: str) -> Iterator[HistoryWriter]:
    made = HistoryWriter(url)
    yield made
    made.close()


def rows(url: str, query: Any) -> list[tuple[Any, ...]]:
    engine = open_database(url)
    with transaction(engine) as connection:
        found = [tuple(row) for row in connection.execute(query)]
    engine.dispose()
    return found


def test_copies_change_nothing_in_one_batch_or_in_two(writer: HistoryWriter, url: str) -> None:
    message = [
        event("onset", 1, None),
        event("end", 2, 1.5),
        gap(),
        trend(),
        transition("On", "raised", 3),
        pause("onset"),
    ]
    first = writer.write(batch(*message, *message))
    assert first == {"events": 2, "gaps": 1, "alarms": 1, "minutes": 1, "pauses": 1, "copies": 6}
    before = [rows(url, select(table)) for table in METADATA.sorted_tables if table.name != "sequences"]
    assert writer.write(batch(*message)) == dict.fromkeys(COUNTED, 0) | {"copies": 6}
    assert [rows(url, select(table)) for table in METADATA.sorted_tables if table.name != "sequences"] == before


def test_of_two_messages_with_one_id_and_rev_the_first_counts(writer: HistoryWriter, url: str) -> None:
    writer.write(batch(event("onset", 1, None, "wheeze"), event("onset", 1, None, "stridor")))
    writer.write(batch(event("onset", 1, None, "rhonchus")))
    assert rows(url, text("SELECT label FROM events")) == [("wheeze",)]


def test_hours_are_the_sums_of_their_minutes_whatever_comes_twice_and_in_whatever_order(
    writer: HistoryWriter, url: str
) -> None:
    chance = random.Random(3)
    minutes = [minute(n, chance.random() * 60, {"speech": chance.random() * 20}) for n in range(150)]
    minutes += [minute(n, None) for n in range(150, 200)]
    message = [*minutes, *chance.sample(minutes, 60)]
    chance.shuffle(message)
    for begin in range(0, len(message), 37):
        writer.write(batch(*message[begin : begin + 37]))
    sums: dict[int, list[int]] = {}
    for _, at_ms, _, _, measured_ms, *sounds in rows(url, select(MINUTES)):
        hour = sums.setdefault(hour_of(at_ms), [0, 0, 0, 0, 0])
        known = sounds[0] is not None
        more = (1, measured_ms, measured_ms * known, sounds[0] or 0, sounds[1] or 0)
        hour[:] = [a + b for a, b in zip(hour, more, strict=True)]
    assert {hour_ms: list(numbers) for _, hour_ms, *numbers in rows(url, select(HOURS))} == sums
    assert sorted(sums) == [EIGHT_MS + hour * HOUR_MS for hour in range(4)]
    lost = rows(url, select(LOSSES.c.cause, func.sum(LOSSES.c.lost_ms)).group_by(LOSSES.c.cause))
    expected = sum(round(each["windows"][0]["missing_s"]["speech"] * 1000) for each in minutes[:150])
    assert {cause: int(ms) for cause, ms in lost} == {"speech": expected, "no_contact": 50 * 45_000}


def test_a_minute_that_is_not_known_is_null_and_never_zero(writer: HistoryWriter, url: str) -> None:
    writer.write(batch(minute(0, None)))
    assert rows(url, select(MINUTES.c.continuous_ms, MINUTES.c.measured_ms)) == [(None, 15_000)]
    assert rows(url, select(HOURS.c.judged_ms, HOURS.c.measured_ms)) == [(0, 15_000)]


def test_what_a_failed_transaction_has_numbered_is_numbered_anew(writer: HistoryWriter, url: str) -> None:
    broken = batch(event("onset", 1, None))
    broken.events[0]["peak"] = {}
    with pytest.raises(Exception, match=r".+"):
        writer.write(broken)
    assert rows(url, select(BEDS)) == [], "undone as a whole"
    writer.write(batch(event("onset", 1, None)))
    assert len(rows(url, text("SELECT 1 FROM events JOIN beds ON beds.id = events.bed_id"))) == 1


def test_text_that_a_database_would_not_take_is_kept_without_it(writer: HistoryWriter, url: str) -> None:
    message = transition("Ack", "acknowledged", 3, by=Person("nurse\x00K", 20.0, "a\nb\u202e"))
    writer.write(batch(message))
    assert rows(url, text('SELECT "by", why FROM alarms')) == [("nurse\ufffdK", "a\ufffdb\ufffd")]


def test_a_database_that_was_restored_without_the_beds_of_before_takes_them_again(
    writer: HistoryWriter, url: str
) -> None:
    writer.write(batch(event("onset", 1, None)))
    engine = open_database(url, writes=True)
    with transaction(engine) as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(delete(table))
    engine.dispose()
    assert writer.write(batch(event("end", 2, 1.5)))["events"] == 1
    assert [row[1:] for row in rows(url, select(BEDS))] == [("ward-b", "edge-7", "bed1")]


def test_an_alarm_of_a_box_that_counts_from_1_again_is_no_copy(writer: HistoryWriter, url: str) -> None:
    first = transition("On", "raised", 3)
    later = {**first, "time": {**first["time"], "changed": "2026-12-24T08:00:00.000Z"}}
    assert writer.write(batch(first))["alarms"] == 1
    assert writer.write(batch(later, first))["alarms"] == 1
    assert len(rows(url, text("SELECT rev FROM alarms"))) == 2


def test_a_table_that_is_gone_is_the_databases_fault_and_no_messages(writer: HistoryWriter, url: str) -> None:
    writer.prepare()
    engine = open_database(url, writes=True)
    with transaction(engine) as connection:
        connection.execute(text("DROP TABLE gaps"))
    engine.dispose()
    with pytest.raises(DatabaseAwayError, match="gaps"):
        writer.write(batch(gap()))
    assert writer.write(batch(event("onset", 1, None)))["events"] == 1


def test_two_writers_of_one_database_count_each_row_once(writer: HistoryWriter, url: str) -> None:
    other = HistoryWriter(url)
    message = [minute(n) for n in range(30)]
    counts = [one.write(batch(*message[begin:])) for one, begin in ((writer, 10), (other, 0), (writer, 0))]
    other.close()
    assert [count["minutes"] for count in counts] == [20, 10, 0]
    assert rows(url, select(HOURS.c.minutes, HOURS.c.continuous_ms)) == [(30, 30 * 12_500)]


@pytest.mark.needs("pg_ctlcluster")
def test_two_writers_that_name_one_node_do_not_wait_for_each_other_in_a_circle(postgres: Postgres) -> None:
    url, numbered = postgres.new_database(), Batch(numbers=[(("ward-b", "edge-7", ""), 1, 1)])
    writer, engine = HistoryWriter(url), open_database(url)
    writer.prepare()
    with transaction(engine) as connection:
        connection.execute(text(f"ALTER DATABASE {engine.url.database} SET lock_timeout = 2000"))
    assert writer.write(numbered)["copies"] == 0
    writer.close()
    other = HistoryWriter(url)
    with transaction(engine) as connection:  # as an alarm of the node itself does, until it is committed
        connection.execute(text("SELECT id FROM beds WHERE stream = '' FOR KEY SHARE"))
        other.write(Batch(numbers=[(("ward-b", "edge-7", ""), 1, 2)]))
    assert rows(url, text("SELECT first, last FROM sequences")) == [(1, 2)]
    other.close()
    engine.dispose()


def test_the_steps_make_the_tables_that_the_queries_read(writer: HistoryWriter, url: str) -> None:
    writer.prepare()
    engine = open_database(url)
    with transaction(engine) as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _is_ours, "compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def _is_ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
    return kind != "table" or name in METADATA.tables


def test_tables_of_a_newer_version_are_not_touched(writer: HistoryWriter, url: str) -> None:
    writer.prepare()
    engine = open_database(url, writes=True)
    with transaction(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    newer = HistoryWriter(url)
    with pytest.raises(ConfigError) as caught:
        newer.prepare()
    newer.close()
    assert "newer version of Laennec" in str(caught.value)
    with pytest.raises(ConfigError) as read:
        check_tables(engine)
    assert "newer version of Laennec" in str(read.value)
    engine.dispose()


def test_tables_of_an_older_version_are_not_read_and_the_ingester_brings_them_up_to_date(
    writer: HistoryWriter, url: str
) -> None:
    writer.prepare()
    engine = open_database(url, writes=True)
    with transaction(engine) as connection:  # as the first release left them
        for table in (STARTS, PAUSES):
            table.drop(connection)
        for column in list(MINUTES.columns)[7:]:
            connection.execute(text(f"ALTER TABLE minutes DROP COLUMN {column.name}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(ConfigError, match="older version of Laennec; start  laennec ingest"):
        check_tables(engine)
    newer = HistoryWriter(url)
    newer.write(batch({**event("onset", 1, None), "seq_start": 1, "seq_before": 0}))
    newer.close()
    check_tables(engine)
    assert [tuple(row)[1:] for row in rows(url, select(STARTS))] == [(1, 0)]
    engine.dispose()


def test_more_beds_than_fit_are_refused(writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.server.history.writer.MAX_PLACES", 3)
    writer.write(Batch(numbers=[(("ward-b", "edge-7", ""), 1, 1)]))
    many = Batch(numbers=[(("ward-b", f"edge-{n}", ""), 1, 1) for n in range(3)])
    with pytest.raises(SourceError, match="more than 3 beds"):
        writer.write(many)
    assert writer.write(Batch(numbers=[(("ward-b", "edge-7", ""), 1, 2)]))["copies"] == 0


def test_a_database_that_nobody_serves_is_away() -> None:
    writer = HistoryWriter("postgresql://laennec:secret@127.0.0.1:1/history")
    with pytest.raises(DatabaseAwayError, match=r"127\.0\.0\.1:1/history: connection failed") as caught:
        writer.prepare()
    assert "secret" not in str(caught.value)
