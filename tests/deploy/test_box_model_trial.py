"""A change of the model that is cut off: the next start goes back, whoever is at the keyboard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deploy.box.layout import BoxLayout, Release, write_record
from deploy.box.switch import forget_model, record_model, restore_model
from deploy.tools import PROJECT

BEFORE = "a" * 64 + "\n"
AFTER = BEFORE + "b" * 64 + "\n"


@pytest.fixture
def layout(tmp_path: Path) -> BoxLayout:
    """A box whose release is current, and that has a store of models."""
    layout = BoxLayout(str(tmp_path / "root"))
    folder = layout.releases / "0001-a"
    folder.mkdir(parents=True)
    (folder / "undo.sh").write_text((PROJECT / "deploy/box/undo.sh").read_text())
    write_record(folder / "release.json", Release("0001-a", 0.0, "python3", ()))
    layout.current.symlink_to("releases/0001-a")
    (layout.state / "models").mkdir(parents=True)
    return layout


def _promoted(layout: BoxLayout) -> Path:
    return layout.state / "models/promoted"


def _start(layout: BoxLayout) -> str:
    """What stands before every start of the service; its words."""
    line = ["sh", layout.before / "undo.sh", layout.root]
    return subprocess.run(line, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("before", [BEFORE, ""])
def test_a_start_that_nobody_watches_goes_back_to_the_model_before(layout: BoxLayout, before: str) -> None:
    if before:
        _promoted(layout).write_text(before)
    record_model(layout, layout.state / "models")
    _promoted(layout).write_text(AFTER)
    assert "a change of the model was cut off" in _start(layout)
    assert (_promoted(layout).read_text() if before else _promoted(layout).exists()) == (before or False)
    assert layout.running() == "0001-a"


def test_what_is_promoted_by_hand_after_a_start_that_went_back_stays(layout: BoxLayout) -> None:
    _promoted(layout).write_text(BEFORE)
    record_model(layout, layout.state / "models")
    _promoted(layout).write_text(AFTER)
    assert "a change of the model was cut off" in _start(layout)
    _promoted(layout).write_text(AFTER)  # sudo laennec model promote, then systemctl restart
    assert _start(layout) == ""
    assert _promoted(layout).read_text() == AFTER


def test_the_next_command_goes_back_too_and_leaves_nothing(layout: BoxLayout) -> None:
    _promoted(layout).write_text(BEFORE)
    _promoted(layout).chmod(0o640)
    record_model(layout, layout.state / "models")
    _promoted(layout).write_text(AFTER)
    restore_model(layout)
    forget_model(layout)
    assert _promoted(layout).read_text() == BEFORE
    assert _promoted(layout).stat().st_mode & 0o777 == 0o640
    assert not [path for path in layout.base.iterdir() if "model-trial" in path.name]


def test_the_next_command_goes_back_to_the_bundled_model_where_none_was_promoted_before(layout: BoxLayout) -> None:
    record_model(layout, layout.state / "models")
    _promoted(layout).write_text(AFTER)
    restore_model(layout)
    assert not _promoted(layout).exists()


def test_a_model_that_was_good_stays_at_the_next_start(layout: BoxLayout) -> None:
    record_model(layout, layout.state / "models")
    _promoted(layout).write_text(AFTER)
    forget_model(layout)
    assert _start(layout) == ""
    assert _promoted(layout).read_text() == AFTER


def test_a_way_back_that_was_half_written_is_none(layout: BoxLayout) -> None:
    _promoted(layout).write_text(AFTER)
    (layout.base / ".model-trial.new").mkdir()
    (layout.base / ".model-trial.old").mkdir()
    layout.before.symlink_to("releases/0001-a")
    assert _start(layout) == ""
    assert _promoted(layout).read_text() == AFTER
    forget_model(layout)
    assert not list(layout.base.glob(".model-trial*"))


def test_no_way_back_writes_through_a_link_that_the_service_left_in_its_folder(layout: BoxLayout) -> None:
    own = layout.root / "another"
    _promoted(layout).write_text(BEFORE)
    for name, back in (("promoted.part", restore_model), (".incoming-promoted", _start)):
        own.write_text("of somebody else")
        record_model(layout, layout.state / "models")
        _promoted(layout).write_text(AFTER)
        _promoted(layout).with_name(name).symlink_to(own)
        back(layout)
        assert _promoted(layout).read_text() == BEFORE
        assert own.read_text() == "of somebody else"
