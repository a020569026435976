"""A new patient from the page of a bed: for whoever may, asked once more, and nobody's name is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.server.board.users import User, add_user, hash_password
from tests.edge.conftest import wait_for
from tests.edge.server.board import ward_messages as made
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import WALL, RunningBoard, bed_path

Open = Callable[..., Any]
PASSWORD = "correct horse"
SIZES = [{"width": 390, "height": 844}, {"width": 768, "height": 1024}, WALL]


@pytest.fixture
def closed(start_board: Callable[..., RunningBoard], tmp_path: Path) -> RunningBoard:
    """A board of two people."""
    hashed = hash_password(PASSWORD)
    add_user(tmp_path / "users", User("nurse", "acknowledge", hashed))
    add_user(tmp_path / "users", User("Dr. L", "admit", hashed))
    return start_board(users="users")


def page_of(board: RunningBoard, open_page: Open, name: str, **options: Any) -> Any:
    """The page of the bed, for one who has signed in."""
    page = open_page(board.url + bed_path("bed1"), **options)
    page.locator("#login-name").fill(name)
    page.locator("#login-password").fill(PASSWORD)
    page.locator("#login-form button").click()
    page.get_by_text("breaths/min").first.wait_for()
    return page


@pytest.mark.parametrize("viewport", SIZES, ids=lambda size: str(size["width"]))
def test_whoever_may_says_that_a_new_patient_is_there_and_how_old(
    closed: RunningBoard, ward: FakeWard, open_page: Open, tmp_path: Path, viewport: dict[str, int]
) -> None:
    ward.publish_bed("bed1")
    ward.publish("s/bed1/info", {**made.stream_info(), "age": "adult"})
    page = page_of(closed, open_page, "Dr. L", viewport=viewport)
    page.get_by_text("adult: 8 and below, 25 and above may be proposed as limits; none is set").wait_for()
    page.locator("#patient").click()
    page.locator("#age-unit").select_option("months")
    page.locator("#admit").click()
    page.get_by_text("Give the age as a whole number.").wait_for()
    assert ward.orders == []
    page.locator("#age-number").fill("8")
    page.locator("#admit").click()
    page.get_by_text("Done: the bed begins anew.").wait_for()
    assert page.locator("#admit").is_disabled()
    ((verb, body),) = ward.orders
    assert (verb, body["age"], body["by"]) == ("patient", "8 months", "admit")
    output = [json.loads(each) for each in (tmp_path / "audit.log").read_text().splitlines()]
    (line,) = [each for each in output if each["what"] == "order"]
    assert {key: line[key] for key in ("bed", "verb", "ok", "by")} == {
        "bed": "ward-b/box-1/bed1",
        "verb": "patient",
        "ok": True,
        "by": "admit",
    }
    assert "age" not in line


def test_whoever_may_not_has_no_button(closed: RunningBoard, ward: FakeWard, open_page: Open) -> None:
    ward.publish_bed("bed1")
    page = page_of(closed, open_page, "nurse")
    wait_for(lambda: page.locator("#title").inner_text() == "bed1", "the bed")
    assert page.locator("#patient").is_hidden()
