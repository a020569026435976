"""The settings of a box switch with its releases, and whatever an operator does to them by hand is kept."""

from __future__ import annotations

from pathlib import Path

from deploy.box.layout import BoxLayout, point
from deploy.box.switch import adopt_settings

BY_HAND = "config: by hand\n"


def test_a_link_of_the_operators_own_is_followed_once_and_said(tmp_path: Path) -> None:
    layout = BoxLayout(str(tmp_path / "root"))
    (layout.releases / "0001-a").mkdir(parents=True)
    point(layout.current, "releases/0001-a")
    (tmp_path / "mine.yaml").write_text(BY_HAND)
    layout.config.parent.mkdir(parents=True)
    layout.config.symlink_to(tmp_path / "mine.yaml")
    assert adopt_settings(layout) == [f"moved the settings from {layout.config} into 0001-a, and left a link to them"]
    assert layout.settings("0001-a").read_text() == BY_HAND
    assert adopt_settings(layout) == []
