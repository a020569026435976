"""Messages from the wire: what the contract has is read, all else is an error in one line; never anything else."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.contract import MESSAGES, Received, filters, parse
from edge.contract.alarms import AlarmMessage
from edge.contract.fields import printable, seconds_of
from edge.contract.topics import Address
from edge.contract.trend import TrendMessage
from tests.edge.conftest import SCHEMAS
from tests.edge.server.board import ward_messages as made

PREFIX = made.PREFIX


def read(levels: str, body: Any) -> Received:
    return parse(PREFIX, f"{PREFIX}/site/node/{levels}", json.dumps(body).encode())


def test_an_alarm_of_a_bed_is_read_with_its_place_and_condition() -> None:
    received = read("s/bed1/alarm/continuous", made.alarm(priority="Hi"))
    assert (received.address, received.names.levels, received.kind) == (
        Address("site", "node", "bed1"),
        ("alarm", "continuous"),
        AlarmMessage,
    )
    assert isinstance(received.message, AlarmMessage)
    assert (received.message.priority, received.message.limit and received.message.limit.s_per_min) == ("Hi", 6.0)
    assert received.message.ts == made.WALL_S


@pytest.mark.parametrize(
    "body", [made.status(), made.health(), made.stream(), made.stream_health(), made.trend(), made.alarm()]
)
def test_what_the_tests_publish_obeys_the_schemas(body: made.Body) -> None:
    SCHEMAS[body["schema"]].validate(body)
    with pytest.raises(jsonschema.ValidationError):
        SCHEMAS[body["schema"]].validate({**body, "schema": "laennec.other/1"})


def test_fields_that_are_not_known_are_ignored() -> None:
    assert read("s/bed1/trend", {**made.trend(), "new": {"field": 1}}).kind is TrendMessage


def test_an_empty_message_says_that_something_was_cleared() -> None:
    assert parse(PREFIX, f"{PREFIX}/site/node/s/bed1/status", b"").message is None


@pytest.mark.parametrize(
    ("levels", "body"),
    [
        ("s/bed1/alarm/continuous", {**made.alarm(), "priority": "Huge"}),
        ("s/bed1/alarm/continuous", {**made.alarm(), "rev": -1}),
        ("s/bed1/alarm/continuous", {**made.alarm(), "since": 5}),
        ("s/bed1/trend", {**made.trend(), "windows": [{}] * 9}),
        ("s/bed1/trend", {**made.trend(), "ts": "0000-01-01T00:00:00.000Z"}),
        ("s/bed1/status", []),
        ("s/bed1/unheard-of", made.stream()),
        ("s/bed1/alarm", made.alarm()),
        (f"s/{'b' * 65}/status", made.stream()),
        ("s/bed\u202e1/status", made.stream()),
    ],
)
def test_what_is_not_of_the_contract_is_refused(levels: str, body: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read(levels, body)


@pytest.mark.parametrize("payload", [b"{", b"\xff", b"[" * 60_000, b'{"boot_id":NaN}', b" " * 65_537])
def test_rubbish_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(PREFIX, f"{PREFIX}/site/node/health", payload)


@given(st.text(max_size=300), st.binary(max_size=300))
def test_any_topic_and_payload_are_read_or_refused(topic: str, payload: bytes) -> None:
    try:
        received = parse(PREFIX, f"{PREFIX}/{topic}", payload)
    except ValueError:
        return
    assert received.address.site


@given(st.text())
def test_text_is_cut_and_can_neither_turn_nor_hide_what_stands_beside_it(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 200
    assert shown.isprintable() or "�" in shown
    assert not set(shown) & {"\u202e", "\u2066", "\n", "\x00", "\x1b"}


def test_times_are_seconds_since_1970() -> None:
    assert seconds_of("1970-01-01T00:01:00.500Z") == 60.5


def test_only_the_sites_of_the_settings_are_subscribed_to() -> None:
    assert {each.split("/")[2] for each in filters(PREFIX, MESSAGES, ("ward-b",))} == {"ward-b"}


@pytest.mark.parametrize(
    "levels",
    [
        "s/mel/status/more",
        "event",
        "s/event",
        "s/bed1/alarm/a/b",
        "s/bed1/alarm",
        "alarm/a/b/transition",
        "s/bed1/status/x",
    ],
)
def test_a_topic_of_no_message_is_refused(levels: str) -> None:
    with pytest.raises(ValueError, match=r"topic|expected"):
        read(levels, made.status())
