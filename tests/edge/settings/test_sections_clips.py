"""The section `clips`: off without it, and what does not fit together is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigError
from edge.settings.node import Config, parse_config


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
