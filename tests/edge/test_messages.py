"""The contract: topics, ids and the JSON of every event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edge
from edge.messages import Moment, Node, encode, event_message, finish, gap_message, model_body, ulid
from edge.types import Event, Gap
from tests.edge.fakes import LoudnessModel

SCHEMA = json.loads((Path(edge.__file__).parent / "schema" / "event.json").read_text())
NODE = Node("laennec/v1", "ward-b", "edge-7", "Test", "b3f1b3f1")
CHECK = jsonschema.Draft202012Validator(SCHEMA)
SCORE = st.floats(0, 1)
INDEX = st.integers(0, 2**40)


def sent(event: Event, late: bool = False) -> dict[str, object]:
    moment = Moment(1.8e9, None if event.end is None else 1.8e9 + 1, None)
    message = event_message(NODE, "bed1", ulid(1.8e9), event, 8000, moment, model_body(LoudnessModel()))
    return json.loads(finish({**message.body, "seq": 7}, late, 1.8e9 + 2))  # type: ignore[no-any-return]


@given(INDEX, st.none() | st.integers(1, 10**6), SCORE, SCORE, SCORE, st.booleans())
def test_every_event_obeys_the_schema(
    onset: int, length: int | None, peak: float, mean: float, threshold: float, late: bool
) -> None:
    kind: Literal["onset", "end"] = "onset" if length is None else "end"
    end = None if length is None else onset + length
    event = Event(kind, "wheeze", onset, end, peak, mean, threshold, "" if end is None else "gap")
    body = sent(event, late)
    CHECK.validate(body)
    assert body["late"] is late
    assert len(encode(body)) < 4096


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 0}, {"id": "x"}, {"type": "update"}, {"rev": 3}, {"stream": "Bed 1"}, {"late": "no"}, {"boot_id": None},
        {"end_reason": "quiet"}, {"scores": {"peak": 1.1, "mean": 0, "threshold": 0}}, {"time": {}},
    ],
)  # fmt: skip
def test_the_schema_refuses_what_is_wrong(change: dict[str, object]) -> None:
    body = sent(Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, ""))
    assert not CHECK.is_valid({**body, **change})


def test_the_schema_lets_a_later_version_add_fields() -> None:
    body = sent(Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, ""))
    assert CHECK.is_valid({**body, "quality": {"sqi": 0.9}})


def test_nan_is_never_sent() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"score": float("nan")})


def test_topics_carry_site_node_and_stream() -> None:
    event = Event("onset", "wheeze", 1, None, 0.9, 0.8, 0.5, "")
    message = event_message(NODE, "bed1", "i", event, 8000, Moment(0, None, None), {})
    assert message.topic == "laennec/v1/ward-b/edge-7/s/bed1/event"
    assert message.event == ("i", 1)
    gap = gap_message(NODE, "bed1", Gap(8000, 12000, "device lost"), 8000)
    assert gap.topic == "laennec/v1/ward-b/edge-7/s/bed1/gap"
    assert (gap.body["from_sample"], gap.body["to_sample"], gap.body["ms"]) == (8000, 12000, 500)
    assert gap.event is None


def test_ids_sort_by_time_and_do_not_repeat() -> None:
    assert ulid(1.0) < ulid(1.001) < ulid(1.8e9) < ulid(9e9)
    assert len({ulid(1.0) for _ in range(1000)}) == 1000
    assert ulid(1469918176.385)[:10] == "01ARYZ6S41"  # the example of github.com/ulid/spec
