"""Entries of JSON: whatever the text holds, it is built or refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ModelError
from edge.model.specs import numbers, read_entry

SOME = 20  # characters


def _three(fields: dict[str, Any]) -> tuple[float, ...]:
    return numbers(fields["levels"], 3, 100.0)


def test_an_entry_is_what_is_built_of_its_json() -> None:
    assert read_entry("laennec.x", '{"levels": [1, -100, 2.5]}', 100, _three) == (1.0, -100.0, 2.5)


def test_text_of_the_greatest_length_is_read_and_one_character_more_is_not() -> None:
    assert read_entry("laennec.x", "1".ljust(SOME), SOME, str) == "1"
    with pytest.raises(ModelError, match=r"not understood: laennec\.x: .*21 characters, expected up to 20"):
        read_entry("laennec.x", "1".ljust(SOME + 1), SOME, str)


@pytest.mark.parametrize("levels", [[1, 2], [1, 2, 3, 4], [1, 2, 101], [1, 2, -101], [1, 2, float("nan")], "abc", None])
def test_numbers_that_cannot_be_are_refused_with_the_name_of_the_entry(levels: object) -> None:
    with pytest.raises(ModelError, match=r"^metadata not understood: laennec\.x: "):
        read_entry("laennec.x", json.dumps({"levels": levels}), 100, _three)


trees = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3),
    lambda part: st.lists(part) | st.dictionaries(st.just("levels") | st.text(max_size=3), part),
)


@given(st.text(max_size=200) | trees.map(json.dumps))
def test_no_text_gives_another_error(text: str) -> None:
    with pytest.raises(ModelError, match=r"laennec\.x"):
        read_entry("laennec.x", text, 1000, lambda fields: _three(fields) and fields["no such field"])
