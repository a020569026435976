"""The retained status of a node: it obeys its schema, and a dead node does not stay `online` in a broker's store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import edge
from edge.delivery.messages import Node, status_body
from edge.node.health import stream_status_body
from edge.node.stream_status import State

SCHEMAS = Path(edge.__file__).parent / "contract" / "schema"
NODE = Node("laennec/v1", "ward", "node", "Test", "0badcafe", "0123abcd")


def faults(name: str, body: dict[str, Any]) -> list[str]:
    schema = jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))
    return [fault.message for fault in schema.iter_errors(body)]


def needed(name: str, body: dict[str, Any]) -> set[str]:
    """Fields without which the body is refused."""
    return {left_out for left_out in body if faults(name, {key: body[key] for key in body if key != left_out})}


@pytest.mark.parametrize("state", ["online", "offline", "stopped"])
def test_the_status_of_a_node_obeys_its_schema(state: str) -> None:
    body = status_body(NODE, state, "a-1", 1.8e9)
    assert faults("status", body) == []
    assert needed("status", body) == {"schema", "state", "boot_id", "session", "ts"}
    assert faults("status", {**body, "state": "asleep"})


@pytest.mark.parametrize(("state", "reason"), [("ok", ""), ("disabled", "stopped"), ("lost", "no sound arrives")])
def test_the_status_of_a_stream_obeys_its_schema(state: str, reason: str) -> None:
    body = stream_status_body(NODE, State(state, reason, 1.8e9, False), 1.8e9 + 1)  # type: ignore[arg-type]
    assert faults("stream", body) == []
    assert needed("stream", body) == set(body) - {"verified", "gain_db"}
    assert faults("stream", {**body, "verified": "no"})
    assert faults("stream", {**body, "state": "asleep"})
