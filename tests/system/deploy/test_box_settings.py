"""The settings of a box switch with its releases, and whatever an operator does to them by hand is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.remote import facts_of, send_command
from tests.deploy.conftest import CONFIG, Box
from tests.deploy.test_box_settings import BY_HAND

SECOND = "config: second\n"


def replace(path: Path, text: str) -> None:
    """As `sed -i` does: another file in its place."""
    other = path.with_name("other")
    other.write_text(text)
    other.replace(path)


def test_rollback_brings_the_settings_of_its_release_back(box: Box) -> None:
    first, second = box.install("one"), box.install("two", SECOND)
    assert box.layout.config.read_text() == SECOND
    assert box.rollback() == first
    assert box.layout.config.read_text() == CONFIG
    box.rollback(second)
    assert "runs two config: second" in box.layout.log.read_text().splitlines()


def test_what_was_edited_by_hand_goes_along_into_the_next_release(box: Box) -> None:
    box.install("one")
    box.layout.config.write_text(BY_HAND)
    box.layout.config.chmod(0o640)
    box.install("two", config=None)
    assert box.layout.config.read_text() == BY_HAND
    assert box.layout.config.stat().st_mode & 0o777 == 0o640
    replace(box.layout.config, SECOND)
    third = box.install("three", config=None)
    assert box.layout.config.read_text() == box.layout.settings(third).read_text() == SECOND
    assert box.layout.config.is_symlink()


def test_settings_that_are_edited_while_a_release_is_made_are_not_lost(box: Box) -> None:
    first = box.install("one")
    assert f"{box.layout.config} was changed while the release was being made" in str(box.refusal("edits", config=None))
    assert box.layout.running() == first
    assert box.layout.config.read_text() == "edited\n"


def test_a_file_in_place_of_the_link_while_a_release_is_made_stays_with_the_release_before(box: Box) -> None:
    first = box.install("one")
    box.install("replaces", SECOND)
    assert box.layout.config.read_text() == SECOND
    assert box.rollback() == first
    assert box.layout.config.read_text() == "edited\n"


def test_settings_whose_link_was_removed_are_still_those_on_the_box(box: Box) -> None:
    box.install("one")
    box.layout.config.unlink()
    assert facts_of(box.target).has_config, "else the next deployment would bring the demonstration"
    box.install("two", config=None)
    assert box.layout.config.read_text() == CONFIG


@pytest.mark.parametrize("config", [None, SECOND])
def test_who_may_read_the_settings_stays_as_the_operator_chose(box: Box, config: str | None) -> None:
    box.install("one")
    box.layout.config.chmod(0o640)
    name = box.install("two", config)
    rights = {path.name: path.stat().st_mode & 0o777 for path in (box.layout.releases / name).glob("*.yaml")}
    assert rights == {"ward.yaml": 0o640, "examined.yaml": 0o640}


def test_a_first_release_that_is_not_kept_leaves_the_settings_that_were_there(box: Box) -> None:
    box.layout.config.parent.mkdir(parents=True)
    box.layout.config.write_text(BY_HAND)
    box.refusal("ends", config=SECOND)
    assert not box.layout.config.is_symlink()
    assert box.layout.config.read_text() == BY_HAND
    box.install("one", config=None)
    assert box.layout.config.read_text() == BY_HAND


def test_undeploy_leaves_the_settings_in_force_as_a_file(box: Box) -> None:
    box.install("one")
    send_command(box.target, "undeploy", purge=False)
    assert not box.layout.config.is_symlink()
    assert box.layout.config.read_text() == CONFIG
