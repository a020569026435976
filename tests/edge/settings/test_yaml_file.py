"""YAML that PyYAML fails on, or reads otherwise than it looks: one line with the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.settings.node import load_config
from edge.settings.yaml_file import MAX_DIGITS, read_yaml


def refused(text: str, folder: Path) -> str:
    path = folder / "ward.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: not valid YAML: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: not valid YAML: ")


@pytest.mark.parametrize(
    "value",
    [
        "!!bool foo",
        "!!int ''",
        "!!float ''",
        "!!timestamp foo",
        "!!set [a]",
        "!!map [a]",
        "!!omap {a: 1}",
        "!!null {}",
        "!!str 5",
        "!!python/object/apply:os.system [ls]",
        "!mine 5",
        "! 5",
        "!<tag:a> 5",
    ],
)
def test_a_tag_is_refused_with_its_line(value: str, tmp_path: Path) -> None:
    message = refused(f"site: a\nnode: {value}", tmp_path)
    assert message.startswith("tags are not used here; remove ")
    assert message.endswith(", line 2")


def test_a_merge_key_is_refused_for_it_hides_a_key_given_twice(tmp_path: Path) -> None:
    message = refused("<<: {node: b}\nnode: c", tmp_path)
    assert message == "merge keys (<<) are not used here, line 1; write the keys themselves"


@pytest.mark.parametrize("number", ["0x" + "f" * 5000, "9" * 5000, "1" + ":00" * 300, "0b" + "1" * 65])
def test_a_number_of_hundreds_of_digits_is_refused_with_its_line(number: str, tmp_path: Path) -> None:
    message = refused(f"site: a\nmqtt: {{port: {number}}}", tmp_path)
    assert message == f"a number of {len(number)} digits, line 2; expected {MAX_DIGITS} at most"


def test_a_fraction_in_base_60_that_overflows_is_one_line(tmp_path: Path) -> None:
    assert refused("mqtt: {keepalive_s: 1" + ":00" * 200 + ".0}", tmp_path)


def test_numbers_and_quoted_text_are_what_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("{a: 0x1a2b3c4d, b: -12, c: 1_000, d: '!!int', e: '<<', f: 1.5, g: true, h: }")
    expected = {"a": 0x1A2B3C4D, "b": -12, "c": 1000, "d": "!!int", "e": "<<", "f": 1.5, "g": True, "h": None}
    assert read_yaml(path) == expected


@given(st.text("!<>:{}[],-?&*|'\"# \n\\0x_.1eabnulltruefoosetint<=~%@`", max_size=30))
def test_any_text_is_a_tree_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    message = ""
    try:
        read_yaml(path)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message
