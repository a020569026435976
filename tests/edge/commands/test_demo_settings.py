"""The settings that the demo of the board gives its node."""

from __future__ import annotations

from pathlib import Path

from edge.commands.demo_ward import BEDS, _settings
from edge.settings.node import parse_config


def test_the_demo_of_the_board_lets_its_beds_be_looked_at_and_keeps_clips_in_its_own_folder(tmp_path: Path) -> None:
    config = parse_config(_settings(1883, 7355, tmp_path), "demo")
    assert config.look
    assert config.clips is not None
    assert config.clips.path.is_relative_to(tmp_path)
    assert [stream.id for stream in config.streams] == [bed.name for bed in BEDS]
