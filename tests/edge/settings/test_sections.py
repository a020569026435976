"""Sections `clips` and `streams[].tracking`: off without them, and what does not fit together is one line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError
from edge.settings.node import Config, check_classes, config_hash, parse_config
from tests.edge.fakes import LoudnessModel


def parsed(**tree: Any) -> Config:
    return parse_config({"node": "n1", "streams": [{"id": "bed1", "source": "mic"}], **tree}, "ward.yaml")


def test_no_sound_is_kept_without_the_section() -> None:
    assert parsed().clips is None


def test_a_section_without_keys_keeps_sound_of_events_and_alarms_and_drops_speech(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    config = parsed(clips={})
    assert config.clips is not None
    assert (config.clips.of, config.clips.speech) == (("event", "alarm"), "drop")
    assert config.clips_path() == tmp_path / "clips-n1"
    assert parsed(clips={"path": "/srv/clips"}).clips_path() == Path("/srv/clips")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (None, "write  clips: {}  for the defaults"),
        ({"longest_s": 20}, "pre_s and post_s need 21 or more"),
        ({"memory_s": 60}, "clips of longest_s need 75 or more"),
        ({"of": ["cough"]}, "must be 'event' or 'alarm'"),
        ({"speech": "hide"}, "must be 'drop' or 'keep'"),
        ({"max_gb": 1}, "max_gb"),
        ({"pre_s": 1}, "must be at least 8"),
    ],
)
def test_a_mistake_is_told_with_its_repair(section: object, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(clips=section)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def ward(**stream: Any) -> Config:
    return parse_config({"streams": [{"id": "a", "source": "b", **stream}]}, "ward.yaml")


def test_without_tracking_nothing_is_other_than_the_model_has_it() -> None:
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
