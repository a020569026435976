"""The section `streams[].tracking`: what is right, and what a mistake is called."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edge.errors import ConfigError
from edge.settings.node import Config, check_classes, config_hash, parse_config
from tests.edge.fakes import LoudnessModel


def ward(**stream: Any) -> Config:
    return parse_config({"streams": [{"id": "a", "source": "b", **stream}]}, "ward.yaml")


def test_without_it_nothing_is_other_than_the_model_has_it() -> None:
    stream = ward().streams[0]
    assert (stream.tracking, stream.update_s) == ({}, 5.0)


def test_what_is_not_said_of_a_class_is_left_to_the_model() -> None:
    (wheeze,) = ward(tracking={"wheeze": {"minimum_s": 0.3}}).streams[0].tracking.values()
    assert (wheeze.keep, wheeze.minimum_s, wheeze.quiet_s) == (None, 0.3, None)


@pytest.mark.parametrize(
    ("stream", "line"),
    [
        ({"tracking": {"wheeze": {"keep": 0}}}, "streams[0].tracking.wheeze.keep: 0 is not allowed"),
        ({"tracking": {"wheeze": {"keep": 1.1}}}, "streams[0].tracking.wheeze.keep: 1.1 is not allowed"),
        ({"tracking": {"wheeze": {"minimum_s": 0}}}, "streams[0].tracking.wheeze.minimum_s: 0 is not allowed"),
        ({"tracking": {"wheeze": {"quiet_s": 61}}}, "streams[0].tracking.wheeze.quiet_s: 61 is not allowed"),
        ({"tracking": {"wheeze": {"quiet_s": "soon"}}}, "streams[0].tracking.wheeze.quiet_s: expected a number"),
        ({"tracking": {"wheeze": {"minimum": 1}}}, "'minimum_s'"),
        ({"tracking": {"wheeze": 0.3}}, "streams[0].tracking.wheeze: expected"),
        ({"update_s": 0.5}, "streams[0].update_s: 0.5 is not allowed"),
        ({"update_s": 3601}, "streams[0].update_s: 3601 is not allowed"),
    ],
)
def test_a_mistake_is_one_line_with_the_key_and_the_value(stream: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(line)) as found:
        ward(**stream)
    assert "\n" not in str(found.value)


def test_a_class_that_the_model_lacks_is_refused_with_the_closest_one() -> None:
    with pytest.raises(ConfigError, match=r"streams\[0\].tracking.wheze: .*'wheeze'"):
        check_classes(ward(tracking={"wheze": {"keep": 0.5}}), LoudnessModel())


def test_the_hash_of_the_settings_is_of_what_holds_and_changes_with_each_key() -> None:
    some = [ward(), ward(update_s=6), ward(tracking={"wheeze": {}}), ward(tracking={"wheeze": {"keep": 0.5}})]
    assert len({config_hash(config) for config in some}) == len(some)
    assert config_hash(ward(update_s=5)) == config_hash(ward())
    assert re.fullmatch("sha256:[0-9a-f]{64}", config_hash(ward()))
