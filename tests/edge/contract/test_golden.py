"""Every message that the program makes is read by its model and encoded again to the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.contract import MESSAGES, parse
from edge.contract.message import Message, decode, read
from edge.contract.status import IngestStatus
from tests.edge.conftest import SCHEMAS
from tests.edge.contract.real_messages import GOLDEN, PREFIX, real_messages

pytestmark = pytest.mark.golden
LINES = [
    (topic.decode(), payload)
    for topic, _, payload in (line.partition(b" ") for line in GOLDEN.read_bytes().splitlines())
]


def message_of(topic: str, payload: bytes) -> Message:
    if "/ingest/" in topic:
        return read(IngestStatus, decode(payload, 4096))
    message = parse(PREFIX, topic, payload).message
    assert message is not None
    return message


@pytest.mark.parametrize(("topic", "payload"), LINES)
def test_a_message_is_read_and_encoded_to_the_same_bytes(topic: str, payload: bytes) -> None:
    SCHEMAS[json.loads(payload)["schema"]].validate(json.loads(payload))
    again = message_of(topic, payload).encode()
    if b'"restart"' in payload:  # the end of an event that a kill left open: its reason stands behind what was stored
        again, payload = (json.dumps(json.loads(each), sort_keys=True).encode() for each in (again, payload))
    assert again.decode() == payload.decode()


def test_the_builders_make_what_they_always_made(tmp_path: Path) -> None:
    made = real_messages(tmp_path)
    assert len(made) == len(LINES)
    for (topic, payload), (known_topic, known) in zip(made, LINES, strict=True):
        assert (topic, payload.decode()) == (known_topic, known.decode())


def test_there_is_one_of_each_kind() -> None:
    assert {type(message_of(*line)) for line in LINES} == set(MESSAGES)
