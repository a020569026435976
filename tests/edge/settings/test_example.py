"""The example for a ward is valid and shows every key."""

from __future__ import annotations

import re
from pathlib import Path

from edge.settings.node import Config, load_config
from tests.edge.settings.sections import keys_of


def test_the_example_for_a_ward_is_valid() -> None:
    config = load_config(Path(__file__).parents[3] / "deploy" / "ward.example.yaml")
    assert [stream.id for stream in config.streams] == ["bed12-rul"]
    assert config.mqtt.tcp_port == 8883


def test_the_example_for_a_ward_shows_every_key() -> None:
    shown = set(re.findall(r"([a-z_]+):", (Path(__file__).parents[3] / "deploy" / "ward.example.yaml").read_text()))
    keys = {key for _, key in keys_of(Config)}
    assert {"thresholds", "rate_error", "escalate_s"} <= keys
    assert keys - shown == set()
