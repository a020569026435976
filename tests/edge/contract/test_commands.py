"""Commands out of bytes: what is one, what is not, and the same by the published schema."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edge.contract.commands import (
    MAX_COMMAND_BYTES,
    Acknowledge,
    ClipOrder,
    Inactivate,
    Limit,
    LiveViewOrder,
    NewPatient,
    Pause,
    parse_command,
    read_order,
)
from tests.edge.conftest import SCHEMAS

ID, WHO = {"id": "a-1"}, {"by": "nurse K"}
GOOD = [
    ("acknowledge", {}),
    ("acknowledge", {"condition": "continuous", "episode": 3}),
    ("acknowledge", {"condition": None}),
    ("pause", {}),
    ("pause", {"duration_s": 120}),
    ("pause", {"duration_s": 0.5}),
    ("inactivate", {"duration_s": 0, "why": "back"}),
    ("inactivate", {"duration_s": 28800, "why": "physiotherapy"}),
    ("limit", {"condition": "continuous", "limit_s_per_min": 12.5, "why": "known asthma"}),
    ("limit", {"condition": "continuous", "limit_s_per_min": None, "why": "as before"}),
    ("limit", {"condition": "rate-high", "limit_per_min": 40, "why": "eight months old"}),
    ("limit", {"condition": "rate-high", "limit_per_min": None, "why": "as before"}),
    ("patient", {}),
    ("patient", {"age": None}),
    ("patient", {"age": "8 months"}),
    ("patient", {"age": "adult"}),
    ("clip", {}),
    ("clip", {"seconds": 900}),
]
BAD = [
    ("acknowledge", {"id": ""}, "id: "),
    ("acknowledge", {"id": "a b"}, "id: "),
    ("acknowledge", {"by": ""}, "by: "),
    ("acknowledge", {"by": "x" * 65}, "by: "),
    ("acknowledge", {"by": "a\nb"}, "by: "),
    ("acknowledge", {"bed": "x"}, "bed: Extra"),
    ("acknowledge", {"episode": 0}, "episode: "),
    ("acknowledge", {"condition": "#"}, "condition: "),
    ("acknowledge", {"episode": "1"}, "episode: "),
    ("pause", {"duration_s": 121}, "duration_s: "),
    ("pause", {"duration_s": 0}, "duration_s: "),
    ("pause", {"duration_s": True}, "duration_s: "),
    ("inactivate", {"duration_s": 28801, "why": "long"}, "duration_s: "),
    ("inactivate", {"duration_s": 60}, "why: "),
    ("inactivate", {"duration_s": -1, "why": "back"}, "duration_s: "),
    ("inactivate", {"duration_s": 60, "why": "x"}, "why: "),
    ("limit", {"condition": "continuous", "limit_s_per_min": 0, "why": "none"}, "limit_s_per_min: "),
    ("limit", {"condition": "continuous", "limit_s_per_min": 61, "why": "none"}, "limit_s_per_min: "),
    ("limit", {"condition": "continuous", "why": "none"}, "Value error, expected either limit_s_per_min"),
    (
        "limit",
        {"condition": "rate-low", "limit_s_per_min": 5, "limit_per_min": 5, "why": "both"},
        "Value error, expected",
    ),
    ("limit", {"condition": "rate-low", "limit_per_min": 3, "why": "none"}, "limit_per_min: "),
    ("limit", {"condition": "rate-low", "limit_per_min": 91, "why": "none"}, "limit_per_min: "),
    ("limit", {"limit_s_per_min": 5, "why": "all of them"}, "condition: "),
    ("limit", {"condition": "continuous", "limit_s_per_min": 5}, "why: "),
    ("patient", {"age": "8"}, "age: "),
    ("patient", {"name": "K"}, "name: Extra"),
    ("patient", {"condition": "continuous"}, "condition: Extra"),
    ("clip", {"seconds": 901}, "seconds: "),
    ("clip", {"seconds": 0}, "seconds: "),
    ("clip", {"condition": "continuous"}, "condition: Extra"),
]


def is_valid(verb: str, body: object) -> bool:
    """By the published schema."""
    tree = SCHEMAS["laennec.command/1"].schema
    form = {"$ref": f"#/$defs/{verb}", "$defs": tree["$defs"]}
    return SCHEMAS["laennec.command/1"].evolve(schema=form).is_valid(body)


@pytest.mark.parametrize(("verb", "more"), GOOD)
def test_a_command_is_read_and_is_as_its_schema_says(verb: str, more: dict[str, object]) -> None:
    body = {**ID, **WHO, **more}
    command = parse_command(verb, json.dumps(body).encode())
    assert (command.verb, command.id, command.by) == (verb, "a-1", "nurse K")
    assert {key: getattr(command, key) for key in more} == more
    assert is_valid(verb, body)


@pytest.mark.parametrize(("verb", "wrong", "expected"), BAD)
def test_a_mistake_is_one_line_and_no_command_by_the_schema_either(
    verb: str, wrong: dict[str, object], expected: str
) -> None:
    body = {**ID, **WHO, **wrong}
    with pytest.raises(ValueError, match=expected) as caught:
        parse_command(verb, json.dumps(body).encode())
    assert "\n" not in str(caught.value)
    assert not is_valid(verb, body)


def test_a_verb_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(
        ValueError, match="not available: 'threshold'; there are acknowledge, pause, inactivate, limit, patient, clip"
    ):
        parse_command("threshold", b"{}")


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"1", b'"a"', b"\xff", b'{"id":"a","by":"n","x":' + b"[" * 2000, b" " * 2049]
)
def test_what_is_no_json_or_too_long_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_command("acknowledge", payload)
    assert 0 < len(str(caught.value)) < 200


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_no_number_is_infinite(number: str) -> None:
    text = f'{{"id":"a","by":"n","duration_s":{number}}}'
    with pytest.raises(ValueError, match=r"duration_s|JSON"):
        parse_command("pause", text.encode())


@given(
    st.sampled_from(["acknowledge", "pause", "inactivate", "limit", "patient", "clip", "x"]), st.binary(max_size=3000)
)
def test_any_bytes_are_a_command_or_a_line(verb: str, payload: bytes) -> None:
    try:
        command = parse_command(verb, payload)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - both outcomes are right
    else:
        assert isinstance(command, Acknowledge | Pause | Inactivate | Limit | NewPatient | ClipOrder)


ROOT = SCHEMAS["laennec.command/1"]


def is_of_schema(body: dict[str, Any]) -> bool:
    return ROOT.is_valid(body)


@pytest.mark.parametrize(("duration_s", "expected"), [(None, 30.0), (0, 0.0), (0.5, 0.5), (30, 30.0)])
def test_a_look_lasts_for_30_s_unless_it_says_less(duration_s: float | None, expected: float) -> None:
    body = {"id": "l1", "by": "a board"} | ({} if duration_s is None else {"duration_s": duration_s})
    assert read_order(LiveViewOrder, json.dumps(body).encode()).duration_s == expected
    assert is_of_schema(body)


@pytest.mark.parametrize(
    ("body", "key"),
    [({"duration_s": 30.5}, "duration_s"), ({"duration_s": -1}, "duration_s"), ({"seconds_": 3}, "seconds_")],
)
def test_what_the_schema_does_not_allow_is_refused_by_its_name(body: dict[str, Any], key: str) -> None:
    whole = {"id": "l1", "by": "a board", **body}
    with pytest.raises(ValueError, match=f"^{key}: "):
        read_order(LiveViewOrder, json.dumps(whole).encode())
    looks = ROOT.schema["$defs"]["look"]["properties"]
    assert looks["duration_s"]["maximum"] == 30
    assert set(looks) == {"id", "by", "duration_s"}


def test_a_command_that_is_too_long_is_not_read() -> None:
    with pytest.raises(ValueError, match="bytes") as caught:
        read_order(LiveViewOrder, b" " * (MAX_COMMAND_BYTES + 1))
    assert "at most 2048 bytes, found 2049" in str(caught.value)
