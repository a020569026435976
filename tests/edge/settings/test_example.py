"""The example for a ward is valid and shows every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from edge.settings.config import Config, load_config
from edge.settings.section import Section


def test_the_example_for_a_ward_is_valid() -> None:
    config = load_config(Path(__file__).parents[3] / "deploy" / "ward.example.yaml")
    assert [stream.id for stream in config.streams] == ["bed12-rul"]
    assert config.mqtt.tcp_port == 8883


def _keys(section: type[Section]) -> Iterator[str]:
    for key, field in section.model_fields.items():
        yield key
        yield from (inner for kind in _sections_in(field.annotation) for inner in _keys(kind))


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def test_the_example_for_a_ward_shows_every_key() -> None:
    shown = set(re.findall(r"([a-z_]+):", (Path(__file__).parents[3] / "deploy" / "ward.example.yaml").read_text()))
    keys = set(_keys(Config))
    assert {"thresholds", "rate_error", "escalate_s"} <= keys
    assert keys - shown == set()
