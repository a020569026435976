"""What comes from the wire is data: what obeys its schema is taken, all else is refused with a line that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import MAX_BYTES, RECORDS, filters, parse_record, table_of
from edge.contract.events import EventMessage
from edge.contract.tables import COLUMNS, in_file
from edge.contract.topics import is_self_test
from edge.contract.trend import TrendMessage
from tests.edge.server.exports.messages import BED, NURSE, event, pause, transition, trend

PREFIX = "laennec/v1"
OF_NODE = "laennec/v1/ward-b/edge-7/alarm/clock/transition"
MESSAGES: list[tuple[str, str, dict[str, Any]]] = [
    ("events", f"{BED}/event", event("onset", 1, None)),
    ("events", f"{BED}/event", event("update", 2, 5.0)),
    ("events", f"{BED}/event", event("end", 3, 6.5)),
    ("trends", f"{BED}/trend", trend()),
    ("trends", f"{BED}/trend", trend(known=False)),
    ("alarms", f"{BED}/alarm/continuous/transition", transition("Ack", "acknowledged", 3, by=NURSE)),
    ("pauses", f"{BED}/pause", pause("onset")),
    ("pauses", f"{BED}/pause", pause("end", 14.0)),
    ("alarms", OF_NODE, transition("On", "raised", 1, stream="", condition="clock")),
]


def rows_of(kind: str, record: Any) -> list[Any]:
    return [in_file(kind, row) for row in record.rows()]


def taken(topic: str, body: Any) -> Any:
    return parse_record(PREFIX, topic, json.dumps(body).encode())[0]


@pytest.mark.parametrize(("kind", "topic", "body"), MESSAGES)
def test_every_message_of_the_contract_becomes_rows_with_all_columns(kind: str, topic: str, body: Any) -> None:
    record = taken(topic, body)
    assert table_of(record) == kind
    rows = rows_of(kind, record)
    assert len(rows) == (6 if kind == "trends" else 1)
    assert all(row.keys() == COLUMNS[kind].keys() for row in rows)


def test_an_event_is_a_row_of_what_was_heard() -> None:
    (row,) = rows_of("events", taken(f"{BED}/event", event("end", 3, 6.5)))
    assert (row["onset"], row["end"]) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:06.500Z")
    assert (row["stream"], row["label"], row["peak"], row["verified"]) == ("bed1", "wheeze", 0.93, True)


def test_a_trend_is_a_row_for_each_window_and_group_and_what_is_unknown_is_none() -> None:
    rows = rows_of("trends", taken(f"{BED}/trend", trend()))
    assert [(row["window_s"], row["group"], row["burden_s_per_min"]) for row in rows[:3]] == [
        (60, "continuous", 12.5),
        (60, "discontinuous", 0.0),
        (300, "continuous", 12.5),
    ]
    assert (rows[0]["site"], rows[0]["node"]) == ("ward-b", "edge-7"), "of the topic: the message names neither"
    unknown = rows_of("trends", taken(f"{BED}/trend", trend(known=False)))[0]
    assert (unknown["burden_s_per_min"], unknown["coverage"]) == (None, 0.25)
    assert json.loads(str(unknown["missing_s"])) == {"no_contact": 45.0}


def test_a_pause_is_a_row_that_has_no_end_while_it_lasts() -> None:
    (onset,), (end,) = (rows_of("pauses", taken(f"{BED}/pause", body)) for body in (pause("onset"), pause("end", 14.0)))
    assert (onset["onset"], onset["end"], onset["end_reason"]) == ("2027-01-15T08:00:00.000Z", None, None)
    assert (end["end"], end["end_reason"], end["contact"]) == ("2027-01-15T08:00:14.000Z", "breath", False)


def test_who_acknowledged_an_alarm_is_in_its_row() -> None:
    (row,) = rows_of(
        "alarms", taken(f"{BED}/alarm/continuous/transition", transition("Ack", "acknowledged", 3, by=NURSE))
    )
    assert (row["by"], row["why"], row["signal"]) == ("nurse K (board)", "seen", "Ack")


def test_a_field_that_is_not_known_is_ignored() -> None:
    assert isinstance(taken(f"{BED}/event", {**event("onset", 1, None), "new": {"x": 1}}), EventMessage)


def test_a_trend_of_a_node_that_does_not_say_its_mode_is_taken() -> None:
    body = {key: value for key, value in trend().items() if key != "mode"}
    record = taken(f"{BED}/trend", body)
    assert isinstance(record, TrendMessage)
    assert record.mode is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"rev": "1"}, "rev"),
        ({"rev": 0}, "rev"),
        ({"id": "../../etc/passwd"}, "id"),
        ({"site": "ward b"}, "site"),
        ({"label": "<script>"}, "label"),
        ({"mode": "Live"}, "mode"),
        ({"time": {"onset": "2027-13-41T08:00:00.000Z", "end": None}}, "time.onset"),
        ({"time": {"onset": "../2027-01-15T08:00:00", "end": None}}, "time.onset"),
        ({"scores": {"peak": 1e400, "mean": 0.5, "threshold": 0.5}}, "expected JSON, found none"),  # Infinity is none
        ({"schema": "laennec.event/2"}, "expected the schema of its topic"),
        ({"stream": "bed2"}, "another bed than its topic"),
    ],
)
def test_a_message_that_is_not_as_it_should_be_is_refused_with_the_field(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        taken(f"{BED}/event", {**event("onset", 1, None), **change})
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 10_000, b" " * (MAX_BYTES + 1)])
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        parse_record(PREFIX, f"{BED}/event", payload)
    assert len(str(caught.value)) <= 200


@pytest.mark.parametrize("topic", ["laennec/v1", "laennec/v1/event", "other/v1/ward-b/edge-7/s/bed1/event", ""])
def test_a_topic_of_no_node_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="topic") as caught:
        parse_record(PREFIX, topic, json.dumps(event("onset", 1, None)).encode())
    assert "expected a topic laennec/v1/SITE/NODE" in str(caught.value)


@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        parse_record(PREFIX, f"{BED}/event", payload)
    assert len(str(caught.value)) <= 200


def test_what_is_subscribed_to_is_what_is_taken() -> None:
    import paho.mqtt.client as paho

    for _, topic, _ in MESSAGES:
        assert [each for each in filters(PREFIX, RECORDS.values()) if paho.topic_matches_sub(each, topic)]
    assert not [
        each for each in filters(PREFIX, RECORDS.values()) if paho.topic_matches_sub(each, f"{BED}/alarm/continuous")
    ]


def test_the_tests_of_a_node_are_no_patients() -> None:
    assert is_self_test("laennec/v1/ward-b/edge-7/s/self-test/event")
    assert not is_self_test(f"{BED}/event")


def test_a_number_beyond_all_floats_is_refused_with_its_field() -> None:
    payload = json.dumps(event("onset", 1, None)).replace('"peak": 0.93', '"peak": 1e999').encode()
    assert b"1e999" in payload
    with pytest.raises(ValueError, match=r"scores\.peak"):
        parse_record(PREFIX, f"{BED}/event", payload)
