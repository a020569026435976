"""The command `look`: what its schema allows is read, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.contract.commands import MAX_COMMAND_BYTES, LiveViewOrder, read_order
from tests.edge.conftest import SCHEMAS

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
