"""What a screen says when broker, board or session is away: since when, what that means, and nothing of a bed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.commands.demo_broker import Broker
from edge.server.board.users import User, add_user, hash_password
from tests.edge.server.board.fake_ward import FakeWard
from tests.system.edge.server.board.conftest import RunningBoard, bed_path, shown
from tests.system.edge.server.board.test_accessible import violations

Open = Callable[..., Any]
Start = Callable[..., RunningBoard]
SINCE = re.compile(r"since \d\d:\d\d")


@pytest.mark.parametrize("path", ["", bed_path("bed1")], ids=["ward", "bed"])
def test_a_lost_broker_is_told_since_when_what_it_means_and_what_still_works(
    board: RunningBoard, ward: FakeWard, broker: Broker, open_page: Open, path: str
) -> None:
    ward.publish_bed("bed1")
    page = open_page(f"{board.url}{path}")
    page.get_by_text("bed1").first.wait_for()
    broker.kill()
    page.locator("#banner strong", has_text="The board has lost the broker").wait_for()
    output = page.locator("#banner").inner_text()
    assert SINCE.search(output)
    for words in ("no bed is known here", "Look at the patients", "Nothing can be acknowledged", "Shift shows"):
        assert words in output


def test_a_board_that_cannot_be_reached_is_a_page_that_says_since_when_and_shows_no_bed(
    start_board: Start, ward: FakeWard, open_page: Open
) -> None:
    ward.publish_bed("bed1")
    board = start_board()
    page = open_page(board.url, bypass_csp=False)
    page.get_by_text("bed1").first.wait_for()
    page.evaluate("navigator.serviceWorker.ready.then((found) => Boolean(found.active))")
    port = int(board.url.rsplit(":", 1)[1].rstrip("/"))
    board.close()
    page.goto(board.url)
    page.get_by_role("heading", name="The board cannot be reached").wait_for()
    page.locator("#since", has_text=re.compile(r"nothing of the board since \d\d:\d\d")).wait_for()
    assert page.get_by_text("bed1").count() == 0
    start_board(listen={"port": port})
    shown(page, ".tile", 1)


def test_the_page_without_a_board_is_accessible(board: RunningBoard, open_page: Open) -> None:
    page = open_page(f"{board.url}offline", bypass_csp=True)
    page.get_by_text("has received nothing of the board yet").wait_for()
    assert violations(page) == []


def test_the_board_can_be_installed_and_its_icons_are_there(board: RunningBoard, open_page: Open) -> None:
    page = open_page(board.url)
    requested = "fetch('/static/ward.webmanifest').then((answer) => answer.json())"
    icons = page.evaluate(requested)["icons"]
    size = (
        "(path) => { const icon = new Image(); icon.src = path; return icon.decode().then(() => icon.naturalWidth); }"
    )
    widths = {icon["sizes"]: page.evaluate(size, icon["src"]) for icon in icons if icon["sizes"] != "any"}
    assert widths == {"192x192": 192, "512x512": 512}


def test_nothing_of_the_ward_shines_through_where_people_sign_in(
    start_board: Start, ward: FakeWard, broker: Broker, tmp_path: Path, open_page: Open
) -> None:
    add_user(tmp_path / "users", User("nurse", "acknowledge", hash_password("correct horse")))
    ward.publish_bed("bed1")
    page = open_page(start_board(users="users").url)
    page.locator("#login[open]").wait_for()
    broker.kill()
    page.keyboard.press("Escape")  # there is nothing else to see
    page.keyboard.press("Escape")
    page.locator("#login[open]").wait_for()
    assert not page.locator("#banner").is_visible()
    assert not page.locator("#ward").is_visible()
    page.locator("#login-name").fill("nurse")
    page.locator("#login-password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.locator("#banner strong", has_text="The board has lost the broker").wait_for()
