"""Messages from the wire as records: which topics, what of them is taken, and why the rest is refused.

Not for what a record holds (`edge.delivery.records`). Bytes of unknown origin are bounded and validated, and refused
with one line that says why; a topic, which the broker's access list guards, must fit the message.
"""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from edge.contract.fields import SELF_TEST_STREAM
from edge.contract.topics import read_topic
from edge.delivery.records import ClipRecord, EventRecord, GapRecord, TransitionRecord, TrendRecord, WireRecord

MAX_BYTES = 16_384  # a message is below 4 kB; this is room for fields to come

KIND_OF = {
    EventRecord: "events", TrendRecord: "trends", TransitionRecord: "alarms", GapRecord: "gaps", ClipRecord: "clips",
}  # fmt: skip
LAST_LEVELS = ("event", "trend", "transition", "gap", "clip")
"""Of a topic; the name of the schema of its messages, too."""

_ANY: TypeAdapter[WireRecord] = TypeAdapter(Annotated[WireRecord, Field(discriminator="schema_")])


def filters(prefix: str, kinds: Container[str] = ("events", "trends", "alarms")) -> list[str]:
    """What to subscribe to for messages of these kinds, of every node below `prefix`."""
    of_bed, of_node = f"{prefix}/+/+/s/+", f"{prefix}/+/+"
    ends = {
        "events": (f"{of_bed}/event",), "trends": (f"{of_bed}/trend",), "gaps": (f"{of_bed}/gap",),
        "clips": (f"{of_bed}/clip",),
        "alarms": (f"{of_bed}/alarm/+/transition", f"{of_node}/alarm/+/transition"),
    }  # fmt: skip
    return [each for kind, topics in ends.items() if kind in kinds for each in topics]


def kind_of(record: WireRecord) -> str:
    """Name of the table that it belongs to."""
    return KIND_OF[type(record)]


def is_self_test(topic: str) -> bool:
    """Whether it is of no patient but of the node's own test, which is never counted."""
    return f"/s/{SELF_TEST_STREAM}/" in topic


def parse(topic: str, payload: bytes, prefix: str) -> tuple[WireRecord, dict[str, Any]]:
    """A message as a record, and its whole body.

    Args:
        topic: where it came.
        payload: bytes of unknown origin.
        prefix: first levels of all topics.

    Raises:
        ValueError: what is wrong with it, in one line.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"expected at most {MAX_BYTES} bytes, found {len(payload)}")
    names = read_topic(prefix, topic)
    try:
        body = json.loads(payload, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON, found none") from None
    if not isinstance(body, dict):
        raise ValueError(f"expected a JSON object, found {type(body).__name__}")
    last = topic.rpartition("/")[2]
    if last not in LAST_LEVELS or body.get("schema") != f"laennec.{last}/1":
        raise ValueError(f"expected the schema of its topic, found {str(body.get('schema'))[:64]!r}")
    if (names.stream or None) != body.get("stream"):
        raise ValueError("the message names another bed than its topic")
    named = {"site": names.site, "node": names.node}  # what the body says of an event goes before its topic
    return validated({**named, **body}), body


def _no_number(name: str) -> float:
    """NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(name)


def validated(body: dict[str, Any]) -> WireRecord:
    """A body with `site` and `node` as a record.

    Raises:
        ValueError: which field is wrong.
    """
    try:
        return _ANY.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(ascii(str(part)[:32])[1:-1] for part in first["loc"])  # a name there may be no text at all
        raise ValueError(f"{where}: {first['msg']}"[:200]) from None
