"""What the contract says of itself: a JSON Schema for each message, and the table of topics, made of the models.

A test compares both with what is committed; `python -m edge.contract` writes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from edge.contract import MESSAGES, commands
from edge.contract.commands import COMMAND, FORMS
from edge.contract.message import ADDED, HOUR_S, Message

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "schema"
README = Path(__file__).parents[1] / "delivery" / "README.md"
BEGIN, END = "<!-- python -m edge.contract -->\n", "<!-- end of what it writes -->\n"


class _Plain(GenerateJsonSchema):
    """Without titles, which repeat names, and without the defaults of what may be absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schema_of(kind: type[Message]) -> dict[str, Any]:
    """The JSON Schema of a message on the wire."""
    made = _untitled(kind.model_json_schema(schema_generator=_Plain, mode="validation"))
    properties = {"schema": {"const": kind.wire.schema}, **made.pop("properties")}
    required = ["schema", *made.pop("required")]
    described = f"{made.pop('description')} {_sent(kind)}"
    return {
        "$schema": DIALECT,
        "$id": kind.wire.schema,
        "description": described,
        "type": made.pop("type"),
        "required": required,
        "properties": properties,
        **made,
    }


def command_schema() -> dict[str, Any]:
    """The JSON Schema of all commands."""
    forms = {verb: _untitled(form.model_json_schema(schema_generator=_Plain)) for verb, form in FORMS.items()}
    some = [{"$ref": f"#/$defs/{verb}"} for verb in forms]
    return {"$schema": DIALECT, "$id": COMMAND, "description": commands.ORDERS, "anyOf": some, "$defs": forms}


def schemas() -> dict[str, str]:
    """Name of the file -> what stands in it."""
    trees = [schema_of(kind) for kind in MESSAGES] + [command_schema()]
    return {f"{_name(tree['$id'])}.json": _lines(tree) + "\n" for tree in trees}


def table() -> str:
    """The rows of the README, below the node's topic."""
    rows = [_row(kind) for kind in MESSAGES if kind.wire.topics]
    return "\n".join(["| topic | what | retained | expires after |", "|---|---|---|---|", *rows]) + "\n"


def with_table(readme: str) -> str:
    """The README with the table of today."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def write() -> None:
    """Write both."""
    for name, text in schemas().items():
        (FOLDER / name).write_text(text)
    README.write_text(with_table(README.read_text()))


def _sent(kind: type[Message]) -> str:
    """How it is published, in words."""
    wire = kind.wire
    where = " or ".join(f"<prefix>/<site>/<node>/{_named(topic)}" for topic in wire.topics)
    retention = "Retained" if wire.retained else "Not retained"
    over = f"; expires at the broker after {_duration(wire.expiry_s)}" if wire.expiry_s else ""
    version = wire.schema.rpartition("/")[2]
    return f"{retention}, QoS {wire.qos}{f', on {where}' if where else ''}{over}. {ADDED.format(version)}"


def _row(kind: type[Message]) -> str:
    wire = kind.wire
    where = ", ".join(f"`{_named(topic)}`" for topic in wire.topics)
    over = _duration(wire.expiry_s) if wire.expiry_s else ""
    what = f"{wire.what} ([schema](../contract/schema/{_name(wire.schema)}.json))"
    return f"| {where} | {what} | {'yes' if wire.retained else 'no'} | {over} |"


def _named(topic: str) -> str:
    """A topic with words for what is any name."""
    words = {"s": "<stream>", "alarm": "<condition>", "result": "<verb>"}
    levels = topic.split("/")
    pairs = zip(["", *levels], levels, strict=False)
    return "/".join(words.get(before, "<user>") if level == "+" else level for before, level in pairs)


def _duration(seconds: int) -> str:
    return f"{seconds // HOUR_S} h" if seconds >= HOUR_S else f"{seconds // 60} min" if seconds > 90 else f"{seconds} s"


def _name(schema: str) -> str:
    return schema.removeprefix("laennec.").rpartition("/")[0]


def _untitled(tree: dict[str, Any]) -> dict[str, Any]:
    """Without the titles of models; descriptions of several lines in one."""
    tree.pop("title", None)
    for key, value in tree.items():
        if key == "description" and isinstance(value, str):
            tree[key] = " ".join(value.split())
        elif isinstance(value, dict):
            _untitled(value)
    return tree


def _lines(tree: dict[str, Any], depth: int = 0) -> str:
    """JSON with a line for each property."""
    indent, rows = "  " * (depth + 1), []
    for key, value in tree.items():
        is_open = (depth == 0 and key in ("properties", "$defs")) or (depth == 1 and "properties" in value)
        text = _lines(value, depth + 1) if is_open else json.dumps(value, ensure_ascii=False)
        rows.append(f"{indent}{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(rows) + "\n" + "  " * depth + "}"
