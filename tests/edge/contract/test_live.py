"""Messages of sound from the wire: what the contract has is read, and a tile is no larger than it says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError

from edge.contract import parse
from edge.contract.events import EventMessage
from edge.contract.live import MelMessage
from edge.contract.topics import Address
from tests.edge.conftest import SCHEMAS
from tests.edge.server.board import ward_messages as made

TOPIC = f"{made.PREFIX}/site/node/s/bed1"
EVENT_ID = "01KB2M0000000000000000TEST"


def read(kind: str, body: Any) -> Any:
    return parse(made.PREFIX, f"{TOPIC}/{kind}", json.dumps(body).encode()).message


def test_an_event_is_read_with_its_place() -> None:
    received = parse(made.PREFIX, f"{TOPIC}/event", json.dumps(made.event(EVENT_ID, 8000, 16000)).encode())
    assert received.address == Address("site", "node", "bed1")
    assert isinstance(received.message, EventMessage)
    assert (received.message.id, received.message.type, received.message.sample.end) == (EVENT_ID, "end", 16000)


def test_what_the_tests_publish_as_tiles_obeys_the_schema() -> None:
    body = made.tile(3)
    SCHEMAS["laennec.mel/1"].validate(body)
    with pytest.raises(ValidationError):
        SCHEMAS["laennec.mel/1"].validate({**body, "columns": -1})
    assert read("mel", body).boot_id == body["boot_id"]


def test_what_the_tests_publish_as_events_obeys_the_schema() -> None:
    for body in (made.event(EVENT_ID, 8000), made.event(EVENT_ID, 8000, 16000)):
        SCHEMAS["laennec.event/1"].validate(body)
        assert read("event", body).label == "wheeze"


def test_a_tile_is_read() -> None:
    tile = read("mel", made.tile(3))
    assert isinstance(tile, MelMessage)
    assert (tile.sample.first, tile.columns, tile.bands) == (3 * 15 * 256, 15, 40)


@pytest.mark.parametrize(
    "changed",
    [
        {"mel": base64.b64encode(bytes(15 * 40 - 1)).decode()},
        {"mel": "?" * 800},
        {"scores": ""},
        {"columns": 16},
        {"columns": 0, "mel": "", "scores": ""},
        {"bands": 10**9},
        {"lowest_hz": 3000.0},
        {"lowest_hz": 0.0},
        {"db": {"lowest": -100.0, "step": 0.0}},
        {"db": {"lowest": float("nan"), "step": 0.4}},
        {"sample": {"rate": 0, "first": 0, "column": 256}},
        {"sample": {"rate": 1_000_000, "first": 0, "column": 1}},  # a browser would make room for 30 million
        {"thresholds": {"wheeze": 2.0}},
        {"classes": ["x"] * 1000},
    ],
)
def test_a_tile_that_is_not_whole_is_refused(changed: made.Body) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        read("mel", {**made.tile(0), **changed})
    assert refused.type is ValueError


@given(st.binary(min_size=1, max_size=300), st.sampled_from(["event", "clip", "mel"]))
def test_rubbish_is_one_kind_of_error(payload: bytes, kind: str) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        parse(made.PREFIX, f"{TOPIC}/{kind}", payload)
    assert refused.type is ValueError
