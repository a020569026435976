"""Every key of the settings is asked for by the program and shown by the example, which is valid."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from edge.settings.board import BoardSettings
from edge.settings.node import Config, load_config
from tests.edge.settings.sections import keys_of

EDGE = Path(__file__).parents[3] / "edge"


def _asked_for(program: str) -> set[str]:
    """Names that stand behind a dot: `settings.update_s` asks for `update_s`."""
    return {node.attr for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Attribute)}


def test_a_key_that_nothing_asks_for_is_found() -> None:
    assert _asked_for("a.pre_s + b.c.post_s\nlongest_s = 3") == {"pre_s", "c", "post_s"}


def test_every_key_of_a_node_and_of_the_board_is_asked_for_by_the_program() -> None:
    keys = {*keys_of(Config), *keys_of(BoardSettings)}
    requested = set().union(*(_asked_for(path.read_text()) for path in EDGE.rglob("*.py")))
    assert {("ClipSettings", "pre_s"), ("BoardSettings", "session_h")} <= keys
    assert {key for key in keys if key[1] not in requested} == set()


def test_the_example_for_a_ward_is_valid() -> None:
    config = load_config(Path(__file__).parents[3] / "deploy" / "ward.example.yaml")
    assert [stream.id for stream in config.streams] == ["bed12-rul"]
    assert config.mqtt.tcp_port == 8883


def test_the_example_for_a_ward_shows_every_key() -> None:
    shown = set(re.findall(r"([a-z_]+):", (Path(__file__).parents[3] / "deploy" / "ward.example.yaml").read_text()))
    keys = {key for _, key in keys_of(Config)}
    assert {"thresholds", "rate_error", "escalate_s"} <= keys
    assert keys - shown == set()
